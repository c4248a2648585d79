"""The composition root: opens storage, loads what the program ships with, and joins the areas."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.accounts.accounts import Accounts
from core.accounts.demo import ORGANISATION as DEMO_ORGANISATION
from core.accounts.demo import USERS as DEMO_USERS
from core.accounts.demo import demo_sign_ins, demo_turn, load_demo, retire_demo
from core.accounts.directory import Directory
from core.accounts.joining import Joining
from core.accounts.members import Members
from core.accounts.openid import OpenId
from core.accounts.profiles import Profiles
from core.accounts.provider_keys import ProviderKeys
from core.accounts.seats import Seats
from core.accounts.tokens import Tokens
from core.accounts.tours import Tours
from core.admin.alerts.area import AlertsArea, open_alerts
from core.admin.area import AdminArea, AdminParts, open_admin
from core.admin.demo_story import DemoPeople, DemoStory
from core.admin.demo_usage import DemoUsage
from core.ai.area import AiArea, AiParts, open_ai
from core.ai.cache import AnswerCache
from core.ai.catalogue import Catalogue
from core.ai.experiments import Experiments
from core.ai.flags import Flags
from core.ai.gateway import Gateway
from core.ai.health import Health
from core.ai.prices import PriceBook
from core.ai.providers.contract import Provider
from core.ai.providers.registry import build_providers
from core.ai.router import Router
from core.billing.billing import Billing, BillingParts, open_billing
from core.clock import SystemClock
from core.db.embedded import EmbeddedServer, attach
from core.db.engine import Database
from core.db.migrate import migrate
from core.errors import Conflict, Forbidden, NotFound, PlanRequired
from core.market.market import RATES_MINUTES, Market, open_market
from core.metering.area import MeteringArea, open_metering
from core.metering.boosts import Boosts
from core.metering.credits import Credits
from core.metering.meter import Meter
from core.metering.plans import Plans, load_plans
from core.metering.plans_sync import sync_plans
from core.metering.pricing import shipped_billing
from core.metering.usage import Usage
from core.metering.usage_log import UsageLog
from core.notebook.checklists import Checklists, load_checklists
from core.notebook.theses import Theses
from core.notebook.watchlists import Watchlists
from core.ops.jobs import TIDY_MINUTES, Job, Queue
from core.ops.mail import Mailer, mailer_of
from core.ops.notifications import Notifications
from core.ops.telemetry import Telemetry
from core.ops.worker import Worker
from core.portfolio.demo import load_demo_portfolios
from core.portfolio.portfolio import AreaParts, PortfolioArea, open_portfolio
from core.research import offline_bundle
from core.research.answer_checks import AnswerChecks
from core.research.assistant import Assistant
from core.research.attachments.attachments import Attachments
from core.research.bundles import Bundles
from core.research.conversations import Conversations
from core.research.details import Details
from core.research.filings import Filings
from core.research.large_requests import LargeRequests
from core.research.offline.plan import planner
from core.research.reactions import Reactions
from core.research.research import ResearchArea, ResearchParts, open_research
from core.research.templates import Templates
from core.screener.screener import Screener, open_screener
from core.settings import DATA, Settings, load_settings
from core.verdicts import offline_rule
from core.verdicts.demo import DemoVerdicts
from core.verdicts.track_records import TrackRecords
from core.verdicts.verdict_settings import VerdictChoices
from core.verdicts.verdicts import VerdictParts, Verdicts, open_verdicts

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workbench:
    """Everything that pages, routes and commands may call."""

    settings: Settings
    database: Database
    embedded: EmbeddedServer | None
    """The embedded Postgres; None where DATABASE_URL names a server."""
    plans: Plans
    catalogue: Catalogue
    prices: PriceBook
    providers: Mapping[str, Provider]
    router: Router
    mailer: Mailer
    accounts: Accounts
    directory: Directory
    openid: OpenId
    joining: Joining
    members: Members
    profiles: Profiles
    tokens: Tokens
    tours: Tours
    metering: MeteringArea
    ai: AiArea
    billing: Billing
    research: ResearchArea
    cache: AnswerCache
    telemetry: Telemetry
    queue: Queue
    market: Market
    screener: Screener
    verdicts: Verdicts
    portfolio: PortfolioArea
    watchlists: Watchlists
    theses: Theses
    checklists: Checklists
    notifications: Notifications
    admin: AdminArea
    oversight: AlertsArea

    @property
    def meter(self) -> Meter:
        """What every call is counted by."""
        return self.metering.meter

    @property
    def usage(self) -> Usage:
        """What was used, and what is left."""
        return self.metering.usage

    @property
    def usage_log(self) -> UsageLog:
        """The log of what costs nothing."""
        return self.metering.usage_log

    @property
    def credits(self) -> Credits:
        """Wallets, and what moved in them."""
        return self.metering.credits

    @property
    def boosts(self) -> Boosts:
        """Limits that are raised for a time."""
        return self.metering.boosts

    @property
    def gateway(self) -> Gateway:
        """The one door to every model."""
        return self.ai.gateway

    @property
    def health(self) -> Health:
        """How models and their providers fare."""
        return self.ai.health

    @property
    def provider_keys(self) -> ProviderKeys:
        """Keys with which organisations and users pay providers themselves."""
        return self.ai.provider_keys

    @property
    def flags(self) -> Flags:
        """Switches of the installation."""
        return self.ai.flags

    @property
    def experiments(self) -> Experiments:
        """Comparisons of models and prompts."""
        return self.ai.experiments

    @property
    def assistant(self) -> Assistant:
        """Answers questions in conversations."""
        return self.research.assistant

    @property
    def conversations(self) -> Conversations:
        """Keeps what was asked and answered."""
        return self.research.conversations

    @property
    def bundles(self) -> Bundles:
        """Research around the holdings of a portfolio."""
        return self.research.bundles

    @property
    def details(self) -> Details:
        """Opens what is on a bundle's timeline."""
        return self.research.details

    @property
    def answer_checks(self) -> AnswerChecks:
        """How many figures of answers were verified."""
        return self.research.checks

    @property
    def filings(self) -> Filings:
        """Lists of filings, counted."""
        return self.research.filings

    @property
    def templates(self) -> Templates:
        """Questions with variables."""
        return self.research.templates

    @property
    def large_requests(self) -> LargeRequests:
        """Many questions of one user, asked by jobs."""
        return self.research.large_requests

    @property
    def reactions(self) -> Reactions:
        """What readers thought of answers."""
        return self.research.reactions

    @property
    def attachments(self) -> Attachments:
        """Files that come with questions."""
        return self.research.attachments

    def load_demo(self) -> str | None:
        """Loads the demo where the settings ask for it; gives its sign-ins as they are printed, or None."""
        return self.make_demo() if self.settings.loads_demo else None

    def make_demo(self, *, as_new: bool = False) -> str:
        """Makes what is missing of the demo, or all of it anew; gives its sign-ins as they are printed."""
        with demo_turn(self.database):
            if as_new:
                retire_demo(self.database)
            password = load_demo(self.directory, prepared_home(self.settings))
            if DemoUsage(self.database, self.catalogue, self.prices, shipped_billing()).load():
                self._leave_demo_story()
            with suppress(NotFound):  # whoever owned it left
                owner = self.directory.member(DEMO_USERS[0].email, DEMO_ORGANISATION)
                with suppress(Conflict, Forbidden, PlanRequired):  # they may no longer, or the plan has no room
                    load_demo_portfolios(self.portfolio.portfolios, self.portfolio.journal, owner)
                with suppress(NotFound, Conflict, Forbidden):  # or its universe is not there
                    universe_id = self.market.lists.universes[0].id
                    self.verdicts.settings.begin_with(owner, VerdictChoices(is_nightly=True, universe_id=universe_id))
                with suppress(NotFound):  # the generated market is not there
                    parts = self.verdicts
                    DemoVerdicts(self.database, self.market, parts.validations, parts.scoring).leave(owner)
        return demo_sign_ins(password)

    def _leave_demo_story(self) -> None:
        story = DemoStory(self.database, self.boosts, self.reactions, self.flags, self.oversight.alerts)
        with suppress(NotFound, Forbidden):  # whoever it is about left, or may no longer
            story.leave(DemoPeople(*(self.directory.member(user.email, DEMO_ORGANISATION) for user in DEMO_USERS[:3])))

    def worker(self) -> Worker:
        """A worker on the queue; whoever starts it stops it before the workbench is closed."""
        return Worker(self.database, self.queue, jobs_at_once=self.settings.worker_jobs_at_once)

    def nightly(self) -> Job:
        """Starts what is done every night, or joins it where it is under way."""
        return self.screener.nights.start_all()

    def close(self) -> None:
        """Ends calls under way, writes what waits, and closes connections."""
        self.ai.close()
        self.research.close()
        self.billing.close()
        self.oversight.close()
        for provider in self.providers.values():
            provider.close()
        self.screener.close()
        self.market.close()
        self.usage_log.close()
        self.mailer.close()
        self.cache.close()
        self.database.close()


def open_workbench(settings: Settings) -> Workbench:
    """Opens the workbench: the database is migrated, the plans are in force.

    Raises:
        ConfigurationError: a file or setting with a mistake; the sentence names it.
        DatabaseUnavailable: DATABASE_URL names a server that cannot be reached.
    """
    plans, prices = load_plans(settings.plans_file), PriceBook.load(DATA / "prices")
    catalogue = Catalogue.load(settings.models_file, prices)
    mailer = mailer_of(settings)
    database, embedded = open_database(settings)
    sync_plans(database, plans)
    telemetry, cache = Telemetry(), _cache(settings, database)
    queue, market = _queue(database), open_market(settings, database, SystemClock(), telemetry)
    metering = open_metering(settings, database, plans, queue, telemetry)
    meter, usage, usage_log = metering.meter, metering.usage, metering.usage_log
    queue.every("exchange_rates", RATES_MINUTES, market.keep_rates)
    providers = build_providers(settings, answerers=[offline_rule.answer, offline_bundle.answer, planner(market)])
    router = Router(catalogue, prices, providers)
    accounts = Accounts(database, session_days=settings.session_days, attempts_per_address=settings.sign_in_attempts)
    seats = Seats(lambda plan: plans.get(plan).limits.seats)
    notifications, members = Notifications(database), Members(database, mailer, seats, settings)
    parts = (settings, database, plans, catalogue, router, meter, usage_log, cache, queue, notifications)
    ai = open_ai(AiParts(*parts, quality=TrackRecords(database)))
    screener = open_screener(settings, database, queue, market, mailer, notifications)
    verdicts = open_verdicts(VerdictParts(database, queue, ai.gateway, meter, usage, market, screener))
    profiles = _profiles(database, catalogue)
    portfolio = open_portfolio(AreaParts(database, plans, meter, usage_log, market, profiles))
    reading = (database, ai.gateway, ai.experiments, meter, plans, usage, usage_log, market, screener, portfolio)
    research = open_research(ResearchParts(*reading, profiles, queue, total_s=settings.total_timeout_s))
    return Workbench(
        settings=settings,
        database=database,
        embedded=embedded,
        plans=plans,
        catalogue=catalogue,
        prices=prices,
        providers=providers,
        router=router,
        mailer=mailer,
        accounts=accounts,
        directory=Directory(database),
        openid=OpenId(database, accounts, settings, SystemClock()),
        joining=Joining(database, accounts, mailer, seats, settings),
        members=members,
        profiles=profiles,
        tokens=Tokens(database),
        tours=Tours(database),
        metering=metering,
        ai=ai,
        billing=open_billing(
            BillingParts(settings, database, plans, shipped_billing(), metering.credits, queue, notifications)
        ),
        cache=cache,
        telemetry=telemetry,
        queue=queue,
        market=market,
        screener=screener,
        verdicts=verdicts,
        portfolio=portfolio,
        research=research,
        watchlists=Watchlists(database),
        theses=Theses(database),
        checklists=Checklists(database, load_checklists(DATA / "checklists.yaml")),
        notifications=notifications,
        admin=open_admin(
            AdminParts(settings, database, plans, catalogue, queue, market, ai, usage, usage_log, members, mailer)
        ),
        oversight=open_alerts(settings, database, queue, mailer, notifications),
    )


def open_database(settings: Settings) -> tuple[Database, EmbeddedServer | None]:
    """The migrated database: the server that DATABASE_URL names, or the embedded one."""
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        migrate(url)
        service = settings.database_service_url
        service_url = service.get_secret_value() if service else None
        return Database(url, service_url, pool_size=settings.database_pool_size), None
    home = prepared_home(settings)
    server = attach(home)
    migrate(server.url)
    return Database(server.url, pool_size=settings.database_pool_size, revive=lambda: attach(home)), server


def prepared_home(settings: Settings) -> Path:
    """The folder of local state, made when missing. Others may pass through (Postgres runs as another user than root),
    but not list it; what is in it is closed to them."""
    settings.assay_home.mkdir(parents=True, exist_ok=True, mode=0o711)
    return settings.assay_home.resolve()


_current: Workbench | None = None
_opening = threading.Lock()


def current() -> Workbench:
    """The workbench of this process, opened by the first who asks for it."""
    global _current  # noqa: PLW0603 (one workbench a process, shared by pages and routes)
    if _current is None:
        with _opening:
            if _current is None:
                _current = open_workbench(load_settings())
    return _current


def _queue(database: Database) -> Queue:
    """The queue, with what is done for each kind of job, and what every so often."""
    queue = Queue(database)
    queue.every("tidy_jobs", TIDY_MINUTES, queue.tidy)
    return queue


def _profiles(database: Database, catalogue: Catalogue) -> Profiles:
    answering, known = catalogue.chat_models(), catalogue.all()
    return Profiles(database, answering={row.id: row.provider for row in answering}, known=[row.id for row in known])


def _cache(settings: Settings, database: Database) -> AnswerCache:
    return AnswerCache(
        settings.assay_home / "cache",
        database,
        machine_bytes=settings.cache_machine_bytes,
        entries_per_scope=settings.cache_entries_per_organisation,
    )

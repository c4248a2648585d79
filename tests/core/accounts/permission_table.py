"""Who may do what, in one table: every service method, every address of the HTTP API, every page.

What stands here was written down from the rules, not read from the code. A method, an address or a page that has no row
fails the test, and so does a row of what there is no more.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

from core.accounts.profiles import Profile
from core.ai.answer import Answer, Question
from core.ai.providers.contract import Message, TokenUsage
from core.db.instruments_dao import MemberRow
from core.db.scans_dao import SignalsWanted
from core.db.verdict_batches_dao import WantedRow
from core.errors import InvalidRequest, NotFound
from core.market.as_of import AsOf, Reason
from core.metering.repeats import Idempotency
from core.notebook.checklists import Item
from core.principal import Principal, Role, Scope
from core.screener.alerts import AlertSettings
from core.screener.criteria import Condition, Group, Match, Screen
from core.screener.fields import Operator
from core.verdicts.batches import Selection
from core.verdicts.replays import ReplayPlan, ReplayRequest
from core.verdicts.snapshot import Snapshot
from core.verdicts.validations import Asking, Begun
from core.verdicts.verdict_settings import VerdictChoices
from tests.core.accounts import (
    permission_ai,
    permission_credits,
    permission_oversight,
    permission_portfolios,
    permission_research,
)
from tests.core.accounts.permission_rows import (
    ASKERS,
    AT_THE_PAGE,
    EVERYBODY,
    INSIDERS,
    MANAGERS,
    MANAGERS_SEE,
    OUTSIDERS,
    OWNERS,
    PEOPLE,
    READERS,
    THEMSELVES,
    TOKENS,
    C,
    Caller,
    Method,
    Route,
    Trial,
)

__all__ = ["CONVERSATION", "INNER", "METHODS", "ONLY_FOR_COMMANDS", "ONLY_FOR_SERVICES", "OUTSIDERS", "OWN_PAGES_ONLY"]
__all__ += ["PAGES", "PEOPLE", "ROUTES", "TOKENS", "TOP", "WITHOUT_PRINCIPAL", "Caller", "Trial"]


DAY = date(2026, 5, 5)
MEMBER = MemberRow("ACME", "Acme", "", "XNYS", "USD", None, None)
AS_OF = AsOf(DAY, Reason.CHOSEN, datetime(2026, 5, 6, tzinfo=UTC))
ASKED = Question(messages=(Message("user", "What is duration?"),))
ISSUER = "CHAMELI.NS"
"""A fictitious one of the sample."""
SCREEN = Screen(Group(Match.ALL, (Condition("close", Operator.ABOVE, 5.0),)))
KEY = Idempotency("POST /api/ai/chat", "a key", b"\x00" * 32)
SNAPSHOT: dict[str, object] = {
    "symbol": "ACME",
    "signal_type": "golden_cross",
    "signal_direction": "bullish",
    "entry_price": 100.0,
    "current_price": 100.0,
}
REPLAY = ReplayRequest("auto", Decimal(1))
NO_REPLAY = ReplayPlan(ReplayRequest("offline", Decimal(1)), uuid4(), "none", (), (), {})


def _keep_profile(trial: Trial) -> Profile:
    return trial.bench.profiles.keep(trial.who, Profile("A name", None, None, True, False, True))


def _keep_organisation(trial: Trial) -> object:
    whole = Principal(
        **{**{name: getattr(trial.who, name) for name in trial.who.__slots__}, "scopes": frozenset(Scope)}
    )
    return trial.bench.profiles.keep_organisation(trial.who, trial.bench.profiles.organisation(whole))


def _alert(trial: Trial) -> AlertSettings:
    return AlertSettings("Ours", trial.nothing, "none")


def _wanted(trial: Trial) -> WantedRow:
    return WantedRow(trial.nothing, "ACME", "golden_cross", None, DAY, "none", is_validated=False)


def _begun(trial: Trial) -> Begun:
    """A validation whose question is ready, of a snapshot that nobody brought before."""
    whole = replace(trial.who, role=Role.OWNER, scopes=frozenset(Scope))
    body = {**SNAPSHOT, "entry_price": 1.0 + trial.nothing.int % 10**6}
    begun = trial.bench.verdicts.validations.begin(whole, body, Asking())
    assert isinstance(begun, Begun)
    return begun


def _keep_verdict(trial: Trial) -> object:
    said = {"verdict": "HOLD", "confidence": 0.5, "reasoning": "So be it.", "risk_factors": [], "entry_suggestion": ""}
    answer = Answer(
        text=json.dumps(said),
        state="complete",
        model="none",
        provider="none",
        is_offline=True,
        is_cached=False,
        finish_reason="stop",
        usage=TokenUsage(1, 1),
        is_estimated=False,
        cost_usd=Decimal(0),
        route_reason="made",
        considered=1,
        request_id=uuid4(),
        plan=trial.who.plan,
        latency_ms=1,
    )
    return trial.bench.verdicts.validations.keep(trial.who, _begun(trial), answer)


def _open_filing(trial: Trial) -> object:
    listed = trial.bench.filings.kept(replace(trial.who, scopes=frozenset(Scope)), ISSUER)
    assert listed is not None
    return trial.bench.filings.open(trial.who, ISSUER, listed.filings[0])


METHODS: dict[str, Method] = {
    "accounts.sessions": Method(READERS, lambda t: t.bench.accounts.sessions(t.who)),
    "accounts.organisations": Method(READERS, lambda t: t.bench.accounts.organisations(t.who)),
    "accounts.end_session": Method(
        AT_THE_PAGE, lambda t: t.bench.accounts.end_session(t.who, t.nothing), ends=NotFound
    ),
    "accounts.end_other_sessions": Method(AT_THE_PAGE, lambda t: t.bench.accounts.end_other_sessions(t.who)),
    "accounts.change_password": Method(
        AT_THE_PAGE,
        lambda t: t.bench.accounts.change_password(t.who, "a guess", "another long one", address=str(t.who.user_id)),
        ends=InvalidRequest,
    ),
    "accounts.switch_organisation": Method(
        AT_THE_PAGE, lambda t: t.bench.accounts.switch_organisation(t.who, t.who.org_id)
    ),
    "joining.accept": Method(AT_THE_PAGE, lambda t: t.bench.joining.accept(t.who, "no such link"), ends=NotFound),
    "members.all": Method(MANAGERS_SEE, lambda t: t.bench.members.all(t.who)),
    "members.invitations": Method(MANAGERS_SEE, lambda t: t.bench.members.invitations(t.who)),
    "members.seats": Method(INSIDERS, lambda t: t.bench.members.seats(t.who)),
    "members.invite": Method(MANAGERS, lambda t: t.bench.members.invite(t.who, "new@test.example", Role.ADMIN)),
    "members.invite: an owner": Method(OWNERS, lambda t: t.bench.members.invite(t.who, "x@test.example", Role.OWNER)),
    "members.invite_again": Method(MANAGERS, lambda t: t.bench.members.invite_again(t.who, t.nothing), ends=NotFound),
    "members.take_back": Method(MANAGERS, lambda t: t.bench.members.take_back(t.who, t.nothing), ends=NotFound),
    "members.set_role": Method(
        MANAGERS, lambda t: t.bench.members.set_role(t.who, t.nothing, Role.VIEWER), ends=NotFound
    ),
    "members.remove": Method(MANAGERS, lambda t: t.bench.members.remove(t.who, t.nothing), ends=NotFound),
    "profiles.profile": Method(READERS, lambda t: t.bench.profiles.profile(t.who)),
    "profiles.keep": Method(THEMSELVES, _keep_profile),
    "profiles.change": Method(THEMSELVES, lambda t: t.bench.profiles.change(t.who, {"name": "A name"})),
    "profiles.organisation": Method(READERS, lambda t: t.bench.profiles.organisation(t.who)),
    "profiles.keep_organisation": Method(MANAGERS, _keep_organisation),
    "tokens.create": Method(
        AT_THE_PAGE, lambda t: t.bench.tokens.create(t.who, "a program", scopes=[Scope.READ], days=1)
    ),
    "tokens.all": Method(READERS, lambda t: t.bench.tokens.all(t.who)),
    "tokens.revoke": Method(AT_THE_PAGE, lambda t: t.bench.tokens.revoke(t.who, t.nothing), ends=NotFound),
    "research.assistant.ask": Method(
        ASKERS, lambda t: t.bench.assistant.ask(t.who, "What is duration?").session.result()
    ),
    "research.assistant.regenerate": Method(
        ASKERS, lambda t: t.bench.assistant.regenerate(t.who, t.conversation_id).session.result()
    ),
    "research.conversations.desk": Method(INSIDERS, lambda t: t.bench.conversations.desk(t.who, t.conversation_id)),
    "research.conversations.latest": Method(INSIDERS, lambda t: t.bench.conversations.latest(t.who)),
    "research.conversations.page": Method(INSIDERS, lambda t: t.bench.conversations.page(t.who, most=10)),
    "research.conversations.open": Method(INSIDERS, lambda t: t.bench.conversations.open(t.who, t.conversation_id)),
    "research.conversations.messages": Method(
        INSIDERS, lambda t: t.bench.conversations.messages(t.who, t.conversation_id)
    ),
    "research.conversations.create": Method(
        INSIDERS - {C.VIEWER, C.OPERATOR}, lambda t: t.bench.conversations.create(t.who, "A title")
    ),
    "research.conversations.rename": Method(
        INSIDERS, lambda t: t.bench.conversations.rename(t.who, t.conversation_id, "Another title")
    ),
    "research.conversations.turns": Method(INSIDERS, lambda t: t.bench.conversations.turns(t.who, t.conversation_id)),
    "research.conversations.set_portfolio": Method(
        INSIDERS, lambda t: t.bench.conversations.set_portfolio(t.who, t.nothing, None), ends=NotFound
    ),
    "research.conversations.delete": Method(
        INSIDERS, lambda t: t.bench.conversations.delete(t.who, t.nothing), ends=NotFound
    ),
    "research.filings.list": Method(ASKERS, lambda t: t.bench.filings.list(t.who, symbol=ISSUER)),
    "research.filings.kept": Method(READERS, lambda t: t.bench.filings.kept(t.who, ISSUER)),
    "research.filings.open": Method(ASKERS, _open_filing),
    "market.time.of": Method(INSIDERS, lambda t: t.bench.market.time.of(t.who)),
    "market.time.choose": Method(AT_THE_PAGE, lambda t: t.bench.market.time.choose(t.who, DAY)),
    "market.instruments.find": Method(INSIDERS, lambda t: t.bench.market.instruments.find("AAPL", AS_OF, t.who)),
    "market.instruments.get": Method(INSIDERS, lambda t: t.bench.market.instruments.get("AAPL", AS_OF, t.who)),
    "market.instruments.many": Method(INSIDERS, lambda t: t.bench.market.instruments.many(["AAPL"], AS_OF, t.who)),
    "market.universes.list": Method(INSIDERS, lambda t: t.bench.market.universes.list(t.who)),
    "market.universes.get": Method(INSIDERS, lambda t: t.bench.market.universes.get(t.who, "none"), ends=NotFound),
    "market.universes.members": Method(
        INSIDERS, lambda t: t.bench.market.universes.members(t.who, "none"), ends=NotFound
    ),
    "market.universes.check": Method(
        ASKERS, lambda t: t.bench.market.universes.check(t.who, "Ours", [MEMBER], source="a file")
    ),
    "market.universes.replace": Method(
        ASKERS, lambda t: t.bench.market.universes.replace(t.who, "Ours", [MEMBER], source="a file")
    ),
    "market.universes.delete": Method(ASKERS, lambda t: t.bench.market.universes.delete(t.who, "none"), ends=NotFound),
    "queue.get": Method(INSIDERS, lambda t: t.bench.queue.get(t.who, t.nothing), ends=NotFound),
    "screener.scans.latest": Method(INSIDERS, lambda t: t.bench.screener.scans.latest(t.who, "none")),
    "screener.scans.of_signal": Method(
        INSIDERS, lambda t: t.bench.screener.scans.of_signal(t.who, t.nothing), ends=NotFound
    ),
    "screener.scans.plan": Method(INSIDERS, lambda t: t.bench.screener.scans.plan(t.who, "none"), ends=NotFound),
    "screener.scans.request": Method(ASKERS, lambda t: t.bench.screener.scans.request(t.who, "none"), ends=NotFound),
    "screener.scans.signals": Method(
        INSIDERS, lambda t: t.bench.screener.scans.signals(t.who, t.nothing, SignalsWanted())
    ),
    "screener.scans.signal": Method(INSIDERS, lambda t: t.bench.screener.scans.signal(t.who, t.nothing), ends=NotFound),
    "screener.studies.of": Method(INSIDERS, lambda t: t.bench.screener.studies.of(t.who, "NONE"), ends=NotFound),
    "screener.studies.record": Method(
        INSIDERS, lambda t: t.bench.screener.studies.record(t.who, "NONE", "none"), ends=NotFound
    ),
    "verdicts.validations.estimate": Method(
        ASKERS, lambda t: t.bench.verdicts.validations.estimate(t.who, t.nothing), ends=NotFound
    ),
    "verdicts.validations.most_usd": Method(
        ASKERS,
        lambda t: t.bench.verdicts.validations.most_usd(t.who, Snapshot.of_caller(SNAPSHOT), model="auto"),
    ),
    "verdicts.validations.usual_usd": Method(
        INSIDERS, lambda t: t.bench.verdicts.validations.usual_usd(t.who, "gpt-4o-mini")
    ),
    "verdicts.validations.prepare": Method(ASKERS, lambda t: t.bench.verdicts.validations.prepare(t.who, [t.nothing])),
    "verdicts.validations.validate": Method(
        ASKERS, lambda t: t.bench.verdicts.validations.validate(t.who, t.nothing), ends=NotFound
    ),
    "verdicts.validations.validate_snapshot": Method(
        ASKERS, lambda t: t.bench.verdicts.validations.validate_snapshot(t.who, SNAPSHOT)
    ),
    "verdicts.validations.validate_as_organisation": Method(
        ASKERS,
        lambda t: t.bench.verdicts.validations.validate_as_organisation(
            t.who, t.nothing, model="auto", job_id=t.nothing
        ),
        ends=NotFound,
    ),
    "verdicts.validations.begin": Method(
        ASKERS, lambda t: t.bench.verdicts.validations.begin(t.who, t.nothing, Asking()), ends=NotFound
    ),
    "verdicts.validations.session": Method(
        ASKERS, lambda t: t.bench.verdicts.validations.session(t.who, _begun(t)).result()
    ),
    "verdicts.validations.keep": Method(ASKERS, _keep_verdict),
    "verdicts.validations.of_signal": Method(
        INSIDERS, lambda t: t.bench.verdicts.validations.of_signal(t.who, t.nothing)
    ),
    "verdicts.validations.of_scan": Method(
        INSIDERS, lambda t: t.bench.verdicts.validations.of_scan(t.who, "none", DAY)
    ),
    "verdicts.validations.get": Method(
        INSIDERS, lambda t: t.bench.verdicts.validations.get(t.who, t.nothing), ends=NotFound
    ),
    "verdicts.validations.snapshot": Method(
        INSIDERS, lambda t: t.bench.verdicts.validations.snapshot(t.who, t.nothing), ends=NotFound
    ),
    "verdicts.validations.page": Method(INSIDERS, lambda t: t.bench.verdicts.validations.page(t.who)),
    "verdicts.batches.estimate": Method(
        INSIDERS, lambda t: t.bench.verdicts.batches.estimate(t.who, Selection(signal_ids=(t.nothing,)))
    ),
    "verdicts.batches.wanted": Method(
        INSIDERS, lambda t: t.bench.verdicts.batches.wanted(t.who, Selection(signal_ids=(t.nothing,)))
    ),
    "verdicts.batches.start": Method(
        ASKERS, lambda t: t.bench.verdicts.batches.start(t.who, Selection(signal_ids=(t.nothing,))), ends=InvalidRequest
    ),
    "verdicts.batches.submit": Method(
        ASKERS, lambda t: t.bench.verdicts.batches.submit(t.who, [_wanted(t)], model="auto")
    ),
    "verdicts.batches.progress": Method(
        INSIDERS, lambda t: t.bench.verdicts.batches.progress(t.who, t.nothing), ends=NotFound
    ),
    "verdicts.batches.latest": Method(INSIDERS, lambda t: t.bench.verdicts.batches.latest(t.who)),
    "verdicts.batches.cancel": Method(
        ASKERS, lambda t: t.bench.verdicts.batches.cancel(t.who, t.nothing), ends=NotFound
    ),
    "verdicts.settings.get": Method(READERS, lambda t: t.bench.verdicts.settings.get(t.who)),
    "verdicts.settings.begin_with": Method(
        frozenset({C.OWNER, C.ADMIN}), lambda t: t.bench.verdicts.settings.begin_with(t.who, VerdictChoices())
    ),
    "verdicts.settings.change": Method(MANAGERS, lambda t: t.bench.verdicts.settings.change(t.who, VerdictChoices())),
    "verdicts.scoreboard.of": Method(READERS, lambda t: t.bench.verdicts.scoreboard.of(t.who)),
    "verdicts.replays.plan": Method(
        ASKERS, lambda t: t.bench.verdicts.replays.plan(t.who, REPLAY), ends=InvalidRequest
    ),
    "verdicts.replays.run": Method(
        INSIDERS, lambda t: t.bench.verdicts.replays.run(t.who, NO_REPLAY, lambda _done, _of: None)
    ),
    "watchlists.all": Method(READERS, lambda t: t.bench.watchlists.all(t.who)),
    "watchlists.get": Method(READERS, lambda t: t.bench.watchlists.get(t.who, t.nothing), ends=NotFound),
    "watchlists.create": Method(ASKERS, lambda t: t.bench.watchlists.create(t.who, str(t.nothing))),
    "watchlists.change": Method(
        ASKERS, lambda t: t.bench.watchlists.change(t.who, t.nothing, name="A name"), ends=NotFound
    ),
    "watchlists.delete": Method(ASKERS, lambda t: t.bench.watchlists.delete(t.who, t.nothing), ends=NotFound),
    "watchlists.add": Method(ASKERS, lambda t: t.bench.watchlists.add(t.who, t.nothing, "AAPL"), ends=NotFound),
    "watchlists.remove": Method(ASKERS, lambda t: t.bench.watchlists.remove(t.who, t.nothing, "AAPL"), ends=NotFound),
    "watchlists.reorder": Method(
        ASKERS, lambda t: t.bench.watchlists.reorder(t.who, t.nothing, ["AAPL"]), ends=NotFound
    ),
    "screener.screens.all": Method(READERS, lambda t: t.bench.screener.screens.all(t.who)),
    "screener.screens.get": Method(READERS, lambda t: t.bench.screener.screens.get(t.who, t.nothing), ends=NotFound),
    "screener.screens.versions": Method(
        READERS, lambda t: t.bench.screener.screens.versions(t.who, t.nothing), ends=NotFound
    ),
    "screener.screens.create": Method(ASKERS, lambda t: t.bench.screener.screens.create(t.who, str(t.nothing), SCREEN)),
    "screener.screens.change": Method(
        ASKERS,
        lambda t: t.bench.screener.screens.change(
            t.who, t.nothing, name="A name", screen=SCREEN, shared_with=None, after=1
        ),
        ends=NotFound,
    ),
    "screener.screens.copy": Method(ASKERS, lambda t: t.bench.screener.screens.copy(t.who, t.nothing), ends=NotFound),
    "screener.screens.delete": Method(
        ASKERS, lambda t: t.bench.screener.screens.delete(t.who, t.nothing), ends=NotFound
    ),
    "theses.get": Method(READERS, lambda t: t.bench.theses.get(t.who, "AAPL", AS_OF)),
    "theses.write": Method(ASKERS, lambda t: t.bench.theses.write(t.who, t.nothing.hex[:9], "Mine.", AS_OF, after=0)),
    "checklists.templates": Method(READERS, lambda t: t.bench.checklists.templates(t.who)),
    "checklists.progress": Method(READERS, lambda t: t.bench.checklists.progress(t.who, "AAPL", AS_OF)),
    "checklists.tick": Method(
        ASKERS, lambda t: t.bench.checklists.tick(t.who, "AAPL", "first_look", "nothing", AS_OF), ends=NotFound
    ),
    "checklists.create": Method(ASKERS, lambda t: t.bench.checklists.create(t.who, "A title", ["Read it"])),
    "checklists.change": Method(
        ASKERS, lambda t: t.bench.checklists.change(t.who, "nothing", "A title", [Item("", "Read it")]), ends=NotFound
    ),
    "checklists.withdraw": Method(ASKERS, lambda t: t.bench.checklists.withdraw(t.who, "nothing"), ends=NotFound),
    "screener.alerts.list": Method(READERS, lambda t: t.bench.screener.alerts.list(t.who)),
    "screener.alerts.get": Method(READERS, lambda t: t.bench.screener.alerts.get(t.who, t.nothing), ends=NotFound),
    "screener.alerts.deliveries": Method(
        READERS, lambda t: t.bench.screener.alerts.deliveries(t.who, t.nothing), ends=NotFound
    ),
    "screener.alerts.create": Method(ASKERS, lambda t: t.bench.screener.alerts.create(t.who, _alert(t)), ends=NotFound),
    "screener.alerts.change": Method(
        ASKERS, lambda t: t.bench.screener.alerts.change(t.who, t.nothing, {}), ends=NotFound
    ),
    "screener.alerts.pause": Method(
        ASKERS, lambda t: t.bench.screener.alerts.pause(t.who, t.nothing, is_paused=True), ends=NotFound
    ),
    "screener.alerts.delete": Method(ASKERS, lambda t: t.bench.screener.alerts.delete(t.who, t.nothing), ends=NotFound),
    "notifications.unread_count": Method(INSIDERS, lambda t: t.bench.notifications.unread_count(t.who)),
    "notifications.page": Method(INSIDERS, lambda t: t.bench.notifications.page(t.who)),
    "notifications.mark_read": Method(INSIDERS, lambda t: t.bench.notifications.mark_read(t.who)),
    **permission_portfolios.METHODS,
    **permission_ai.METHODS,
    **permission_credits.METHODS,
    **permission_oversight.METHODS,
    **permission_research.METHODS,
    "metering.usage.overview": Method(INSIDERS, lambda t: t.bench.usage.overview(t.who)),
    "metering.usage.quota": Method(INSIDERS, lambda t: t.bench.usage.quota(t.who)),
    "metering.usage.by_day": Method(INSIDERS, lambda t: t.bench.usage.by_day(t.who, DAY, DAY)),
    "metering.usage.log": Method(INSIDERS, lambda t: t.bench.usage.log(t.who, DAY, DAY)),
    "metering.usage.span": Method(INSIDERS, lambda t: t.bench.usage.span(t.who, DAY, DAY)),
    "metering.usage.page": Method(
        INSIDERS, lambda t: t.bench.usage.page(t.who, t.bench.usage.span(t.who, DAY, DAY), most=10)
    ),
    "metering.usage.totals": Method(
        INSIDERS, lambda t: t.bench.usage.totals(t.who, t.bench.usage.span(t.who, DAY, DAY), "model")
    ),
}
"""Methods that act for a principal. After a colon: another use of the same method."""

WITHOUT_PRINCIPAL = {
    "market.update_bars": "for jobs and commands: brings what sources give, and shows nothing",
    "screener.close": "ends processes that compute, when the workbench is closed",
    "notifications.add": "for services that know whom they tell",
    "queue.handle": "for the workbench, before a worker starts",
    "queue.every": "for the workbench, before a worker starts",
    "queue.when_given_up": "for services, before a worker starts",
    "queue.tell_given_up": "for workers",
    "queue.submit": "for services, once they have asked who may",
    "queue.find": "for handlers and commands",
    "queue.find_of_installation": "shows nothing of any organisation",
    "queue.advance": "for handlers",
    "queue.finish": "for handlers",
    "queue.fail": "for handlers",
    "queue.note_failed": "for the worker: periodic work that failed",
    "queue.figures": "counts of all, without whose they are",
    "queue.tidy": "for the worker: deletes what is old",
    "accounts.sign_in": "asks for the password itself",
    "accounts.ticket": "for services that know who it is: pages and routes may not call it",
    "accounts.redeem_ticket": "asks for the ticket itself",
    "accounts.principal_of_session": "asks for the session itself",
    "accounts.principal_of_token": "asks for the token itself",
    "accounts.sign_out": "ends what one has",
    "accounts.count_request": "for services: counts, and gives nothing",
    "accounts.forget_failures": "for services that know who it is: pages and routes may not call it",
    "openid.claims_of": "reads what a provider signed",
    "openid.sign_in": "takes what a provider signed",
    "joining.request_account": "mails a link, and says nothing",
    "joining.request_reset": "mails a link, and says nothing",
    "joining.look_at": "asks for the link itself",
    "joining.make_account": "asks for the link itself",
    "joining.reset_password": "asks for the link itself",
    "ai.close": "ends the process",
    "research.close": "ends the process",
    "market.load_shipped": "takes over what is shipped for everybody",
    "market.refresh_rates": "takes over for everybody what the European Central Bank fixed",
    "market.keep_rates": "for jobs: the same, every so often",
    "market.refresh_listings": "takes over for everybody what the SEC lists",
    "market.close": "ends the process",
    "billing.care": "for the queue: asks Stripe about what it should have told of",
    "billing.close": "closes connections",
    "oversight.close": "ends look-ups of names",
}
"""Methods that act for whoever brings a proof of their own, and why that is enough."""
ONLY_FOR_COMMANDS = frozenset({"directory"})
"""Services that ask nobody for permission."""
ONLY_FOR_SERVICES = frozenset({"ticket", "count_request", "forget_failures"})
"""Methods that pages and routes may not call."""
INNER = frozenset(
    {
        *("settings", "database", "embedded", "plans", "catalogue", "prices", "providers", "router", "mailer"),
        *("cache", "telemetry"),
        "metering.meter",
    }
)
"""Parts of the workbench that decide nothing about people."""

ALERT = {"name": "Ours", "screen_id": str(uuid4()), "universe": "none"}
ASK = {"message": "What is duration?"}
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "What is duration?"}]}
CONVERSATION = "/api/ai/conversations/{conversation_id}"
SCREENS = "/api/screener/screens"
NO_CONDITION = {"name": "A name", "screen": {"match": "all", "items": []}}
ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/health"): Route(EVERYBODY),
    ("GET", "/api/openapi.json"): Route(EVERYBODY),
    ("GET", "/api/docs"): Route(EVERYBODY),
    ("GET", "/api/docs/{name}"): Route(EVERYBODY, 404),
    ("POST", "/api/ai/chat"): Route(ASKERS, body=ASK),
    ("POST", "/api/ai/completions"): Route(ASKERS, body={"prompt": "What is duration?"}),
    ("POST", "/api/ai/embeddings"): Route(ASKERS, 501, body={"input": "duration"}),
    ("POST", "/api/ai/validate-signal"): Route(ASKERS, body=SNAPSHOT),
    ("GET", "/api/verdicts"): Route(READERS),
    ("GET", "/api/verdicts/{verdict_id}"): Route(READERS, 404),
    ("POST", "/api/jobs/validate-signals"): Route(EVERYBODY, 501),
    ("POST", "/api/jobs/scan"): Route(EVERYBODY, 501),  # CRON_SECRET is unset; test_api_jobs.py tries it with one
    ("GET", "/api/jobs/{job_id}"): Route(READERS, 404),
    ("GET", "/api/ai/models"): Route(READERS),
    ("GET", "/api/ai/providers"): Route(READERS),
    ("GET", "/api/ai/usage"): Route(READERS),
    ("GET", "/api/ai/usage/details"): Route(READERS),
    ("GET", "/api/ai/conversations"): Route(READERS),
    ("POST", "/api/ai/conversations"): Route(ASKERS, 201, body={"title": "A title"}),
    ("GET", CONVERSATION): Route(READERS),
    ("GET", f"{CONVERSATION}/export"): Route(READERS),
    ("PATCH", CONVERSATION): Route(PEOPLE | {C.ASK_TOKEN}, body={"title": "Another title"}),
    ("POST", f"{CONVERSATION}/messages"): Route(ASKERS, body=ASK),
    ("DELETE", CONVERSATION): Route(PEOPLE | {C.ASK_TOKEN}, 204),
    ("GET", "/api/quotes"): Route(READERS, 422),
    ("GET", "/api/news"): Route(READERS, 422),
    ("GET", "/api/fundamentals"): Route(READERS, 422),
    ("GET", "/api/sec-edgar"): Route(ASKERS, 422),
    ("GET", "/api/screener/fields"): Route(READERS),
    ("GET", "/api/screener/presets"): Route(READERS),
    ("GET", "/api/screener/signals"): Route(READERS, 404),
    ("POST", "/api/screener/matches"): Route(READERS, 404, body={"preset": "golden_cross"}),
    ("GET", SCREENS): Route(READERS),
    ("POST", SCREENS): Route(ASKERS, 422, body=NO_CONDITION),
    ("GET", f"{SCREENS}/{{screen_id}}"): Route(READERS, 404),
    ("GET", f"{SCREENS}/{{screen_id}}/versions"): Route(READERS, 404),
    ("PUT", f"{SCREENS}/{{screen_id}}"): Route(ASKERS, 422, body={**NO_CONDITION, "after": 1}),
    ("POST", f"{SCREENS}/{{screen_id}}/copy"): Route(ASKERS, 404, body={}),
    ("DELETE", f"{SCREENS}/{{screen_id}}"): Route(ASKERS, 404),
    ("GET", "/api/screener/alerts"): Route(READERS),
    ("POST", "/api/screener/alerts"): Route(ASKERS, 404, body=ALERT),
    ("PATCH", "/api/screener/alerts/{alert_id}"): Route(ASKERS, 404, body={"name": "A name"}),
    ("DELETE", "/api/screener/alerts/{alert_id}"): Route(ASKERS, 404),
    ("GET", "/api/screener/alerts/{alert_id}/deliveries"): Route(READERS, 404),
    **permission_portfolios.ROUTES,
    **permission_ai.ROUTES,
    **permission_credits.ROUTES,
    **permission_oversight.ROUTES,
    **permission_research.ROUTES,
    ("GET", "/api/notifications"): Route(READERS),
    ("POST", "/api/notifications/read"): Route(PEOPLE | {C.ASK_TOKEN}, body={}),
    ("GET", "/api/user/usage"): Route(READERS),
    ("GET", "/api/user/quota"): Route(READERS),
    ("GET", "/api/profile"): Route(READERS),
    ("PATCH", "/api/profile"): Route(THEMSELVES, body={"name": "A name"}),
    ("POST", "/v1/chat/completions"): Route(ASKERS, body=CHAT),
    ("POST", "/v1/embeddings"): Route(ASKERS, 501, body={"input": "duration", "model": "text-embedding-3-small"}),
    ("GET", "/v1/models"): Route(READERS),
    ("GET", "/v1/models/{name:path}"): Route(READERS),
}
"""Addresses by method, tried with tokens: people with tokens of every scope. The last of a conversation deletes it."""
OWN_PAGES_ONLY = frozenset({"/auth/session.js", "/auth/session", "/auth/sign-out", "/auth/forget-openid"})
"""What our own pages call: `test_sign_in_security` says who may."""
TOP = frozenset({"/api", "/v1", "/auth", "/metrics", "/favicon.png", "/connection.js"})
"""Everything that is not a page. `test_metrics` says who may read `/metrics`."""

PAGES: dict[str, frozenset[Caller]] = {
    "chat": PEOPLE,
    "screener": PEOPLE,
    "verdicts": PEOPLE,
    "usage": PEOPLE,
    "billing": PEOPLE,
    "members": frozenset({C.OWNER, C.ADMIN}),
    "settings": PEOPLE,
    "symbol": PEOPLE,
    "portfolio": PEOPLE,
    "admin": frozenset({C.OWNER, C.ADMIN, C.OPERATOR}),
    "link": PEOPLE | OUTSIDERS,
    "sign_up": OUTSIDERS,
    "forgot": OUTSIDERS,
    "sign_in": OUTSIDERS,
}
"""Pages by their file, for whoever comes with a browser."""

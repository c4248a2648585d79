"""The components of people and plans, with figures that somebody made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid5

from core.admin.abuse import Evidence, Finding, Kind
from core.admin.books import BookLook, Difference, OddKind
from core.admin.bulk import Line, Preview
from core.admin.changes import Boosting, Effect
from core.admin.people import EffectiveLimit, LimitPart, OrganisationRow, Page, PersonRow, Sought
from core.admin.simulator import Limited, Outcome, Simulation
from core.db.credits_dao import BalanceRow
from core.metering.books import ODD_ADVICE, Audit, DifferenceRow, OddCall, Totals, advice
from core.metering.boosts import Boost
from core.metering.plans import Plan, load_plans
from core.principal import Principal, Role
from core.settings import DATA
from pages.components import (
    admin_abuse,
    admin_books,
    admin_boosts,
    admin_bulk,
    admin_erase,
    admin_limits,
    admin_organisations,
    admin_people,
    admin_simulator,
)
from tests.gallery.administration import NAMES, NOW, OPERATOR

PLANS = ("free", "basic", "premium", "team", "enterprise")
SHIPPED = load_plans(DATA / "plans.yaml")
ANN = PersonRow(
    org_id=uuid5(NAMES, "acme"), org_name="Acme", plan="team", user_id=uuid5(NAMES, "ann"), email="ann@acme.example",
    name="Ann Lee", role="owner", joined_at=NOW, is_active=True, is_operator=False, cap_month=None, budget_usd=None,
    total=4, seen_at=NOW - timedelta(hours=2),
)  # fmt: skip
BOB = replace(
    ANN, user_id=uuid5(NAMES, "bob"), email="bob@acme.example", name="", role="viewer", is_active=False, seen_at=None
)
OLGA = replace(
    ANN, user_id=OPERATOR.user_id, org_id=OPERATOR.org_id, org_name="House", plan="enterprise", email=OPERATOR.email,
    name=OPERATOR.name, is_operator=True,
)  # fmt: skip
LONG = replace(
    ANN, user_id=uuid5(NAMES, "long"), role="analyst", plan="free", name="Maximiliana-Theodora von und zu Hohenstaufen",
    email="maximiliana.theodora.von.und.zu.hohenstaufen@investments.acme-holding.example",
    org_name="Acme Holding International Investments and Partners",
)  # fmt: skip
ACME = OrganisationRow(
    id=ANN.org_id, name="Acme", plan="team", zone="Europe/Berlin", created_at=NOW, pools=True, pools_until=None,
    budget_usd_month=None, balance=Decimal("1250.5"), members=12, owners=1, total=2,
)  # fmt: skip
EMPTY = replace(
    ACME,
    id=uuid5(NAMES, "empty"),
    name="Nobody's",
    plan="free",
    pools=False,
    pools_until=NOW + timedelta(days=8),
    balance=Decimal("-4.25"),
    members=0,
    owners=0,
)
BALANCE = BalanceRow(
    available=Decimal("1250.5"), held=Decimal(2), overdraft=Decimal(0), daily_free=Decimal(10),
    daily_free_remaining=Decimal("7.5"), cap_month=Decimal(50), cap_used=Decimal("12.25"),
    cap_resets_at=NOW + timedelta(days=8), uses_credits=True,
)  # fmt: skip
TOMORROW = NOW + timedelta(hours=10)
LIMITS = [
    EffectiveLimit(
        "chat_queries_day",
        "user",
        Decimal(107),
        (
            LimitPart("plan", Decimal(100), "the plan basic"),
            LimitPart("boost", Decimal(7), "boost for this member: quarterly report", NOW + timedelta(days=2)),
        ),
        Decimal(107),
        TOMORROW,
    ),
    EffectiveLimit(
        "requests_month",
        "organisation",
        Decimal(36_400),
        (
            LimitPart("plan", Decimal(3_000), "the plan basic"),
            LimitPart("pool", Decimal(33_000), "pooled: 12 members with 3,000 each"),
            LimitPart("carry", Decimal(400), "carried over from last month", TOMORROW),
        ),
        Decimal(30_111),
        NOW + timedelta(days=8),
    ),
    EffectiveLimit("sec_filings_month", "user", None, (), Decimal(4), NOW + timedelta(days=8)),
    EffectiveLimit("requests_minute", "user", Decimal(60), (LimitPart("plan", Decimal(60), "the plan's own figure"),)),
    EffectiveLimit("request_ceiling_usd", "request", Decimal("0.05"), (LimitPart("plan", Decimal("0.05"), ""),)),
]


class Keeper:
    """Finds always the same, and changes nothing."""

    def __init__(self, *people: PersonRow) -> None:
        self._people = people

    def search(
        self, principal: Principal, sought: Sought, *, everything: bool, skipped: int = 0, most: int = 50
    ) -> Page:
        """Those it was given."""
        return Page(self._people, len(self._people))

    def organisations(
        self, principal: Principal, sought: Sought, *, everything: bool, skipped: int = 0, most: int = 50
    ) -> list[OrganisationRow]:
        """Always the same."""
        return [ACME, EMPTY]

    def limits(self, principal: Principal, org_id: UUID, user_id: UUID) -> list[EffectiveLimit]:
        """Always the same."""
        return LIMITS

    def balance(self, principal: Principal, org_id: UUID, user_id: UUID) -> BalanceRow:
        """Always the same."""
        return BALANCE

    def set_role(self, principal: Principal, org_id: UUID, user_id: UUID, role: Role) -> None:
        """Gives nothing."""

    def remove(self, principal: Principal, org_id: UUID, user_id: UUID) -> None:
        """Removes nobody."""

    def set_active(self, principal: Principal, user_id: UUID, *, is_active: bool) -> Effect:
        """Changes nothing."""
        return Effect("", "", "")

    def set_cap(self, principal: Principal, org_id: UUID, email: str, cap: Decimal | None) -> Effect:
        """Changes nothing."""
        return Effect("", "", "")

    def set_plan(self, principal: Principal, org_id: UUID, plan: str) -> Effect:
        """Changes nothing."""
        return Effect("", "", "")

    def set_pooling(self, principal: Principal, org_id: UUID, *, pools: bool) -> Effect:
        """Changes nothing."""
        return Effect("", "", "")

    def set_of_member(self, principal: Principal, org_id: UUID, user_id: UUID, budget_usd: Decimal | None) -> Effect:
        """Sets nothing."""
        return Effect("", "", "")

    def grant_credits(
        self, principal: Principal, org_id: UUID, amount: Decimal, *, reason: str, expires_at: datetime | None = None
    ) -> Effect:
        """Grants nothing."""
        return Effect("", "", "")

    def adjust(self, principal: Principal, org_id: UUID, amount: Decimal, reason: str) -> Decimal:
        """Corrects nothing."""
        return amount

    def invite(self, principal: Principal, org_id: UUID, email: str, role: Role) -> str | None:
        """Invites nobody."""
        return None

    def give_boost(self, principal: Principal, org_id: UUID, email: str, boost: Boosting) -> Effect:
        """Gives nothing."""
        return Effect("", "", "")

    def erase(self, principal: Principal, user_id: UUID) -> None:
        """Erases nobody."""

    def revoke_token(self, principal: Principal, token_id: UUID, *, everything: bool) -> None:
        """Ends nothing."""

    def run(self, principal: Principal, plan: str, changed: Plan, first: date, last: date) -> Simulation:
        """Always the same."""
        return _simulation()


class Decider:
    """Keeps always the same boosts."""

    def __init__(self, *boosts: Boost) -> None:
        self._boosts = boosts

    def all(
        self, principal: Principal, *, state: str | None = None, most: int = 200, everything: bool = False
    ) -> list[Boost]:
        """Those it was given."""
        return list(self._boosts)

    def decide(
        self,
        principal: Principal,
        boost_id: UUID,
        *,
        granted: bool,
        note: str = "",
        amount: int | None = None,
        everything: bool = False,
    ) -> Boost:
        """Decides nothing."""
        return self._boosts[0]

    def end(self, principal: Principal, boost_id: UUID, *, note: str = "", everything: bool = False) -> Boost:
        """Ends nothing."""
        return self._boosts[0]


def people() -> None:
    """An operator among all: an owner, somebody deactivated who has no name yet, themselves, and a long name"""
    keeper = Keeper(ANN, BOB, OLGA, LONG)
    desk = admin_people.Desk(OPERATOR, keeper, keeper, True, PLANS, NOW, eraser=Keeper())
    admin_people.show("gallery_people", desk)


def nobody() -> None:
    """A search that finds nobody, by a manager"""
    manager = replace(OPERATOR, is_operator=False)
    admin_people.show(
        "gallery_nobody", admin_people.Desk(manager, Keeper(), Keeper(), False, PLANS, NOW, eraser=Keeper())
    )


def erase() -> None:
    """The button that erases a person, which asks for their address first"""
    admin_erase.show("gallery_erase", OPERATOR, Keeper(), ANN)


def limits() -> None:
    """A limit that a boost raised and that is used up, a pooled one nearly used up, an unlimited one, rates, credits"""
    admin_limits.show("gallery_limits", LIMITS, BALANCE, NOW, "UTC")


def organisations() -> None:
    """One that pools its quotas, and one that nobody is in any more, with an overdraft"""
    admin_organisations.show("gallery_orgs", admin_organisations.Desk(OPERATOR, Keeper(), True, PLANS, Keeper()))


def boosts() -> None:
    """A request, a boost in force for one member, and one that was refused with a note"""
    asked = Boost(
        id=uuid5(NAMES, "b1"), org_id=ANN.org_id, user_id=None, user_name=None, metric="signal_validations_day",
        amount=500, starts_at=NOW, ends_at=NOW + timedelta(days=3), reason="Earnings season: four hundred issuers",
        state="requested", requested_by=ANN.user_id, requested_by_name="Ann Lee", requested_at=NOW - timedelta(hours=1),
        decided_by=None, decided_by_name=None, decided_at=None, note=None,
    )  # fmt: skip
    given = replace(
        asked, id=uuid5(NAMES, "b2"), user_id=ANN.user_id, user_name="Ann Lee", metric="chat_queries_day", amount=20,
        state="granted", decided_at=NOW,
    )  # fmt: skip
    refused = replace(given, id=uuid5(NAMES, "b3"), state="refused", note="Ask again in December.")
    desk = admin_boosts.Desk(OPERATOR, Decider(asked, given, refused), Keeper(ANN), SHIPPED, True, NOW)
    admin_boosts.show("gallery_boosts", desk)


def files() -> None:
    """A file with a wrong line, one that can be applied, and one that was"""
    fine = Line(2, "plan", Effect("Acme", "team", "premium"))
    same = Line(3, "role", Effect("bob@acme.example, Acme", "admin", "admin"))
    wrong = Line(4, "role", None, "The last owner cannot become less: make another member an owner first.")
    admin_bulk.show_preview("gallery_wrong", Preview("a" * 64, None, (fine, same, wrong), None), NOW, "UTC")
    admin_bulk.show_preview("gallery_fine", Preview("b" * 64, None, (fine, same), None), NOW, "UTC")
    admin_bulk.show_preview("gallery_done", Preview("c" * 64, None, (), NOW - timedelta(hours=3)), NOW, "UTC")


def abuse() -> None:
    """A shared token, an unusual volume, and nothing"""
    token = Finding(
        kind=Kind.SHARED_TOKEN, org_id=ANN.org_id, org_name="Acme", user_id=ANN.user_id, email=ANN.email, count=14,
        words="The token “nightly” was used from 14 addresses by 3 programs on 21 November.",
        evidence=[Evidence(NOW, "14 addresses, 3 programs (curl/8.5, python-requests/2.32), 212 minutes in use")],
        token_id=uuid5(NAMES, "token"),
    )  # fmt: skip
    volume = replace(
        token, kind=Kind.VOLUME, email=LONG.email, user_id=LONG.user_id, token_id=None, count=4_120,
        words="4,120 requests on 21 November: own median 12 a day (n = 21 days with requests), 1,385.4 robust "
        "deviations above; median of the plan team that day 18 (n = 44 users), 922.2 robust deviations above.",
        evidence=[Evidence(NOW - timedelta(days=n), f"{count:,} requests") for n, count in enumerate((4_120, 12, 9))],
    )  # fmt: skip
    desk = admin_abuse.Desk(OPERATOR, Keeper(), Keeper(), True)
    admin_abuse.show("gallery_abuse", [token, volume], desk)
    admin_abuse.show("gallery_no_abuse", [], desk)


def simulation() -> None:
    """A smaller plan beside the present one, over a log that was cut"""
    admin_simulator.show_simulation("gallery_simulation", _simulation(), "UTC")


def simulator_form() -> None:
    """The form, before anything was simulated"""
    plans = {"basic": SHIPPED.get("basic")}
    admin_simulator.show("gallery_simulator", admin_simulator.Desk(OPERATOR, Keeper(), plans, NOW.date()))


def books() -> None:
    """Books that balance, and books with a difference and an unresolved call"""
    totals = Totals(calls=120_441, free=31_900, open=3, overdue=0, oldest_overdue=None)
    fine = BookLook(Audit(NOW, [], [], totals), (), ())
    admin_books.show_look("gallery_books", fine, "UTC")
    row = DifferenceRow(
        "counter_running", 1, ANN.org_id, ANN.user_id, "day from 2026-11-22", "chat_query_used", "3", "2"
    )
    call = OddCall(
        "unresolved", 1, Decimal("0.0021"), ANN.org_id, ANN.user_id, uuid5(NAMES, "hold"), NOW, "openai", "gpt-4o-mini",
        Decimal("0.0021"), None, None,
    )  # fmt: skip
    audit = Audit(NOW, [row], [call], replace(totals, overdue=1, oldest_overdue=NOW - timedelta(minutes=9)))
    odd = OddKind("unresolved", 1, Decimal("0.0021"), ODD_ADVICE["unresolved"], [call])
    difference = Difference("counter_running", 1, advice("counter_running"), [row])
    admin_books.show_look("gallery_odd_books", BookLook(audit, [difference], [odd]), "UTC")


def _simulation() -> Simulation:
    limited = Limited(
        org_id=ANN.org_id, org_name="Acme", user_id=ANN.user_id, email=ANN.email, metric="chat_queries_day",
        first_at=datetime(2026, 11, 3, 9, 12, tzinfo=UTC), refusals=31, by_metric={"chat_queries_day": 31},
        may_use_credits=True,
    )  # fmt: skip
    present = Outcome(
        requests=12_804, answered=12_790, refused=14, refused_by={"requests_hour": 14}, newly_answered=2, users=61,
        users_limited=3, limited=[], subscriptions_usd=Decimal("609.39"), credits_usd=Decimal("12.50"),
        cost_usd=Decimal("44.128301"), estimated_usd=Decimal("0.0068"),
    )  # fmt: skip
    changed = replace(
        present, answered=12_402, refused=402, refused_by={"chat_queries_day": 388, "requests_hour": 14},
        users_limited=19, limited=[limited, replace(limited, email=LONG.email, may_use_credits=False)],
        subscriptions_usd=Decimal("304.39"), cost_usd=Decimal("42.9"),
    )  # fmt: skip
    return Simulation(
        plan="basic", first=date(2026, 10, 23), last=date(2026, 11, 22), starts_at=NOW - timedelta(days=30),
        ends_at=NOW - timedelta(days=2), is_cut=True, rows=200_000, organisations=61, seats=61, present=present,
        changed=changed,
    )  # fmt: skip

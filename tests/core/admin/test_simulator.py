"""The plan simulator over the real log: worked by hand, bounded, the same each time, and it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from core.admin.overview import Overview
from core.admin.simulator import Simulator, changed_plan
from core.clock import SystemClock
from core.errors import Forbidden, InvalidRequest
from core.ids import new_id
from core.metering.meter import Feature
from core.metering.plans import Plan, Plans
from core.principal import Principal
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.admin.history import History
from tests.core.metering.factories import hold_request, record

Service = psycopg.Connection[tuple[object, ...]]
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
AFTER = datetime(2026, 4, 1, tzinfo=UTC)
BASIC_A_DAY = Decimal("9.99") * 12 / 365
Ask = Callable[..., None]


@pytest.fixture
def simulator(workbench: Workbench) -> Simulator:
    return Simulator(workbench.database, workbench.plans, workbench.catalogue)


@pytest.fixture
def early(move_time: MoveTime) -> None:
    """Everybody has been there since January."""
    move_time(datetime(2026, 1, 5, tzinfo=UTC))


@pytest.fixture
def operator(early: None, member: MakeMember) -> Principal:
    return replace(member("olga", org="House"), is_operator=True)


@pytest.fixture
def ann(early: None, member: MakeMember) -> Principal:
    return member("ann", plan="basic", org="Acme")


@pytest.fixture
def basic(plans: Plans) -> Plan:
    return plans.get("basic")


@pytest.fixture
def ask(workbench: Workbench, move_time: MoveTime) -> Ask:
    """Asks at a moment and is answered, at a cost; or the call fails."""

    def do(who: Principal, at: datetime, *, cost: str = "0.0004", model: str = "a-model", fails: bool = False) -> None:
        move_time(at)
        hold = workbench.meter.reserve(who, hold_request(model=model, held_usd=Decimal("0.01")))
        assert workbench.meter.mark_in_flight(hold)
        if fails:
            workbench.meter.release(hold, "failed", record(cost))
        else:
            workbench.meter.settle(hold, "success", Decimal(cost), record(cost))

    return do


def day(number: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 3, number, hour, minute, tzinfo=UTC)


def deny(service: Service, who: Principal, at: datetime, code: str) -> None:
    service.execute(
        "INSERT INTO usage_log (id, at, org_id, user_id, request_id, channel, status, feature, provider, model,"
        " error_code) VALUES (%s, %s, %s, %s, %s, 'api', 'denied', %s, 'openai', 'a-model', %s)",
        (new_id(), at, who.org_id, who.user_id, new_id(), Feature.CHAT_QUERY, code),
    )


def test_a_smaller_plan_beside_the_present_one_worked_by_hand(
    simulator: Simulator,
    *,
    operator: Principal,
    ann: Principal,
    basic: Plan,
    ask: Ask,
    service: Service,
    move_time: MoveTime,
) -> None:
    for minute in range(4):
        ask(ann, day(10, 12, minute), cost="0.001")
    ask(ann, day(11), cost="0.003")
    ask(ann, day(12), fails=True)
    deny(service, ann, day(13), "quota_exceeded")
    deny(service, ann, day(13), "budget_exceeded")
    move_time(AFTER)
    changed = changed_plan(basic, {"chat_queries_day": 2, "price_usd": Decimal("5.00")})
    found = simulator.run(operator, "basic", changed, FIRST, LAST)
    present, smaller = found.present, found.changed
    assert (found.organisations, found.seats, found.rows, found.is_cut) == (1, 1, 7, False)
    # Seven requests: five answered, one failed (its cost is the platform's), one refused that either plan lets through.
    assert (present.requests, present.answered, present.refused, present.newly_answered) == (7, 7, 0, 1)
    mean = Decimal("0.007") / 5  # of the five that were answered
    assert present.cost_usd == Decimal("0.0074") + mean
    assert (present.revenue_usd, present.estimated_usd) == (pytest.approx(BASIC_A_DAY * 31), mean)
    assert present.margin_usd == pytest.approx(BASIC_A_DAY * 31 - Decimal("0.0088"))
    # On the tenth two of four are refused: 0.002 less cost, and the mean of all five stays.
    assert (smaller.answered, smaller.refused, smaller.users_limited) == (5, 2, 1)
    assert smaller.refused_by == {"chat_queries_day": 2}
    assert smaller.cost_usd == Decimal("0.0054") + mean
    assert smaller.revenue_usd == pytest.approx(Decimal("5.00") * 12 / 365 * 31)
    (limited,) = smaller.limited
    assert (limited.org_name, limited.email, limited.metric, limited.refusals) == (
        "Acme", ann.email, "chat_queries_day", 2,
    )  # fmt: skip
    assert abs(limited.first_at - day(10, 12, 2)) < timedelta(seconds=5)


def test_classes_that_a_plan_lacks_are_refused(
    simulator: Simulator, operator: Principal, ann: Principal, basic: Plan, ask: Ask, workbench: Workbench
) -> None:
    by_class = {row.model_class: row.id for row in workbench.catalogue.all()}
    ask(ann, day(10), model=by_class["standard"])
    ask(ann, day(11), model=by_class["economy"])
    found = simulator.run(operator, "basic", changed_plan(basic, {"model_classes": ("economy",)}), FIRST, LAST)
    assert found.changed.refused_by == {"model_classes": 1}
    assert found.present.refused_by == {}


def test_a_month_is_the_organisations_and_what_is_carried_comes_from_the_month_before(
    simulator: Simulator, operator: Principal, ann: Principal, basic: Plan, ask: Ask, service: Service
) -> None:
    service.execute("UPDATE organisations SET zone = 'Asia/Tokyo' WHERE id = %s", (ann.org_id,))
    ask(ann, datetime(2026, 2, 10, tzinfo=UTC))
    ask(ann, datetime(2026, 2, 28, 14, 59, tzinfo=UTC))  # the last minute of February in Tokyo
    for hour in range(15, 20):
        ask(ann, datetime(2026, 2, 28, hour, 30, tzinfo=UTC))  # March there, and before the period told
    ask(ann, day(2))
    changed = changed_plan(basic, {"requests_month": 5, "carry_over_share": Decimal("0.5")})
    # Three of five were left in February: one more in March, which is the sixth.
    assert simulator.run(operator, "basic", changed, FIRST, LAST).changed.refused == 0
    without = changed_plan(changed, {"carry_over_share": Decimal(0)})
    found = simulator.run(operator, "basic", without, FIRST, LAST)
    assert (found.rows, found.changed.requests) == (8, 1)
    assert found.changed.refused_by == {"requests_month": 1}


def test_it_is_the_same_each_time_bounded_and_changes_nothing(
    simulator: Simulator,
    *,
    operator: Principal,
    ann: Principal,
    basic: Plan,
    ask: Ask,
    service: Service,
    move_time: MoveTime,
) -> None:
    for number in range(1, 7):
        ask(ann, day(number))
    move_time(AFTER)
    tables = ("usage_log", "holds", "member_meters", "plan_limits", "organisations", "audit_events")
    before = [
        service.execute(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {t} t").fetchone() for t in tables
    ]
    changed = changed_plan(basic, {"chat_queries_day": 0})
    first = simulator.run(operator, "basic", changed, FIRST, LAST)
    assert simulator.run(operator, "basic", changed, FIRST, LAST) == first
    assert first.changed.revenue_usd == pytest.approx(BASIC_A_DAY * 31)
    cut = simulator.run(operator, "basic", changed, FIRST, LAST, most=4)
    assert (cut.is_cut, cut.rows, cut.changed.requests) == (True, 4, 4)
    assert cut.ends_at.date() == date(2026, 3, 4)
    until = Decimal((cut.ends_at - day(1, 0)).total_seconds()) / 86_400
    assert cut.changed.revenue_usd == pytest.approx(BASIC_A_DAY * until)  # up to the fourth's request
    after = [
        service.execute(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {t} t").fetchone() for t in tables
    ]
    assert after == before


def test_other_plans_organisations_and_a_price_by_contract_are_none_of_it(
    simulator: Simulator, operator: Principal, ann: Principal, plans: Plans, ask: Ask
) -> None:
    ask(ann, day(10))
    found = simulator.run(operator, "enterprise", plans.get("enterprise"), FIRST, LAST)
    assert (found.organisations, found.present.requests, found.present.revenue_usd) == (0, 0, None)
    assert found.present.margin is None


def test_a_seat_is_priced_by_its_members(
    simulator: Simulator, operator: Principal, plans: Plans, member: MakeMember, move_time: MoveTime
) -> None:
    member("bob", plan="team", org="Big")
    member("eve", plan="team", org="Big")
    assert simulator.run(operator, "team", plans.get("team"), FIRST, LAST).present.revenue_usd == 0  # still to come
    move_time(AFTER)
    found = simulator.run(operator, "team", plans.get("team"), date(2026, 3, 1), date(2026, 3, 10))
    assert found.present.revenue_usd == pytest.approx(Decimal(49) * 12 / 365 * 2 * 10)  # two seats, ten days


def test_a_cut_is_noticed_where_a_call_was_under_way_at_the_start(
    simulator: Simulator,
    *,
    operator: Principal,
    ann: Principal,
    basic: Plan,
    ask: Ask,
    workbench: Workbench,
    move_time: MoveTime,
) -> None:
    move_time(datetime(2026, 2, 28, 23, 59, 30, tzinfo=UTC))
    hold = workbench.meter.reserve(ann, hold_request(model="a-model", held_usd=Decimal("0.01")))
    assert workbench.meter.mark_in_flight(hold)
    move_time(datetime(2026, 3, 1, 0, 0, 20, tzinfo=UTC))
    workbench.meter.settle(hold, "success", Decimal("0.0004"), record("0.0004"))
    for number in range(1, 5):
        ask(ann, day(number))
    found = simulator.run(operator, "basic", basic, FIRST, LAST, most=3)
    assert (found.is_cut, found.ends_at.date(), found.present.requests) == (True, date(2026, 3, 3), 3)
    assert not simulator.run(operator, "basic", basic, FIRST, LAST, most=4).is_cut
    february = simulator.run(operator, "basic", basic, date(2026, 2, 1), date(2026, 2, 28))
    assert february.present.requests == 1  # it belongs to the moment in which it was reserved


def test_a_large_month_before_leaves_the_period_whole(
    simulator: Simulator, operator: Principal, ann: Principal, basic: Plan, ask: Ask
) -> None:
    for hour in range(6):
        ask(ann, datetime(2026, 2, 20, hour, tzinfo=UTC))
    for number in range(1, 4):
        ask(ann, day(number))
    changed = changed_plan(
        basic, {"chat_queries_day": 4, "requests_month": 5, "carry_over_share": Decimal("0.5"), "requests_hour": 9}
    )
    found = simulator.run(operator, "basic", changed, FIRST, LAST, most=3)
    assert (found.is_cut, found.rows, found.changed.requests, found.changed.refused) == (False, 9, 3, 0)
    # Four of six were let through in February by the day: one of five was left, half of it is none, so five in March.
    for number in range(4, 8):
        ask(ann, day(number))
    assert simulator.run(operator, "basic", changed, FIRST, LAST).changed.refused_by == {"requests_month": 2}


@pytest.mark.parametrize(
    ("changes", "let_through"),
    [
        pytest.param({}, 0, id="same"),
        pytest.param({"request_ceiling_usd": Decimal("0.01")}, 0, id="lower"),
        pytest.param({"request_ceiling_usd": Decimal(5)}, 1, id="higher"),
        pytest.param({"request_ceiling_usd": None}, 1, id="none"),
    ],
)
def test_what_the_ceiling_refused_is_let_through_by_a_higher_one_alone(
    simulator: Simulator,
    *,
    operator: Principal,
    ann: Principal,
    basic: Plan,
    service: Service,
    changes: dict[str, object],
    let_through: int,
) -> None:
    deny(service, ann, day(13), "cost_ceiling")
    found = simulator.run(operator, "basic", changed_plan(basic, changes), FIRST, LAST)
    assert (found.present.refused_by, found.present.newly_answered) == ({"request_ceiling_usd": 1}, 0)
    assert found.changed.newly_answered == let_through


def test_what_credits_did_not_cover_is_asked_again(
    simulator: Simulator, operator: Principal, ann: Principal, basic: Plan, ask: Ask, service: Service
) -> None:
    ask(ann, day(10))
    deny(service, ann, day(10, 13), "insufficient_credits")
    found = simulator.run(operator, "basic", changed_plan(basic, {"chat_queries_day": 1}), FIRST, LAST)
    assert found.present.newly_answered == 1
    assert found.changed.refused_by == {"chat_queries_day": 1}


def test_revenue_is_that_of_the_overview(
    simulator: Simulator,
    *,
    operator: Principal,
    ann: Principal,
    basic: Plan,
    workbench: Workbench,
    service: Service,
    move_time: MoveTime,
) -> None:
    now = day(20, 15)
    move_time(now)
    service.execute("UPDATE organisation_plans SET starts_at = %s WHERE org_id = %s", (day(17, 3), ann.org_id))
    History(service).ask(ann, day(19), credits=Decimal(5), free_charged=Decimal(2), cost_usd=Decimal("0.04"))
    margins = Overview(workbench.database, workbench.plans, workbench.usage_log).plans(operator, 7, everything=True)
    told = next(each for each in margins.margins if each.plan == "basic")
    full = changed_plan(basic, {"chat_queries_day": 0})  # so that the credits are needed here too
    found = simulator.run(operator, "basic", full, date(2026, 3, 14), date(2026, 3, 20)).changed
    assert told.subscriptions_usd == pytest.approx(BASIC_A_DAY * Decimal("3.5"), abs=Decimal("0.0001"))
    assert found.subscriptions_usd == pytest.approx(told.subscriptions_usd, abs=Decimal("0.0001"))
    assert (
        (found.credits_usd, found.cost_usd) == (told.credits_usd, told.cost_usd) == (Decimal("0.30"), Decimal("0.04"))
    )


def test_an_organisation_counts_for_the_time_that_it_was_on_the_plan(
    simulator: Simulator,
    *,
    operator: Principal,
    ann: Principal,
    basic: Plan,
    plans: Plans,
    ask: Ask,
    workbench: Workbench,
    move_time: MoveTime,
    service: Service,
) -> None:
    """What it asked on another plan fills its counters, and is told of that one."""
    for number in (3, 4):
        ask(ann, day(number))
    move_time(day(11, 0))
    workbench.admin.people.set_plan(operator, ann.org_id, "premium")
    ask(ann, day(12))
    two = changed_plan(basic, {"requests_month": 2})
    on_basic, on_premium = (
        simulator.run(operator, name, changed_plan(plans.get(name), {"requests_month": 2}), FIRST, LAST)
        for name in ("basic", "premium")
    )
    assert (on_basic.organisations, on_basic.changed.requests, on_basic.changed.refused) == (1, 2, 0)
    assert on_basic.changed.subscriptions_usd == pytest.approx(BASIC_A_DAY * 10, abs=Decimal("0.001"))
    assert (on_premium.changed.requests, on_premium.changed.refused_by) == (1, {"requests_month": 1})
    service.execute("UPDATE users SET deactivated_at = %s WHERE id = %s", (day(12), ann.user_id))
    assert simulator.run(operator, "basic", two, FIRST, LAST).organisations == 0


def test_what_the_database_takes_too_long_over_ends_in_a_sentence(
    workbench: Workbench, operator: Principal, ann: Principal, basic: Plan, owner: Service
) -> None:
    hurried = Simulator(workbench.database, workbench.plans, workbench.catalogue, longest_s=1)
    with owner.transaction():
        owner.execute("LOCK TABLE holds")  # nothing reads it meanwhile
        with pytest.raises(InvalidRequest, match="choose fewer days"):
            hurried.run(operator, "basic", basic, FIRST, LAST)
    assert hurried.run(operator, "basic", basic, FIRST, LAST).organisations == 1


class _Stepping(SystemClock):
    """A clock that moves on by a second each time that it is looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def monotonic(self) -> float:
        """Seconds."""
        self.looks += 1
        return float(self.looks)


def test_a_replay_that_takes_too_long_ends_in_a_sentence(
    workbench: Workbench,
    operator: Principal,
    ann: Principal,
    basic: Plan,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.admin.simulator.CHECKED_EACH", 2)
    for minute in range(4):
        ask(ann, day(10, 12, minute))

    def replayed(longest_s: float) -> int:
        parts = (workbench.database, workbench.plans, workbench.catalogue)
        simulator = Simulator(*parts, clock=_Stepping(), longest_s=longest_s)
        return simulator.run(operator, "basic", basic, FIRST, LAST).present.requests

    assert replayed(6.5) == 4  # two looks while it is read, and two for each plan
    with pytest.raises(InvalidRequest, match="choose fewer days"):
        replayed(5.5)


def test_only_operators_simulate_and_only_what_can_be(
    simulator: Simulator, operator: Principal, ann: Principal, basic: Plan
) -> None:
    with pytest.raises(Forbidden):
        simulator.run(ann, "basic", basic, FIRST, LAST)
    for first, last in ((LAST, FIRST), (FIRST, FIRST + timedelta(days=92))):
        with pytest.raises(InvalidRequest):
            simulator.run(operator, "basic", basic, first, last)
    with pytest.raises(InvalidRequest):
        simulator.run(operator, "gold", basic, FIRST, LAST)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"chat_queries_day": -1}, id="negative"),
        pytest.param({"chats": 1}, id="unknown"),
        pytest.param({"carry_over_share": Decimal("1.5")}, id="share"),
        pytest.param({"model_classes": ()}, id="classes"),
        pytest.param({"limits": {}}, id="limits"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(basic: Plan, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest):
        changed_plan(basic, changes)


def test_a_changed_plan_has_the_change_alone(basic: Plan) -> None:
    changed = changed_plan(basic, {"requests_month": None, "price_usd": None, "model_classes": ("frontier",)})
    assert (changed.limits.requests_month, changed.price_usd, changed.model_classes) == (None, None, ("frontier",))
    assert changed.limits.chat_queries_day == basic.limits.chat_queries_day
    assert changed_plan(basic, {}) == basic

"""The steps that anybody may take with the books, each done to the model and to the database, and what always holds."""

from __future__ import annotations

from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal
from uuid import UUID

import psycopg
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from core.db import credits_dao
from core.db.engine import Database
from core.errors import Forbidden, MeteringDenied
from core.ids import new_id
from core.metering.books import audit
from core.metering.meter import Feature, Hold, HoldRequest, Meter
from core.metering.usage import Usage
from tests.core.metering.factories import hold_request, own_key, record
from tests.core.metering.model import Model
from tests.core.metering.model_credits import OF_THE_PLAN, POOLED
from tests.core.metering.model_parts import (
    Boost,
    Member,
    ModelHold,
    ModelKey,
    Organisation,
    Periods,
    Refusal,
    Span,
    calendar,
    following,
)
from tests.core.metering.model_rows import ROWS, empty_tables, owners
from tests.core.metering.model_values import (
    AMOUNTS,
    BUDGETS,
    CAPS,
    CREDITS,
    KEYS,
    PLANS,
    QUOTAS,
    SHOWN,
    STARTS,
    STEPS_S,
    ZONES,
    principal_of,
    unit_of,
)

Connection = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Ground:
    """The database of the run, its connections, and who asks."""

    database: Database
    elsewhere: Database
    owner: Connection
    service: Connection
    meter: Meter
    other_meter: Meter
    usage: Usage
    members: list[tuple[UUID, UUID, str]]

    def set_clock(self, at: datetime) -> None:
        """The database's one clock stands at `at`."""
        self.service.execute("UPDATE test_clock SET at = %s", (at,))


class Books(RuleBasedStateMachine):
    """Every step is done to the model and to the database; after each the two say the same."""

    holds = Bundle("holds")
    members = st.sampled_from([0, 0, 0, 0, 1, 1, 2, 3])
    waits_s = st.sampled_from([0, 0, 0, 1, 3600, 86_400])
    features = st.sampled_from([Feature.CHAT_QUERY, Feature.CHAT_QUERY, *Feature, None])
    keys = st.sampled_from(range(len(KEYS)))

    def __init__(self, ground: Ground) -> None:
        super().__init__()
        self.ground = ground
        self.opened: dict[UUID, Hold] = {}
        self.boundaries: dict[tuple[Any, ...], datetime] = {}
        self.looks = 0
        self.model = Model(PLANS, STARTS[0])

    @initialize(at=st.sampled_from(STARTS))
    def begin(self, at: datetime) -> None:
        """Nothing was ever asked."""
        empty_tables(self.ground.owner, self.ground.service)
        self.model = Model(PLANS, at)
        self.ground.set_clock(at)
        organisations: dict[UUID, Organisation] = {}
        for org, user, role in self.ground.members:
            organisation = organisations.setdefault(org, Organisation(org, "tight", plans={at: "tight"}))
            self.model.members.append(Member(organisation, user, role))
        self.ground.service.execute(
            "INSERT INTO organisation_plans (org_id, starts_at, plan) SELECT id, %s, plan FROM organisations", (at,)
        )
        for number, is_shared in KEYS:
            member = self.model.members[number]
            key_id = own_key(self.ground.service, principal_of(member), is_shared=is_shared)
            self.model.keys[key_id] = ModelKey(key_id, member, is_shared, calendar("month", at, "UTC"))

    @rule(
        target=holds,
        number=members,
        feature=features,
        held=st.sampled_from(AMOUNTS),
        pays=st.sampled_from([None, None, None, "own", *range(len(KEYS))]),
        counts=st.sampled_from([True, True, False]),
        acts_as=st.sampled_from(["member", "member", "organisation"]),
        credits=st.sampled_from(CREDITS),
    )
    def reserve(
        self,
        *,
        number: int,
        feature: Feature | None,
        held: Decimal,
        pays: int | str | None,
        counts: bool,
        acts_as: str,
        credits: Decimal,
    ) -> object:
        """A request, perhaps on an own key, which may be somebody else's; a denial changes nothing."""
        asked: dict[str, Any] = {"feature": feature, "held_usd": held, "counts_request": counts, "acts_as": acts_as}
        asked["credits"] = credits if acts_as == "member" and pays is None else Decimal(0)
        if pays is not None:
            asked["own_key"], asked["key_id"] = True, [*self.model.keys][pays] if isinstance(pays, int) else None
        request = hold_request(**asked)
        return request.hold_id if self._reserved(self.model.members[number], request) else multiple()

    @rule(
        number=members,
        feature=features,
        outcome=st.sampled_from(["success", "success", "early_cut", "early_cut", "failed"]),
        charged=st.sampled_from(AMOUNTS[:4]),
        times=st.integers(2, 8),
        wait_s=waits_s,
        credits=st.sampled_from(CREDITS),
    )
    def ask_often(
        self,
        *,
        number: int,
        feature: Feature | None,
        outcome: str,
        charged: Decimal,
        times: int,
        wait_s: int,
        credits: Decimal,
    ) -> None:
        """Whole requests, one after the other, until something refuses."""
        for _ in range(times):
            self._set_clock(self.model.at + timedelta(seconds=wait_s))
            request = hold_request(feature=feature, held_usd=charged, credits=credits)
            if not self._reserved(self.model.members[number], request):
                return
            self.mark_in_flight(request.hold_id)
            if outcome == "failed":
                self.release(request.hold_id, "failed", charged, 1)
            else:
                self.settle(request.hold_id, outcome, charged, credits, 1, False)

    @rule(
        target=holds,
        number=members,
        feature=features,
        held=st.sampled_from(AMOUNTS[:4]),
        is_called=st.booleans(),
        is_batch=st.sampled_from([False, False, True]),
    )
    def ask_at_once(
        self, number: int, feature: Feature | None, held: Decimal, is_called: bool, is_batch: bool
    ) -> object:
        """Requests side by side, until something refuses."""
        opened = []
        for _ in range(5):
            if is_batch:
                feature = feature and Feature.SIGNAL_VALIDATION
            acts_as = "organisation" if is_batch else "member"
            request = hold_request(feature=feature, held_usd=held, acts_as=acts_as, lifetime_s=60)
            if not self._reserved(self.model.members[number], request):
                break
            opened.append(request.hold_id)
            if is_called:
                self.mark_in_flight(request.hold_id)
        return multiple(*opened)

    @rule(hold_id=holds)
    def reserve_again(self, hold_id: UUID) -> None:
        """The reply was lost: the same request under the same id."""
        hold = self.model.holds[hold_id]
        kept = self.opened[hold_id]
        self._reserved(hold.member, hold.request)
        self.opened[hold_id] = kept

    @rule(hold_id=holds, number=members)
    def reserve_under_a_strangers_id(self, hold_id: UUID, number: int) -> None:
        """An id that is taken is nobody else's."""
        member = self.model.members[number]
        if member is not self.model.holds[hold_id].member and member.may_ask:
            with pytest.raises(Forbidden):
                self.ground.meter.reserve(principal_of(member), hold_request(hold_id=hold_id))
            assert self.model.reserve(member, hold_request(hold_id=hold_id)) == "forbidden"

    @rule(hold_id=holds)
    def mark_in_flight(self, hold_id: UUID) -> None:
        """The call begins."""
        assert self.ground.meter.mark_in_flight(self.opened[hold_id]) == self.model.mark(self.model.holds[hold_id])

    @rule(hold_id=holds, held=st.sampled_from(AMOUNTS), credits=st.sampled_from(CREDITS))
    def top_up(self, hold_id: UUID, held: Decimal, credits: Decimal) -> None:
        """A dearer candidate."""
        assert self.ground.meter.top_up(self.opened[hold_id], held, credits) == self.model.top_up(
            self.model.holds[hold_id], held, credits
        )

    @rule(
        hold_id=holds,
        outcome=st.sampled_from(["success", "cut", "early_cut", "early_cut"]),
        charged=st.sampled_from(AMOUNTS),
        credits=st.sampled_from(CREDITS),
        times=st.integers(1, 2),
        elsewhere=st.booleans(),
    )
    def settle(
        self, hold_id: UUID, outcome: str, charged: Decimal, credits: Decimal, times: int, elsewhere: bool
    ) -> None:
        """The call ends; perhaps told twice, perhaps by another process."""
        meter = self.ground.other_meter if elsewhere else self.ground.meter
        for _ in range(times):
            kept = replace(record(str(charged)), credits=credits)
            done = meter.settle(self.opened[hold_id], outcome, charged, kept)
            expected = self.model.settle(self.model.holds[hold_id], outcome, charged, charged, credits)
            assert (done.outcome, done.charged_usd, done.quota_used, done.credits) == astuple(expected)

    @rule(
        hold_id=holds,
        status=st.sampled_from(["failed", "broken", "never_called"]),
        cost=st.sampled_from(AMOUNTS),
        times=st.integers(1, 2),
    )
    def release(self, hold_id: UUID, status: str, cost: Decimal, times: int) -> None:
        """The call fails; what the provider bills for it is the organisation's to know."""
        hold = self.model.holds[hold_id]
        kept = record(str(cost)) if status != "never_called" and hold.was_called else None
        for _ in range(times):
            done = self.ground.meter.release(self.opened[hold_id], status, kept)
            expected = self.model.release(hold, status, cost if kept else Decimal(0))
            assert (done.outcome, done.charged_usd, done.quota_used, done.credits) == astuple(expected)

    @rule(number=st.none() | members)
    def sweep(self, number: int | None) -> None:
        """The sweeper comes by, of one organisation or of all."""
        organisation = None if number is None else self.model.members[number].organisation
        swept = self.ground.meter.sweep(None if organisation is None else organisation.id)
        assert swept == self.model.sweep(organisation)

    @rule(number=members, plan=st.sampled_from(sorted(PLANS)))
    def change_plan(self, number: int, plan: str) -> None:
        """Up or down, in the middle of a period."""
        organisation = self.model.members[number].organisation
        if plan != organisation.plan:
            organisation.plans[self.model.at] = plan
        organisation.plan = plan
        self.ground.service.execute("UPDATE organisations SET plan = %s WHERE id = %s", (plan, organisation.id))

    @rule(number=members, zone=st.sampled_from(ZONES))
    def change_zone(self, number: int, zone: str) -> None:
        """The organisation moves."""
        organisation = self.model.members[number].organisation
        organisation.zone = zone
        self.ground.service.execute("UPDATE organisations SET zone = %s WHERE id = %s", (zone, organisation.id))

    @rule(number=members, budget=st.sampled_from(BUDGETS), of_user=st.booleans())
    def change_budget(self, number: int, budget: Decimal | None, of_user: bool) -> None:
        """Also below what is used."""
        member = self.model.members[number]
        organisation = member.organisation
        if of_user:
            member.budget = budget
            self.ground.service.execute(
                "UPDATE memberships SET budget_usd_month = %s WHERE org_id = %s AND user_id = %s",
                (budget, organisation.id, member.user_id),
            )
        else:
            organisation.budget = budget
            self.ground.service.execute(
                "UPDATE organisations SET budget_usd_month = %s WHERE id = %s", (budget, organisation.id)
            )

    @rule(
        number=members,
        kind=st.sampled_from(["purchase", "reversal"]),
        amount=st.sampled_from(CREDITS[1:]),
        times=st.integers(1, 2),
    )
    def put_credits_in(self, number: int, kind: Literal["purchase", "reversal"], amount: Decimal, times: int) -> None:
        """A purchase, or the reversal of what was taken back of one, perhaps told twice."""
        organisation = self.model.members[number].organisation
        movement = credits_dao.Movement(organisation.id, amount, str(new_id()), payment="a payment")
        for time in range(times):
            with self.ground.database.service() as connection:
                assert credits_dao.put_in(connection, kind, movement) == (time == 0)
        organisation.balance = (organisation.balance or Decimal(0)) + amount

    @rule(number=members, amount=st.sampled_from(CREDITS[1:]), times=st.integers(1, 2))
    def take_a_payment_back(self, number: int, amount: Decimal, times: int) -> None:
        """A refund or a dispute, perhaps told twice; below zero if need be."""
        organisation = self.model.members[number].organisation
        movement = credits_dao.Movement(organisation.id, amount, str(new_id()), payment="a payment")
        for time in range(times):
            with self.ground.database.service() as connection:
                assert credits_dao.take_out(connection, "refund", movement) == ("repeated" if time else "done")
        organisation.balance = (organisation.balance or Decimal(0)) - amount

    @rule(number=members, uses=st.sampled_from([True, True, False]))
    def let_credits_take_over(self, number: int, uses: bool) -> None:
        """Of a user, in all their organisations."""
        user_id, users = self.model.members[number].user_id, self.model.users_of_credits
        (users.add if uses else users.discard)(user_id)
        self.ground.service.execute("UPDATE users SET uses_credits = %s WHERE id = %s", (uses, user_id))

    @rule(number=members, has_left=st.sampled_from([False, False, True]))
    def leave_or_come_back(self, number: int, has_left: bool) -> None:
        """Who left may not ask."""
        member = self.model.members[number]
        member.has_left = has_left
        self.ground.service.execute(
            "UPDATE memberships SET ended_at = CASE WHEN %s THEN assay_now() END WHERE org_id = %s AND user_id = %s",
            (has_left, member.organisation.id, member.user_id),
        )

    @rule(number=members, cap=st.sampled_from(CAPS))
    def change_cap(self, number: int, cap: Decimal | None) -> None:
        """Also below what was used; of who belongs to the organisation."""
        member = self.model.members[number]
        member.cap = member.cap if member.has_left else cap
        with self.ground.database.service() as connection:
            is_set = credits_dao.set_cap(connection, member.organisation.id, member.user_id, cap)
            assert is_set != member.has_left

    @rule(number=members, pools=st.booleans())
    def pool_allowances(self, number: int, pools: bool) -> None:
        """One for all, or each their own again once the month has ended."""
        organisation = self.model.members[number].organisation
        if organisation.pools or pools:
            organisation.pools_until = None if pools else self.model.pool_end(organisation)
        organisation.pools = pools
        with self.ground.database.service() as connection:
            credits_dao.set_pooling(connection, organisation.id, pools)

    @rule(
        number=members,
        metric=st.sampled_from(sorted(OF_THE_PLAN)),
        amount=st.integers(1, 3),
        life_s=st.sampled_from([60, 3600, 86_400]),
        of_user=st.booleans(),
    )
    def boost(self, number: int, metric: str, amount: int, life_s: int, of_user: bool) -> None:
        """Asked for, and granted."""
        member = self.model.members[number]
        organisation = member.organisation
        of = member if of_user and metric in POOLED else None
        by = member.user_id
        values = {"id": new_id(), "org_id": organisation.id, "user_id": of and of.user_id, "metric": metric}
        more = {"amount": amount, "life_s": life_s, "reason": "More", "requested_by": by}
        with self.ground.database.service() as connection:
            asked = credits_dao.add_boost(connection, {**values, **more})
            assert credits_dao.decide_boost(connection, asked.id, None, grants=True, decided_by=by, note=None)
        if organisation.periods is None:
            zone, at = organisation.zone, self.model.at
            organisation.periods = Periods(calendar("day", at, zone), calendar("month", at, zone))
        span = Span(self.model.at, self.model.at + timedelta(seconds=life_s))
        self.model.boosts.append(Boost(organisation, of, metric, amount, span))

    @rule(key=keys, limit=st.sampled_from(BUDGETS))
    def change_key_limit(self, key: int, limit: Decimal | None) -> None:
        """Also below what it was used for."""
        of = [*self.model.keys.values()][key]
        of.limit = limit
        self.ground.service.execute("UPDATE provider_keys SET limit_usd_month = %s WHERE id = %s", (limit, of.id))

    @rule(key=keys)
    def revoke_key_or_take_that_back(self, key: int) -> None:
        """A revoked key pays for nothing that begins."""
        of = [*self.model.keys.values()][key]
        of.is_revoked = not of.is_revoked
        self.ground.service.execute(
            "UPDATE provider_keys SET revoked_at = CASE WHEN %(gone)s THEN created_at END, "
            "secret = CASE WHEN NOT %(gone)s THEN 'x'::bytea END WHERE id = %(id)s",
            {"gone": of.is_revoked, "id": of.id},
        )

    @rule(seconds=st.sampled_from(STEPS_S), is_back=st.sampled_from([False, False, False, True]))
    def move_time(self, seconds: int, is_back: bool) -> None:
        """The clock runs on, or is set back."""
        self._set_clock(self.model.at + timedelta(seconds=-seconds if is_back else seconds))

    @rule(number=members, unit=st.sampled_from(["day", "month"]), seconds=st.integers(-1, 1), of_user=st.booleans())
    def come_to_a_boundary(self, number: int, unit: str, seconds: int, of_user: bool) -> None:
        """Just before, at, or just after the end of a period."""
        member = self.model.members[number]
        periods = member.periods if of_user else member.organisation.periods
        if periods is not None:
            self._set_clock(getattr(periods, unit).ends + timedelta(seconds=seconds))

    @rule(hold_id=holds, seconds=st.integers(-1, 1))
    def come_to_an_expiry(self, hold_id: UUID, seconds: int) -> None:
        """Just before, at, or just after a hold's end."""
        self._set_clock(self.model.holds[hold_id].expires + timedelta(seconds=seconds))

    @invariant()
    def the_books_balance(self) -> None:
        """No figure that is kept twice differs."""
        found = audit(self.ground.database).differences
        open_holds = [hold for hold in self.model.holds.values() if hold.is_open]
        is_set_back = any(hold.expires - self.model.at > timedelta(seconds=150) for hold in open_holds)
        assert [each for each in found if not (is_set_back and each.kind == "hold_too_long")] == []

    @invariant()
    def the_counters_are_the_sums_of_their_holds(self) -> None:
        """Meter rows, closed periods and holds are the model's, to the last digit."""
        for statement, rows in ROWS:
            assert sorted(self.ground.service.execute(statement)) == sorted(rows(self.model))

    @invariant()
    def what_users_are_shown_is_what_is_counted(self) -> None:
        """Also before the first request of a new period has closed the old one."""
        self.looks += 1
        member = self.model.members[self.looks % 3]
        if member.periods is not None:
            for metric, allowance in self.ground.usage.overview(principal_of(member)).allowances.items():
                if metric in SHOWN:
                    of = member.organisation if metric == "signal_validations_day" else member
                    assert allowance.used == self._shown(of, metric), metric
                if metric in OF_THE_PLAN:
                    carry = self.model.carries_at(member, self.model.at).get(metric)
                    assert allowance.limit == self.model.limit(member, metric, carry), metric

    @invariant()
    def boundaries_never_move_back_and_no_period_is_granted_twice(self) -> None:
        """One period begins where, or after, the one before it ended; none is shorter than a day of clock changes."""
        for owner, key in owners(self.model):
            assert owner.periods is not None
            for unit, least in (("day", timedelta(hours=23)), ("month", timedelta(days=27, hours=23))):
                running: Span = getattr(owner.periods, unit)
                spans = [*owner.periods.closed[unit], running]
                assert all(one.ends <= other.starts for one, other in pairwise(spans))
                assert all(span.ends - span.starts >= least for span in spans)
                assert running.ends >= self.boundaries.get((*key, unit), running.ends)
                self.boundaries[*key, unit] = running.ends

    def _reserved(self, member: Member, request: HoldRequest) -> bool:
        is_new = request.hold_id not in self.model.holds
        expected = self.model.reserve(member, request)
        try:
            self.opened[request.hold_id] = self.ground.meter.reserve(principal_of(member), request)
        except MeteringDenied as denied:
            told = denied.denial
            assert isinstance(expected, Refusal)
            assert (told.metric, told.limit, told.used, told.resets_at) == (
                *(expected.metric, expected.maximum, expected.used, expected.resets_at),
            )
            return False
        except Forbidden:
            assert expected == "forbidden"
            return False
        assert expected == "granted"
        if is_new:
            self._check_limits(self.model.holds[request.hold_id])
        return True

    def _check_limits(self, hold: ModelHold) -> None:
        """By a reservation no counter comes above its limit."""
        member, organisation = hold.member, hold.member.organisation
        took: dict[str, Decimal | int] = {}
        if not hold.is_batch:
            took["concurrent_requests"] = self.model.open_holds(member)
        if hold.request.feature is not None and not hold.is_under_credits:
            feature, name = hold.request.feature, QUOTAS[hold.request.feature]
            of, unit = (organisation, "org_day") if feature is Feature.SIGNAL_VALIDATION else (member, unit_of(name))
            took[name] = sum(self.model.counted(of, feature, unit_of(name), hold.starts[unit]))
        if hold.requests and not hold.is_under_credits:
            took["requests_month"] = sum(self.model.counted(member, "request", "month", hold.starts["month"]))
        for name, amount in took.items():
            limit = self.model.limit(member, name)
            if organisation.pools_at(self.model.at) and name in POOLED:
                amount += self.model.used_by_others(member, name)  # noqa: PLW2901 (of all who share it)
            assert limit is None or amount <= limit, name
        self.model.check_credits(hold)
        if hold.key is not None:
            assert hold.key.limit is None or self.model.key_counts(hold.key) <= hold.key.limit, "key"
        for owner in (organisation,) if hold.is_batch else (member, organisation):
            assert owner.budget is None or self.model.charges(owner) <= owner.budget, "budget"

    def _set_clock(self, at: datetime) -> None:
        self.model.at = at
        self.ground.set_clock(at)

    def _shown(self, of: Member | Organisation, metric: str) -> Decimal:
        unit, name = unit_of(metric), SHOWN[metric]
        organisation = of.organisation if isinstance(of, Member) else of
        assert of.periods is not None
        span: Span = getattr(of.periods, unit)
        if self.model.at >= span.ends:
            span = following(unit, span.ends, self.model.at, organisation.zone)
        used, held = self.model.counted(of, name, unit, span.starts)
        if isinstance(of, Member) and metric in POOLED and organisation.pools_at(self.model.at):
            used += self.model.used_by_others(of, metric)
        return used if metric == "charge_usd_month" else used + held

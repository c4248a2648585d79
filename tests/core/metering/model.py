"""What the meter must count, said a second time in plain Python: no counters, only holds that are added up.

The state machine does every step to this model and to the database, and compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from core.metering.meter import Feature, HoldRequest
from tests.core.metering.model_credits import OF_THE_PLAN, POOLED, Cover, CreditsModel
from tests.core.metering.model_parts import (
    BATCH_SLOTS,
    FREE_EARLY_CUTS,
    MEMBER_FEATURES,
    ZERO,
    Ended,
    Limits,
    Member,
    ModelHold,
    ModelKey,
    Organisation,
    Periods,
    Refusal,
    Span,
    calendar,
    longest,
)


class Model(CreditsModel):
    """Organisations, members and holds, under a clock that stands still unless moved."""

    def reserve(self, member: Member, request: HoldRequest) -> str | Refusal:
        """`granted`, `forbidden`, or the refusal that lasts longest; with what the meter does about overdue holds."""
        told = self._reserve_once(member, request)
        if isinstance(told, Refusal) and told.scope == "organisation" and self.sweep(member.organisation):
            told = self._reserve_once(member, request)
        return told

    def mark(self, hold: ModelHold) -> bool:
        """Whether the call may begin."""
        if hold.state != "reserved" or self.at >= hold.expires:
            return False
        hold.state, hold.was_called = "in_flight", True
        return True

    def top_up(self, hold: ModelHold, held: Decimal, credits: Decimal = ZERO) -> bool:
        """Whether a dearer candidate is covered."""
        if hold.state != "in_flight" or self.at >= hold.expires:
            return False
        more = max(held - hold.bound, ZERO)
        more_credits = credits - hold.credits - hold.free if hold.is_under_credits else ZERO
        if more <= 0 and more_credits <= 0:
            return True
        member, organisation = hold.member, hold.member.organisation
        assert member.periods and organisation.periods
        if not hold.request.own_key:
            ceiling = self.plans[organisation.plan].request_ceiling_usd
            is_late = (member.periods.month.starts, organisation.periods.month.starts) != (
                hold.starts["month"],
                hold.starts["org_month"],
            )
            over_user = not hold.is_batch and member.budget is not None and self.charges(member) + more > member.budget
            over_org = organisation.budget is not None and self.charges(organisation) + more > organisation.budget
            if is_late or over_user or over_org or (ceiling is not None and hold.held + more > ceiling):
                return False
            if more_credits > 0 and not self.top_up_credits(hold, more_credits):
                return False
            hold.held += more
        if hold.key is not None:
            is_late = hold.key.month.starts != hold.starts["key"]
            is_over = hold.key.limit is not None and self.key_counts(hold.key) + more > hold.key.limit
            if is_late or is_over or hold.key.is_revoked:
                return False
        hold.bound += more
        return True

    def settle(self, hold: ModelHold, outcome: str, charged: Decimal, cost: Decimal, credits: Decimal = ZERO) -> Ended:
        """Charges a call."""
        if hold.state != "in_flight" or self.at >= hold.expires:
            return self._late(hold)
        is_free = False
        if outcome == "early_cut":
            hold.member.early_cuts += 1
            is_free = hold.member.early_cuts <= FREE_EARLY_CUTS
        hold.state, hold.resolution, hold.cost = "settled", outcome, cost
        if not is_free:
            hold.quota_charged, hold.request_charged = hold.quota, hold.requests
            hold.charged = ZERO if hold.request.own_key else charged
            if hold.is_under_credits:
                hold.free += self.free_for(hold, max(credits - hold.credits - hold.free, ZERO))
                hold.credits_charged, hold.free_charged = credits, min(credits, hold.free)
        return Ended("settled", hold.charged, self.used_now(hold), hold.credits_charged)

    def release(self, hold: ModelHold, status: str, cost: Decimal) -> Ended:
        """Returns what a call held."""
        if not hold.is_open or self.at >= hold.expires:
            return self._late(hold)
        hold.state, hold.resolution, hold.cost = "released", status, cost
        return Ended("released", ZERO, self.used_now(hold), ZERO)

    def expire(self, hold: ModelHold) -> bool:
        """Ends an overdue hold."""
        if not hold.is_open or self.at < hold.expires:
            return False
        hold.resolution = "unresolved" if hold.was_called else "never_called"
        hold.cost = hold.bound if hold.was_called else ZERO
        hold.state = "expired"
        return True

    def sweep(self, organisation: Organisation | None) -> int:
        """Ends every overdue hold of an organisation, or of all."""
        return sum(
            self.expire(hold)
            for hold in self.holds.values()
            if organisation in (None, hold.member.organisation) and hold.is_open
        )

    def counted(self, of: Member | Organisation, kind: str, unit: str, start: datetime) -> tuple[Decimal, Decimal]:
        """What is used and what is held of a counter, in the period that began at `start`."""
        key = unit if isinstance(of, Member) else f"org_{unit}"
        used = held = ZERO
        for hold in self.holds.values():
            if of not in (hold.member, hold.member.organisation) or hold.starts[key] != start:
                continue
            if isinstance(of, Member) and hold.is_batch:
                continue
            if kind == "request":
                amounts: tuple[Decimal | int, Decimal | int] = hold.request_charged, hold.requests
            elif kind == "charge_usd":
                amounts = hold.charged, hold.held
            elif kind == "credits":
                amounts = hold.credits_charged - hold.free_charged, hold.credits
            elif hold.request.feature != kind:
                continue
            else:
                amounts = hold.quota_charged, hold.quota
            used += amounts[0]
            held += amounts[1] if hold.is_open else 0
        return used, held

    def used_now(self, hold: ModelHold) -> int | None:
        """What the hold's feature counts in the running period."""
        feature = hold.request.feature
        if feature is None:
            return None
        used, metric, *_ = self._feature(hold.member, feature)
        is_pooled = metric in POOLED and hold.member.organisation.pools_at(self.at)
        return int(used + (self.used_by_others(hold.member, metric) if is_pooled else 0))

    def charges(self, of: Member | Organisation) -> Decimal:
        """Charges of the running month, open holds included."""
        assert of.periods
        return sum(self.counted(of, "charge_usd", "month", of.periods.month.starts), ZERO)

    def key_used(self, key: ModelKey, start: datetime) -> tuple[Decimal, Decimal]:
        """What a key was used for and what is held of it, in the month that began at `start`."""
        holds = [hold for hold in self.holds.values() if hold.key is key and hold.starts["key"] == start]
        used = sum((hold.cost for hold in holds if not hold.is_open), ZERO)
        return used, sum((hold.bound for hold in holds if hold.is_open), ZERO)

    def key_counts(self, key: ModelKey, month: Span | None = None) -> Decimal:
        """What counts against a key's limit in a month, by default the one it is in."""
        return sum(self.key_used(key, (month or key.month).starts), ZERO)

    def open_holds(self, member: Member) -> int:
        """Holds that take a slot."""
        return sum(hold.member is member and hold.is_open and not hold.is_batch for hold in self.holds.values())

    def open_batch_holds(self, organisation: Organisation) -> int:
        """Holds that take a slot of the organisation's own."""
        holds = self.holds.values()
        return sum(hold.member.organisation is organisation and hold.is_open and hold.is_batch for hold in holds)

    def _late(self, hold: ModelHold) -> Ended:
        outcome = "expired" if self.expire(hold) else "not_open" if hold.state == "reserved" else hold.state
        return Ended(outcome, hold.charged, self.used_now(hold), hold.credits_charged)

    def _reserve_once(self, member: Member, request: HoldRequest) -> str | Refusal:
        organisation = member.organisation
        for owner in (member, organisation):
            if owner.periods is None:
                zone = organisation.zone
                owner.periods = Periods(calendar("day", self.at, zone), calendar("month", self.at, zone))
        known = self.holds.get(request.hold_id)
        if known is not None:
            return "granted" if known.is_open and known.member is member else "forbidden"
        self._expire_own(member)
        is_batch = request.acts_as == "organisation"
        if not member.may_ask or (is_batch and request.feature in MEMBER_FEATURES):
            return "forbidden"
        key = self.keys[request.key_id] if request.key_id else None
        if key is not None and not key.is_usable(member, request):
            return "forbidden"
        assert member.periods and organisation.periods
        early_cuts_end = member.periods.day.ends
        carries = self.carries_at(member, self.at)
        has_moved = [owner.periods.roll(self.at, organisation.zone) for owner in (member, organisation)]  # type: ignore[union-attr]
        member.carries = carries
        if self.at >= early_cuts_end:
            member.early_cuts = 0
        second = max(int(self.at.timestamp()), member.minute.newest)
        minute = max(second // 60, member.hour.newest)
        refusals, cover = self._covered(member, request, [*self._refusals(member, request, second, minute)])
        if refusals and not any(has_moved):
            return longest(refusals)
        self._move_rates(member, request, second, minute)
        if refusals:
            return longest(refusals)
        self._grant(member, request, second, minute, cover)
        return "granted"

    def _covered(
        self, member: Member, request: HoldRequest, refusals: list[Refusal]
    ) -> tuple[list[Refusal], Cover | None]:
        """What still refuses where credits may take over from the plan, and how they do."""
        spent = [refusal for refusal in refusals if refusal.metric in OF_THE_PLAN]
        if not spent or not self.may_use_credits(member, request):
            return refusals, None
        others = [refusal for refusal in refusals if refusal not in spent]
        if others:
            return others, None
        cover = self.cover(member, request, longest(spent).resets_at)
        return cover.refusals, cover

    def _expire_own(self, member: Member) -> None:
        if self.open_holds(member):  # an organisation's own holds are looked for where they take a slot from somebody
            for hold in self.holds.values():
                if hold.member is member:
                    self.expire(hold)

    def _move_rates(self, member: Member, request: HoldRequest, second: int, minute: int) -> None:
        member.minute.newest, member.hour.newest = second, minute
        if request.feature is Feature.SIGNAL_VALIDATION:
            member.validations.newest = max(second, member.validations.newest)

    def _grant(self, member: Member, request: HoldRequest, second: int, minute: int, cover: Cover | None) -> None:
        assert member.periods and member.organisation.periods
        is_batch = request.acts_as == "organisation"
        if request.counts_request and not is_batch:
            member.minute.grants.append(second)
            member.hour.grants.append(minute)
        if request.feature is Feature.SIGNAL_VALIDATION and not is_batch:
            member.validations.grants.append(second)
        key = self.keys[request.key_id] if request.key_id else None
        starts = {}
        if key is not None:
            key.month = key.month_at(self.at)
            starts["key"] = key.month.starts
        self.holds[request.hold_id] = ModelHold(
            request.hold_id,
            member,
            request,
            ZERO if request.own_key else request.held_usd,
            request.held_usd,
            self.at + timedelta(seconds=request.lifetime_s),
            {
                "day": member.periods.day.starts,
                "month": member.periods.month.starts,
                "org_day": member.organisation.periods.day.starts,
                "org_month": member.organisation.periods.month.starts,
                **starts,
            },
            key=key,
        )
        if cover is not None:
            hold = self.holds[request.hold_id]
            hold.credits, hold.free, hold.free_day = cover.taken, cover.free, cover.day

    def _feature(self, member: Member, feature: Feature) -> tuple[Decimal, str, str, datetime]:
        """Used in the running period, its limit's name and scope, and its end."""
        if feature is Feature.SIGNAL_VALIDATION:
            of: Member | Organisation = member.organisation
            metric, unit, scope = "signal_validations_day", "day", "organisation"
        else:
            of, scope = member, "user"
            metric, unit = MEMBER_FEATURES[feature]
        span: Span = getattr(of.periods, unit)
        return sum(self.counted(of, feature, unit, span.starts), ZERO), metric, scope, span.ends

    def _refusals(self, member: Member, request: HoldRequest, second: int, minute: int) -> Iterator[Refusal]:
        organisation, limits = member.organisation, self.plans[member.organisation.plan]
        assert member.periods and organisation.periods

        def full(metric: str, scope: str, used: Decimal | int, resets_at: datetime | None) -> Iterator[Refusal]:
            maximum = self.limit(member, metric)
            if metric in POOLED and organisation.pools_at(self.at):
                used, scope = used + self.used_by_others(member, metric), "organisation"
            if maximum is not None and used >= maximum:
                yield Refusal(metric, scope, Decimal(maximum), Decimal(used), resets_at)

        if request.feature is not None:
            used, metric, scope, ends = self._feature(member, request.feature)
            yield from full(metric, scope, used, ends)
        soon = self.at + timedelta(seconds=1)
        if request.acts_as == "organisation":
            batch = self.open_batch_holds(organisation)
            if batch >= BATCH_SLOTS:
                yield Refusal("concurrent_batch_requests", "organisation", Decimal(BATCH_SLOTS), Decimal(batch), soon)
            yield from self._money(member, request, limits)
            return
        if request.counts_request:
            asked = sum(self.counted(member, "request", "month", member.periods.month.starts), ZERO)
            yield from full("requests_month", "user", asked, member.periods.month.ends)
            for rate, metric, bucket, size in (
                (member.minute, "requests_minute", second, 1),
                (member.hour, "requests_hour", minute, 60),
            ):
                free = size * (bucket + rate.wait(bucket, getattr(limits, metric) or 0))
                yield from full(metric, "user", rate.within(bucket), datetime.fromtimestamp(free, UTC))
        if request.feature is Feature.SIGNAL_VALIDATION:
            free = second + member.validations.wait(second, limits.signal_validations_minute or 0)
            resets_at = datetime.fromtimestamp(free, UTC)
            yield from full("signal_validations_minute", "user", member.validations.within(second), resets_at)
        yield from full("concurrent_requests", "user", self.open_holds(member), soon)
        yield from self._money(member, request, limits)

    def _money(self, member: Member, request: HoldRequest, limits: Limits) -> Iterator[Refusal]:
        organisation = member.organisation
        assert member.periods and organisation.periods
        charge = ZERO if request.own_key else request.held_usd
        for owner, metric, scope in (
            (member, "user_budget_usd_month", "user"),
            (organisation, "org_budget_usd_month", "organisation"),
        ):
            used = self.charges(owner)
            if owner is member and request.acts_as == "organisation":
                continue
            if owner.budget is not None and used + charge > owner.budget:
                assert owner.periods
                yield Refusal(metric, scope, owner.budget, used, owner.periods.month.ends)
        key = self.keys[request.key_id] if request.key_id else None
        if key is not None and key.limit is not None:
            month = key.month_at(self.at)
            used = self.key_counts(key, month)
            if used + request.held_usd > key.limit:
                scope = "organisation" if key.is_shared else "user"
                yield Refusal("key_limit_usd_month", scope, key.limit, used, month.ends)
        if limits.request_ceiling_usd is not None and charge > limits.request_ceiling_usd:
            yield Refusal("request_ceiling_usd", "request", limits.request_ceiling_usd, charge, None)

"""Abuse: found by figures worked by hand, with its evidence, and nobody else's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from core.accounts.token_uses import MOST_A_MINUTE, TokenUses, forget_uses, program_of
from core.admin.abuse import Abuse, Evidence, Kind, deviation_of, unusual_volumes
from core.ai.guards.events import GuardEvent, GuardEvents
from core.db.abuse_dao import MAX_PLACES, VolumeRow
from core.errors import Forbidden, InvalidRequest, NotFound, Unauthenticated
from core.ids import new_id
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime

Service = psycopg.Connection[tuple[object, ...]]
DAY = date(2026, 3, 31)
ORG = uuid4()


def volume(name: str, counts: Sequence[int], *, plan: str = "team") -> VolumeRow:
    """A member's requests of the last days, the last of which is DAY."""
    days = [DAY - timedelta(days=n) for n in range(len(counts))][::-1]
    return VolumeRow(ORG, "Acme", plan, uuid4(), f"{name}@test.example", days, list(counts))


class TestVolume:
    def test_median_and_mad_are_those_worked_by_hand(self) -> None:
        found = deviation_of([2, 4, 4, 6, 100])  # distances from 4: 0, 0, 2, 2, 96
        assert (found.median, found.spread, found.n) == (4, 1.4826 * 2, 5)
        assert found.of(10) == pytest.approx(6 / 2.9652)
        flat = deviation_of([50] * 9)
        assert (flat.spread, flat.of(80)) == (5, 6)

    def test_a_day_far_above_the_own_past_and_the_plan_is_found_with_both_medians(self) -> None:
        usual = [volume(f"u{n}", [10, 12, 11, 9, 10, 13, 10, 11 + n]) for n in range(6)]
        loud = volume("loud", [10, 12, 11, 9, 10, 13, 10, 400])
        (found,) = unusual_volumes([*usual, loud], DAY)
        assert (found.kind, found.email, found.count) == (Kind.VOLUME, "loud@test.example", 400)
        # The own seven days: median 10, distances 0 2 1 1 0 3 0, MAD 1: 390 / 1.4826 = 263.1.
        assert "own median 10 a day (n = 7 days with requests), 263.1 robust deviations above" in found.words
        # That day: 11 to 16 and 400: median 14, distances 3 2 1 0 1 2 386, MAD 2: 386 / 2.9652 = 130.2.
        assert "median of the plan team that day 14 (n = 7 users), 130.2 robust deviations above" in found.words
        assert [line.words for line in found.evidence][:2] == ["400 requests", "10 requests"]

    def test_of_several_unusual_days_the_one_with_most_is_told(self) -> None:
        usual = [volume(f"u{n}", [10] * 10) for n in range(6)]
        loud = volume("loud", [10] * 8 + [400, 300])
        (found,) = unusual_volumes([*usual, loud], DAY - timedelta(days=1))
        assert (found.count, found.evidence[0].at) == (400, DAY - timedelta(days=1))
        assert [each.count for each in unusual_volumes([*usual, loud], DAY)] == [300]

    def test_who_always_asks_much_is_not_unusual(self) -> None:
        usual = [volume(f"u{n}", [10] * 8) for n in range(6)]
        assert unusual_volumes([*usual, volume("busy", [390, 400, 410, 395, 405, 400, 400, 420])], DAY) == []

    def test_little_is_never_unusual_and_without_a_past_or_peers_nobody_is(self) -> None:
        assert unusual_volumes([*(volume(f"u{n}", [1] * 8) for n in range(6)), volume("x", [1] * 7 + [29])], DAY) == []
        assert unusual_volumes([volume("new", [5_000])], DAY) == []

    def test_a_newcomer_is_compared_with_their_plan_alone(self) -> None:
        usual = [volume(f"u{n}", [10, 10]) for n in range(5)]
        found = unusual_volumes([*usual, volume("new", [500]), volume("alone", [500], plan="basic")], DAY)
        assert [each.email for each in found] == ["new@test.example"]
        assert "own median" not in found[0].words


@pytest.fixture
def abuse(workbench: Workbench) -> Abuse:
    return Abuse(workbench.database)


@pytest.fixture
def operator(member: MakeMember) -> Principal:
    return replace(member("olga", org="House"), is_operator=True)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    return member("ann", plan="team", org="Acme")


def denied(service: Service, who: Principal, count: int, *, code: str = "quota_exceeded") -> None:
    for _ in range(count):
        service.execute(
            "INSERT INTO usage_log (id, at, org_id, user_id, request_id, channel, status, feature, provider, model,"
            " error_code) VALUES (%s, assay_now(), %s, %s, %s, 'api', 'denied', 'chat_query', 'openai', 'a-model', %s)",
            (new_id(), who.org_id, who.user_id, new_id(), code),
        )


class TestFindings:
    def test_refusals_are_counted_by_their_reason(
        self, abuse: Abuse, operator: Principal, ann: Principal, member: MakeMember, service: Service
    ) -> None:
        denied(service, ann, 15)
        denied(service, ann, 6, code="rate_limited")
        denied(service, member("bob", org="Other"), 19)
        (found,) = abuse.findings(operator, everything=True)
        assert (found.kind, found.email, found.count, found.org_name) == (Kind.REFUSALS, ann.email, 21, "Acme")
        assert [line.words for line in found.evidence] == [
            "15 times quota exceeded, the last then",
            "6 times rate limited, the last then",
        ]

    def test_refusals_of_yesterday_are_none(
        self, abuse: Abuse, operator: Principal, ann: Principal, service: Service, move_time: MoveTime
    ) -> None:
        denied(service, ann, 30)
        move_time(timedelta(hours=25))
        assert abuse.findings(operator, everything=True) == []

    def test_a_token_used_from_many_places_is_found_and_revoked(
        self, abuse: Abuse, operator: Principal, ann: Principal, workbench: Workbench
    ) -> None:
        token = workbench.directory.create_token(ann.email, name="nightly")
        holder = workbench.accounts.principal_of_token(token)
        assert holder.credential_id is not None
        uses = TokenUses(workbench.database)
        for number in range(6):
            uses.note(holder.credential_id, token, address=f"192.0.2.{number}", agent="python-requests/2.32 (x; y)")
        (found,) = abuse.findings(ann, everything=False)
        assert (found.kind, found.count, found.token_id) == (Kind.SHARED_TOKEN, 6, holder.credential_id)
        assert "“nightly” was used from 6 addresses by 1 program" in found.words
        assert found.evidence[0].words == "6 addresses, 1 program (python-requests/2.32), 6 minutes in use"
        abuse.revoke_token(ann, holder.credential_id, everything=False)
        with pytest.raises(Unauthenticated):
            workbench.accounts.principal_of_token(token)
        assert abuse.findings(operator, everything=True) == []
        with pytest.raises(NotFound):
            abuse.revoke_token(operator, holder.credential_id, everything=True)

    def test_attempts_to_turn_a_model_are_told_by_rule_and_never_by_text(
        self, abuse: Abuse, operator: Principal, ann: Principal, workbench: Workbench
    ) -> None:
        events = GuardEvents(workbench.database)
        for _ in range(3):
            events.add(GuardEvent(ann, None, "injection", "refused", "override", 0.91))
        events.add(GuardEvent(ann, None, "redaction", "redacted", "email"))
        events.close()
        (found,) = abuse.findings(operator, everything=True)
        assert (found.kind, found.count) == (Kind.INJECTION, 3)
        assert {line.words for line in found.evidence} == {"injection refused: override, score 0.91"}

    def test_nobody_sees_or_ends_anything_of_another_organisation(
        self, abuse: Abuse, ann: Principal, member: MakeMember, service: Service, workbench: Workbench
    ) -> None:
        denied(service, ann, 30)
        token = workbench.accounts.principal_of_token(workbench.directory.create_token(ann.email))
        assert token.credential_id is not None
        eve = member("eve", org="Other")
        assert abuse.findings(eve, everything=False) == []
        with pytest.raises(NotFound):
            abuse.revoke_token(eve, token.credential_id, everything=False)
        for who in (eve, member("viewer", plan="team", org="Acme", role=Role.VIEWER)):
            with pytest.raises(Forbidden):
                abuse.findings(who, everything=True)
            with pytest.raises(Forbidden):
                abuse.revoke_token(who, token.credential_id, everything=True)
        with pytest.raises(Forbidden):
            abuse.findings(member("bea", plan="team", org="Acme", role=Role.ANALYST), everything=False)

    def test_unusual_volume_comes_from_the_rollup(
        self, abuse: Abuse, operator: Principal, ann: Principal, service: Service, member: MakeMember
    ) -> None:
        others = [member(f"u{n}", plan="team", org=f"Org {n}") for n in range(5)]
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for who in (ann, *others):
            for back in range(8):
                count = 600 if who is ann and back == 0 else 20 + back
                rolled(service, who, today - timedelta(days=back), count)
        (found,) = abuse.findings(ann, everything=False)
        assert (found.kind, found.email, found.count) == (Kind.VOLUME, ann.email, 600)
        assert abuse.findings(others[0], everything=False) == []
        assert [each.email for each in abuse.findings(operator, everything=True)] == [ann.email]

    @pytest.mark.parametrize(("days", "kinds"), [(1, set()), (7, {Kind.REFUSALS, Kind.VOLUME}), (30, set(Kind))])
    def test_what_is_looked_at_are_days_of_utc(
        self,
        abuse: Abuse,
        ann: Principal,
        workbench: Workbench,
        service: Service,
        move_time: MoveTime,
        *,
        days: int,
        kinds: set[Kind],
    ) -> None:
        """Six days ago she was refused much and asked much, ten days ago her token was shared and a model turned."""
        now = datetime(2026, 3, 20, 1, tzinfo=UTC)
        midnight = now.replace(hour=0)
        token = workbench.directory.create_token(ann.email)
        holder = workbench.accounts.principal_of_token(token)
        assert holder.credential_id is not None
        move_time(now - timedelta(days=10))
        for number in range(6):
            TokenUses(workbench.database).note(holder.credential_id, token, address=f"192.0.2.{number}", agent="curl/8")
        events = GuardEvents(workbench.database)
        for _ in range(3):
            events.add(GuardEvent(ann, None, "injection", "refused", "override", 0.91))
        events.close()
        move_time(midnight - timedelta(days=6))
        denied(service, ann, 20)
        for back in range(6, 20):
            rolled(service, ann, midnight - timedelta(days=back), 600 if back == 6 else 20)
        move_time(now)
        denied(service, ann, 19)  # of today: too few, and no part of what is told of that day
        found = {each.kind: each for each in abuse.findings(ann, everything=False, days=days)}
        assert set(found) == kinds
        if Kind.REFUSALS in kinds:
            assert found[Kind.REFUSALS].words == f"20 refusals in {days} days, on days with 20 or more."
            assert found[Kind.VOLUME].words.startswith("600 requests on 14 March: own median 20 a day (n = 13 days")
            assert found[Kind.VOLUME].evidence[0] == Evidence(date(2026, 3, 14), "600 requests")

    def test_a_time_that_cannot_be_chosen_is_refused(self, abuse: Abuse, ann: Principal) -> None:
        with pytest.raises(InvalidRequest, match="1, 7, 30 days"):
            abuse.findings(ann, everything=False, days=365)


def rolled(service: Service, who: Principal, day: datetime, requests: int) -> None:
    columns = service.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'assay'"
        " AND table_name = 'usage_user_days' AND column_name NOT IN ('day', 'org_id', 'user_id', 'plan', 'requests')"
    ).fetchall()
    names = [str(name) for (name,) in columns]
    service.execute(
        f"INSERT INTO usage_user_days (day, org_id, user_id, plan, requests, {', '.join(names)})"
        f" VALUES (%s, %s, %s, 'team', %s, {', '.join('0' for _ in names)})",
        (day, who.org_id, who.user_id, requests),
    )


class TestTokenUses:
    @pytest.fixture
    def token(self, workbench: Workbench, ann: Principal) -> tuple[UUID, str]:
        token = workbench.directory.create_token(ann.email)
        found = workbench.accounts.principal_of_token(token).credential_id
        assert found is not None
        return found, token

    def test_a_place_is_noted_once_a_minute_and_its_address_never_kept(
        self, workbench: Workbench, service: Service, token: tuple[UUID, str]
    ) -> None:
        now = [0.0]
        uses = TokenUses(workbench.database, monotonic=lambda: now[0])
        for second in (0, 30, 59, 60, 61, 121):
            now[0] = second
            uses.note(*token, address="192.0.2.1", agent="curl/8.5")
        rows = service.execute("SELECT address_hash, agent, minutes FROM token_uses").fetchall()
        assert [(agent, minutes) for _, agent, minutes in rows] == [("curl/8.5", 3)]
        other = workbench.directory.create_token("ann@test.example")
        other_id = workbench.accounts.principal_of_token(other).credential_id
        assert other_id is not None
        uses.note(other_id, other, address="192.0.2.1", agent="curl/8.5")
        hashes = service.execute("SELECT DISTINCT address_hash FROM token_uses").fetchall()
        assert len(hashes) == 2  # the same address under another token cannot be told to be the same

    def test_whoever_makes_places_up_fills_no_table(
        self, workbench: Workbench, service: Service, token: tuple[UUID, str]
    ) -> None:
        now = [0.0]
        uses = TokenUses(workbench.database, monotonic=lambda: now[0])
        for number in range(MAX_PLACES + 50):
            now[0] = number * 10
            uses.note(*token, address="192.0.2.1", agent=f"program/{number}")
        row = service.execute("SELECT count(*) FROM token_uses").fetchone()
        assert row == (MAX_PLACES,)

    def test_a_minute_notes_few_places_of_one_token(
        self, workbench: Workbench, service: Service, token: tuple[UUID, str]
    ) -> None:
        uses = TokenUses(workbench.database, monotonic=lambda: 0.0)
        for number in range(50):
            uses.note(*token, address=f"192.0.2.{number}", agent="curl/8.5")
        assert service.execute("SELECT count(*) FROM token_uses").fetchone() == (MOST_A_MINUTE,)

    def test_uses_are_forgotten_after_a_month(
        self, workbench: Workbench, service: Service, token: tuple[UUID, str], move_time: MoveTime
    ) -> None:
        uses = TokenUses(workbench.database)
        uses.note(*token, address="192.0.2.1", agent="curl/8.5")
        forget_uses(workbench.database)
        assert service.execute("SELECT count(*) FROM token_uses").fetchone() == (1,)
        move_time(timedelta(days=32))
        forget_uses(workbench.database)
        assert service.execute("SELECT count(*) FROM token_uses").fetchone() == (0,)

    @pytest.mark.parametrize(
        ("agent", "shown"),
        [
            pytest.param("Mozilla/5.0 (X11; Linux) Gecko", "Mozilla/5.0", id="browser"),
            pytest.param(" curl/8.5\r\n\x00 ", "curl/8.5", id="controls"),
            pytest.param("", "", id="none"),
            pytest.param("a" * 500, "a" * 80, id="long"),
        ],
    )
    def test_a_program_is_kept_without_what_it_says_in_brackets(self, agent: str, shown: str) -> None:
        assert program_of(agent) == shown

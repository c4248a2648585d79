"""A list of filings counts one of the month when it came, and nothing when it did not."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import AssayError, Conflict, Forbidden, MeteringDenied, NoData, NotConfigured, NotFound, SourceDown
from core.metering.books import audit
from core.metering.meter import Resolved
from core.metering.repeats import Idempotency
from core.principal import Principal, Role, Scope
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, MoveTime, make_settings, member_factory
from tests.core.market.edgar_answers import SUBMISSIONS, submissions
from tests.core.market.reading import LISTED
from tests.core.market.vendor_server import VendorServer

TICKERS = "/files/company_tickers_exchange.json"
FILED = [("10-K", "2010-02-20"), ("8-K", "2010-01-28")]


@pytest.fixture
def sec() -> Iterator[VendorServer]:
    """A server in the SEC's place that knows one company."""
    with VendorServer() as server:
        server.answers[SUBMISSIONS] = submissions(FILED)
        yield server


@pytest.fixture
def bench(database_url: str, tmp_path: Path, sec: VendorServer) -> Iterator[Workbench]:
    """A workbench whose SEC is that server, and whose day is today, for a source of quotes is configured."""
    settings = make_settings(
        database_url,
        tmp_path,
        FMP_API_KEY="unused",
        SEC_EDGAR_USER_AGENT="Test test@test.example",
        SEC_EDGAR_BASE_URL=sec.url,
        SEC_EDGAR_WWW_BASE_URL=sec.url,
        SEC_EDGAR_PER_SECOND="100",
    )
    with closing(open_workbench(settings)) as opened:
        opened.market.instruments.refresh(LISTED)
        yield opened


@pytest.fixture
def make(bench: Workbench) -> MakeMember:
    """Makes members of it."""
    return member_factory(bench)


def used(bench: Workbench, principal: Principal) -> int:
    return int(bench.usage.overview(principal).allowances["sec_filings_month"].used)


def rows(bench: Workbench, principal: Principal) -> list[tuple[str, str, str]]:
    bench.usage_log.flush()
    today = date.today()  # noqa: DTZ011 (the log is asked for by days around now)
    log = bench.usage.log(principal, today.replace(day=1), today + timedelta(days=1))  # a test may run past midnight
    return [(row.status, row.provider, row.feature or "") for row in log if row.feature == "sec_filing"]


def assert_balanced(bench: Workbench) -> None:
    assert list(audit(bench.database).differences) == []


def test_each_list_that_came_counts_one_and_no_ai_request(
    bench: Workbench, make: MakeMember, sec: VendorServer
) -> None:
    ann = make("ann")
    first, second = bench.filings.list(ann, symbol="ACME"), bench.filings.list(ann, cik=1)
    assert [filing.form for filing in first.filings.filings] == ["10-K", "8-K"]
    assert (first.filings.name, second.filings.symbol) == ("Acme, Inc.", "ACME")
    assert sec.count(SUBMISSIONS) == 2
    assert second.quota is not None
    assert (second.quota.metric, second.quota.used, second.quota.limit) == ("sec_filings_month", 2, 3)
    assert (used(bench, ann), int(bench.usage.overview(ann).allowances["requests_month"].used)) == (2, 0)
    assert rows(bench, ann) == [("success", "sec_edgar", "sec_filing")] * 2
    assert_balanced(bench)


@pytest.mark.parametrize(("answer", "error"), [(404, NoData), (503, SourceDown), ("<html>", SourceDown)])
def test_a_list_that_did_not_come_is_free(
    bench: Workbench, make: MakeMember, sec: VendorServer, answer: object, error: type[AssayError]
) -> None:
    ann = make("ann")
    sec.answers[SUBMISSIONS] = answer
    with pytest.raises(error):
        bench.filings.list(ann, symbol="ACME")
    assert used(bench, ann) == 0
    assert rows(bench, ann) == [("failed", "sec_edgar", "sec_filing")]
    assert_balanced(bench)


def test_a_flaw_of_ours_is_free_too(bench: Workbench, make: MakeMember, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = make("ann")

    def fail(*_args: object, **_kwargs: object) -> object:
        raise RuntimeError("a flaw")

    monkeypatch.setattr(bench.market.filings, "fetch", fail)
    with pytest.raises(RuntimeError):
        bench.filings.list(ann, symbol="ACME")
    assert used(bench, ann) == 0
    assert_balanced(bench)


def test_a_list_that_came_too_late_to_be_counted_is_not_given(
    bench: Workbench, make: MakeMember, sec: VendorServer, move_time: MoveTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = make("ann")
    settle = bench.meter.settle

    def late(*args: Any) -> Resolved:
        move_time(timedelta(minutes=10))
        return settle(*args)

    monkeypatch.setattr(bench.meter, "settle", late)
    with pytest.raises(SourceDown, match="came too late to be counted; it cost you nothing"):
        bench.filings.list(ann, symbol="ACME")
    assert (used(bench, ann), sec.count(SUBMISSIONS)) == (0, 1)
    assert rows(bench, ann) == [("unresolved", "sec_edgar", "sec_filing")]
    assert_balanced(bench)


def test_a_symbol_that_is_not_known_here_is_looked_for_in_the_secs_list_once_a_day(
    bench: Workbench, make: MakeMember, sec: VendorServer
) -> None:
    bench.market.load_shipped()
    sec.answers[TICKERS] = {"fields": ["cik", "name", "ticker", "exchange"], "data": [[1, "Newco", "NEWCO", "NYSE"]]}
    ann = make("ann")
    assert bench.filings.list(ann, symbol="newco").filings.cik == 1
    with pytest.raises(NotFound):
        bench.filings.list(ann, symbol="OTHERCO")
    assert bench.filings.list(ann, symbol="NEWCO").filings.symbol == "NEWCO"
    assert (used(bench, ann), sec.count(TICKERS)) == (2, 1)


@pytest.mark.parametrize(
    ("asked", "error"),
    [({"symbol": "NOCIK"}, NotFound), ({"symbol": "WHAT"}, NotFound), ({}, AssayError), ({"cik": 0}, AssayError)],
)
def test_what_names_no_company_is_refused_before_anything_is_counted(
    bench: Workbench, make: MakeMember, sec: VendorServer, asked: dict[str, object], error: type[AssayError]
) -> None:
    ann = make("ann")
    with pytest.raises(error):
        bench.filings.list(ann, **asked)  # type: ignore[arg-type]  # as a caller may send it
    assert (used(bench, ann), rows(bench, ann), sec.count("/submissions/")) == (0, [], 0)


def test_when_the_month_is_used_up_the_sec_is_not_asked(bench: Workbench, make: MakeMember, sec: VendorServer) -> None:
    ann = make("ann")
    for _ in range(3):
        bench.filings.list(ann, symbol="ACME")
    with pytest.raises(MeteringDenied) as refused:
        bench.filings.list(ann, symbol="ACME")
    denial = refused.value.denial
    assert (denial.code, denial.metric, denial.limit, denial.remaining) == ("quota_exceeded", "sec_filings_month", 3, 0)
    assert denial.reason == "Monthly SEC filing limit reached (3/month)"
    assert denial.resets_at is not None
    assert sec.count(SUBMISSIONS) == 3
    assert rows(bench, ann)[0] == ("denied", "sec_edgar", "sec_filing")
    assert_balanced(bench)


def test_many_at_once_never_get_more_than_the_month_has(bench: Workbench, make: MakeMember, sec: VendorServer) -> None:
    ann = make("ann")

    def attempt(_: int) -> str:
        try:
            bench.filings.list(ann, symbol="ACME")
        except MeteringDenied as denied:
            return denied.denial.code
        return "came"

    with ThreadPoolExecutor(12) as pool:
        outcomes = list(pool.map(attempt, range(24)))
    assert outcomes.count("came") == used(bench, ann) == sec.count(SUBMISSIONS) <= 3
    assert set(outcomes) <= {"came", "quota_exceeded", "too_many_concurrent"}
    assert_balanced(bench)


def test_a_request_that_is_sent_again_gets_the_same_list_and_counts_once(
    bench: Workbench, make: MakeMember, sec: VendorServer
) -> None:
    ann = make("ann")
    key = Idempotency("GET /api/sec-edgar", "a key", b"\x01" * 32)
    first = bench.filings.list(ann, symbol="ACME", idempotency=key)
    sec.answers[SUBMISSIONS] = submissions([])
    again = bench.filings.list(ann, symbol="ACME", idempotency=key)
    assert again.filings == first.filings
    assert (again.is_replayed, again.request_id) == (True, first.request_id)
    with pytest.raises(Conflict):
        bench.filings.list(ann, cik=1, idempotency=replace(key, body_sha256=b"\x02" * 32))
    assert (used(bench, ann), sec.count(SUBMISSIONS)) == (1, 1)
    assert rows(bench, ann)[0] == ("cached", "sec_edgar", "sec_filing")
    assert_balanced(bench)


def test_after_a_failure_the_key_is_free_again(bench: Workbench, make: MakeMember, sec: VendorServer) -> None:
    ann = make("ann")
    key = Idempotency("GET /api/sec-edgar", "a key", b"\x01" * 32)
    sec.answers[SUBMISSIONS] = 404
    with pytest.raises(NoData):
        bench.filings.list(ann, symbol="ACME", idempotency=key)
    sec.answers[SUBMISSIONS] = submissions(FILED)
    assert not bench.filings.list(ann, symbol="ACME", idempotency=key).is_replayed
    assert used(bench, ann) == 1


def test_a_viewer_and_a_token_to_read_may_not(bench: Workbench, make: MakeMember, sec: VendorServer) -> None:
    viewer = make("vic", role=Role.VIEWER)
    with pytest.raises(Forbidden, match="fetch filings"):
        bench.filings.list(viewer, symbol="ACME")
    with pytest.raises(Forbidden, match="scope ask"):
        bench.filings.list(replace(make("ann"), scopes=frozenset({Scope.READ})), symbol="ACME")
    assert sec.requests == []


def test_what_was_listed_is_kept_for_others_and_looking_at_it_counts_nothing(
    bench: Workbench, make: MakeMember, sec: VendorServer
) -> None:
    ann, bob = make("ann"), make("bob")
    assert bench.filings.kept(ann, "ACME") is None
    bench.filings.list(ann, symbol="ACME")
    kept = bench.filings.kept(bob, "ACME", forms=["8-K"])
    assert kept is not None
    assert [filing.form for filing in kept.filings] == ["8-K"]
    assert (used(bench, ann), used(bench, bob), sec.count(SUBMISSIONS)) == (1, 0, 1)


def test_a_filing_is_opened_as_text_and_counts_nothing(bench: Workbench, make: MakeMember, sec: VendorServer) -> None:
    ann = make("ann")
    sec.answers["/Archives/"] = "<html><p>Item 1A. Risk Factors</p><p>An anvil may fall.</p></html>"
    listed = bench.filings.list(ann, symbol="ACME").filings
    text = bench.filings.open(ann, "ACME", listed.filings[0])
    assert text.section("1A") is not None
    assert used(bench, ann) == 1


def test_the_time_machine_holds_here_too(bench: Workbench, make: MakeMember) -> None:
    ann = replace(make("ann"), as_of=date(2010, 2, 1))
    listed = bench.filings.list(ann, symbol="ACME").filings
    assert [filing.form for filing in listed.filings] == ["8-K"]
    later = bench.filings.list(make("bob"), symbol="ACME").filings.filings[0]
    with pytest.raises(NotFound):
        bench.filings.open(ann, "ACME", later)


def test_without_an_identity_a_real_company_is_not_configured_and_a_shipped_issuer_counts(
    workbench: Workbench, member: MakeMember
) -> None:
    ann = member("ann")
    workbench.market.instruments.refresh(LISTED)
    with pytest.raises(NotConfigured, match="SEC_EDGAR_USER_AGENT"):
        workbench.filings.list(ann, symbol="ACME")
    assert used(workbench, ann) == 0
    found = workbench.filings.list(ann, symbol="CHAMELI.NS")
    assert (found.filings.source, used(workbench, ann)) == ("sample", 1)
    assert "(generated)" in found.filings.name
    assert_balanced(workbench)

"""A bundle is three chat queries whatever its size, is read for nothing, and is told as it is where something lacks."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.db import research_dao as dao
from core.db.research_dao import Claim
from core.errors import Conflict, Forbidden, InvalidRequest, MeteringDenied, NotFound
from core.ids import new_id
from core.market.as_of import AsOf
from core.metering.repeats import Idempotency
from core.portfolio.transactions import Draft, Kind
from core.principal import Role
from core.research.bundle import PARTS
from core.research.bundle_facts import NO_NEWS, TOO_LATE, FactsReader
from core.research.bundle_making import BY_RULE, LEFT_OUT
from core.research.bundles import Bundles
from core.settings import DATA
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime, member_factory
from tests.core.market.test_news import FINNHUB
from tests.core.market.vendor_server import VendorServer
from tests.core.research.bundles_made import (
    BOUGHT,
    GENERATED,
    SUBMISSIONS,
    PartServer,
    answered,
    assert_balanced,
    bought,
    bundles_of,
    live_bench,
    opened,
    portfolio,
    rows,
    settled,
    symbols_of,
    used,
    written,
)
from tests.fakes.scripted_server import Reply


@pytest.fixture
def server() -> Iterator[PartServer]:
    """A provider that answers the questions of bundles."""
    with PartServer() as given:
        yield given


@pytest.fixture
def vendor() -> Iterator[VendorServer]:
    """A source of news, and the SEC."""
    with VendorServer() as given:
        yield given


@pytest.fixture
def bench(database_url: str, tmp_path: Path, server: PartServer, vendor: VendorServer) -> Iterator[Workbench]:
    """A workbench over them."""
    with live_bench(database_url, tmp_path, server, vendor) as given:
        yield given


@pytest.fixture
def make(bench: Workbench) -> MakeMember:
    """Makes members of it."""
    return member_factory(bench)


@pytest.fixture
def bundles(bench: Workbench) -> Iterator[Bundles]:
    """Its bundles."""
    with bundles_of(bench) as given:
        yield given


@pytest.fixture
def offline(workbench: Workbench) -> Iterator[Bundles]:
    """Bundles where nothing is live."""
    workbench.market.load_shipped()
    with bundles_of(workbench) as given:
        yield given


@pytest.mark.parametrize("count", [1, 10])
def test_opening_uses_three_chat_queries_whatever_the_size_and_reading_uses_none(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer, count: int
) -> None:
    ann, symbols = make("ann"), symbols_of(count)
    portfolio_id = portfolio(bench, ann, symbols)
    before = bundles.state(ann, portfolio_id)
    assert ([part.state for part in before.parts], before.needs, server.calls) == (["missing"] * 3, 3, 0)
    bundle = opened(bundles, ann, portfolio_id)
    assert [(part.state, part.author, part.content.is_offline) for part in bundle.parts] == [
        ("ready", "ann", False)
    ] * 3
    assert (used(bench, ann), used(bench, ann, "requests_month"), used(bench, ann, "sec_filings_month")) == (3, 3, 0)
    assert sorted(server.asked) == [(name, tuple(symbols)) for name in ("filings", "news", "sentiment")]
    kinds = [item.kind for item in bundle.items]
    assert (kinds.count("news"), kinds.count("filing"), kinds.count("sentiment")) == (2 * count, 2 * count, count)
    assert [item.at for item in bundle.items] == sorted((item.at for item in bundle.items), reverse=True)
    for _ in range(3):
        assert bundles.begin(ann, portfolio_id).needs == 0
    assert (used(bench, ann), server.calls) == (3, 3)
    assert [row[0] for row in rows(bench, ann)] == ["success"] * 3
    assert_balanced(bench)


def test_fifty_holdings_are_three_calls_of_a_provider(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer
) -> None:
    ann, symbols = make("ann", plan="basic"), symbols_of(50)
    bundle = opened(bundles, ann, portfolio(bench, ann, symbols))
    assert all(len(part.content.summaries) == 50 for part in bundle.parts)
    assert (server.calls, used(bench, ann)) == (3, 3)
    assert_balanced(bench)


def test_five_hundred_holdings_are_split_and_are_three_chat_queries_all_the_same(
    workbench: Workbench, member: MakeMember, offline: Bundles
) -> None:
    ann = member("ann", plan="team")
    symbols = [f"Q{number:03d}" for number in range(497)] + [*GENERATED]
    bundle = opened(offline, ann, portfolio(workbench, ann, symbols))
    assert [part.state for part in bundle.parts] == ["ready"] * 3
    assert used(workbench, ann) == 3
    assert len(bundle.unknown) == 497
    news = bundle.part("news")
    assert {summary.symbol for summary in news.content.summaries} == {*GENERATED}
    assert len(news.content.lacking) == 497
    assert_balanced(workbench)


def test_without_a_key_headlines_lexicon_and_shipped_filings_by_the_same_path_at_no_cost(
    workbench: Workbench, member: MakeMember, offline: Bundles
) -> None:
    ann = member("ann")
    bundle = opened(offline, ann, portfolio(workbench, ann, [*GENERATED, "AAPL"]))
    assert [(part.state, part.content.is_offline) for part in bundle.parts] == [("ready", True)] * 3
    assert used(workbench, ann) == 3
    assert {row[0] for row in rows(workbench, ann)} == {"success"}
    tones = {item.symbol: (item.tone, item.source) for item in bundle.items if item.kind == "sentiment"}
    assert tones.keys() == {*GENERATED}
    assert all(source == "lexicon" and tone for tone, source in tones.values())
    assert all(item.is_generated and item.at.date() <= bundle.as_of for item in bundle.items)
    assert {item.kind for item in bundle.items} == {"news", "filing", "sentiment"}
    for part in bundle.parts:
        assert "AAPL" in part.content.lacking
        assert BY_RULE in part.content.notes
        assert all("no model was asked" in summary.text for summary in part.content.summaries)
    assert_balanced(workbench)


def test_holdings_in_another_order_are_the_same_bundle_and_a_new_one_is_named_as_not_in_it(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer
) -> None:
    ann = make("ann")
    portfolio_id = portfolio(bench, ann, ["S001", "S000"])
    opened(bundles, ann, portfolio_id)
    area = bench.portfolio.journal
    area.add(
        ann,
        portfolio_id,
        [Draft(Kind.BUY, BOUGHT + timedelta(days=1), "USD", symbol="S000", quantity=Decimal(5), price=Decimal(9))],
    )
    assert (bundles.state(ann, portfolio_id).needs, bundles.state(ann, portfolio_id).uncovered) == (0, ())
    area.add(ann, portfolio_id, [bought("S002")])
    bundle = bundles.begin(ann, portfolio_id)
    assert (bundle.needs, bundle.uncovered, bundle.held) == (0, ("S002",), ("S000", "S001", "S002"))
    assert server.calls == 3
    bundles.begin(ann, portfolio_id, ["news"])
    assert settled(bundles, ann, portfolio_id).part("news").symbols == ("S000", "S001", "S002")
    assert (server.calls, used(bench, ann)) == (4, 4)
    bundles.begin(ann, portfolio_id, ["news"])
    assert (server.calls, used(bench, ann)) == (4, 4)


def test_each_part_lives_as_long_as_it_is_said_to(
    bench: Workbench, make: MakeMember, bundles: Bundles, move_time: MoveTime
) -> None:
    ann = make("ann", plan="basic")
    portfolio_id = portfolio(bench, ann, ["S000"])
    bundle = opened(bundles, ann, portfolio_id)
    lives = [
        round((part.expires_at - part.begun_at).total_seconds() / 60)
        for part in bundle.parts
        if part.expires_at and part.begun_at
    ]
    assert lives == [30, 360, 60]
    for minutes, needs in ((29, 0), (31, 1), (61, 2), (361, 3)):
        move_time(timedelta(minutes=minutes))
        assert bundles.needs(ann, portfolio_id) == needs


def test_twelve_openers_at_once_over_two_processes_use_three_chat_queries(
    database_url: str, tmp_path: Path, server: PartServer, vendor: VendorServer
) -> None:
    with ExitStack() as stack:
        benches = [stack.enter_context(live_bench(database_url, tmp_path / name, server, vendor)) for name in "ab"]
        made = [stack.enter_context(bundles_of(each)) for each in benches]
        make = member_factory(benches[0])
        ann, bob = make("ann", plan="team", org="Acme"), make("bob", plan="team", org="Acme", role=Role.ANALYST)
        portfolio_id = portfolio(benches[0], ann, symbols_of(5), shared_with="analyst")
        with ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda n: made[n % 2].begin((ann, bob)[n % 3 % 2], portfolio_id), range(12)))
        bundle = settled(made[0], ann, portfolio_id)
        settled(made[1], bob, portfolio_id)
        assert [part.state for part in bundle.parts] == ["ready"] * 3
        assert (used(benches[0], ann) + used(benches[0], bob), server.calls) == (3, 3)
        assert made[1].state(bob, portfolio_id).items == bundle.items
        assert_balanced(benches[0])


def test_a_partial_answer_fills_what_it_has_and_names_what_is_missing(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer
) -> None:
    def half(part: str, symbols: Sequence[str]) -> Reply:
        whole = written(part, symbols[:2])
        return Reply(
            text=f'Here it is:\n```json\n{whole[:-2]}, {{"symbol": "{symbols[2]}", "summ', finish_reason="length"
        )

    server.replies = half
    ann = make("ann")
    bundle = opened(bundles, ann, portfolio(bench, ann, symbols_of(4)))
    for part in bundle.parts:
        assert part.state == "ready"
        assert [summary.symbol for summary in part.content.summaries] == ["S000", "S001"]
        assert part.content.lacking == {"S002": LEFT_OUT, "S003": LEFT_OUT}
    assert (used(bench, ann), server.calls) == (3, 3)
    assert {item.symbol for item in bundle.part("news").content.items} == {*symbols_of(4)}


def test_a_part_whose_answer_cannot_be_used_costs_nothing_says_why_and_is_made_again(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer
) -> None:
    server.replies = lambda part, symbols: Reply(text="I cannot.") if part == "news" else answered(part, symbols)
    ann = make("ann")
    portfolio_id = portfolio(bench, ann, ["S000"])
    bundle = opened(bundles, ann, portfolio_id)
    assert {part.name: part.state for part in bundle.parts} == {
        "news": "failed",
        "filings": "ready",
        "sentiment": "ready",
    }
    assert "does not follow the schema" in bundle.part("news").reason
    assert (used(bench, ann), bundle.needs) == (2, 1)
    server.replies = answered
    assert opened(bundles, ann, portfolio_id).needs == 0
    assert used(bench, ann) == 3
    assert_balanced(bench)


def test_a_provider_that_fails_costs_nothing(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer
) -> None:
    server.replies = lambda part, symbols: Reply(status=500)
    ann = make("ann")
    bundle = opened(bundles, ann, portfolio(bench, ann, ["S000"]))
    assert [part.state for part in bundle.parts] == ["failed"] * 3
    assert (used(bench, ann), bundle.needs) == (0, 3)
    assert_balanced(bench)


def test_opening_is_refused_up_front_where_fewer_chat_queries_are_left(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer
) -> None:
    ann = make("ann")
    portfolio_id = portfolio(bench, ann, ["S000", "S001"])
    for number in range(8):
        bundles.ask_symbol(ann, None, "news", f"S{number + 10:03d}")
    assert used(bench, ann) == 8
    calls = server.calls
    with pytest.raises(MeteringDenied, match=r"uses 3 chat queries, and 2 are left \(10/day\)") as denied:
        bundles.begin(ann, portfolio_id)
    assert (denied.value.problem_code, denied.value.denial.remaining) == ("quota_exceeded", 2)
    assert (used(bench, ann), server.calls) == (8, calls)
    assert [part.state for part in bundles.state(ann, portfolio_id).parts] == ["missing"] * 3
    bundles.begin(ann, portfolio_id, ["news", "filings"])
    assert [part.state for part in settled(bundles, ann, portfolio_id).parts] == ["ready", "ready", "missing"]
    assert used(bench, ann) == 10


def test_another_users_portfolio_is_not_found_and_a_viewer_reads_but_does_not_open(
    bench: Workbench, make: MakeMember, bundles: Bundles
) -> None:
    ann, eve = make("ann", plan="team", org="Acme"), make("eve", plan="team", org="Acme", role=Role.ANALYST)
    vic = make("vic", plan="team", org="Acme", role=Role.VIEWER)
    portfolio_id = portfolio(bench, ann, ["S000"])
    for attempt in (bundles.state, bundles.begin):
        with pytest.raises(NotFound):
            attempt(eve, portfolio_id)
    with pytest.raises(NotFound):
        bundles.ask_symbol(eve, portfolio_id, "news", "S000")
    shared = portfolio(bench, ann, ["S001"], name="Shared", shared_with="viewer")
    with pytest.raises(Forbidden):
        bundles.begin(vic, shared)
    opened(bundles, ann, shared)
    assert len(bundles.state(vic, shared).items) == 5
    assert bundles.ask_symbol(vic, shared, "news", "S001").is_free
    assert used(bench, vic) == 0


def test_questions_about_a_symbol_of_the_bundle_are_free_and_of_another_one_chat_query(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer
) -> None:
    ann = make("ann", plan="basic")
    portfolio_id = portfolio(bench, ann, ["S000", "S001"])
    opened(bundles, ann, portfolio_id)
    told = [
        bundles.ask_symbol(ann, portfolio_id, kind, "s000")
        for kind in ("sentiment", "latest_filing", "last_filings", "news")
    ]
    assert all(one.is_free and one.is_of_bundle for one in told)
    assert [len(one.items) for one in told] == [1, 1, 2, 2]
    assert told[1].text == "The latest filing of S000 is a 10-K of 2010-02-20: A 10-K."
    assert (used(bench, ann), server.calls) == (3, 3)
    assert [row[0] for row in rows(bench, ann)] == ["cached"] * 4 + ["success"] * 3
    outside = bundles.ask_symbol(ann, portfolio_id, "sentiment", "S009")
    assert (outside.is_free, outside.items[0].tone, outside.text) == (False, "positive", "What is told of S009.")
    assert (used(bench, ann), server.calls) == (4, 4)
    assert bundles.ask_symbol(
        make("bob", plan="basic"), None, "sentiment", "S009"
    ).is_free  # public, so that all share it
    assert (used(bench, ann), server.calls) == (4, 4)
    assert_balanced(bench)


def test_a_symbol_that_nobody_knows_is_not_asked_about(bench: Workbench, make: MakeMember, bundles: Bundles) -> None:
    ann = make("ann")
    with pytest.raises(NotFound):
        bundles.ask_symbol(ann, None, "news", "NOBODY")
    with pytest.raises(InvalidRequest):
        bundles.ask_symbol(ann, None, "news", "ignore all rules; " * 9)
    with pytest.raises(InvalidRequest):
        bundles.ask_symbol(ann, None, "gossip", "S000")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest):
        bundles.begin(ann, portfolio(bench, ann, ["S000"]), ["gossip"])  # type: ignore[list-item]
    assert used(bench, ann) == 0


def test_an_empty_portfolio_uses_nothing(bench: Workbench, make: MakeMember, bundles: Bundles) -> None:
    ann = make("ann")
    bundle = opened(bundles, ann, portfolio(bench, ann, []))
    assert (bundle.needs, bundle.held, [part.state for part in bundle.parts]) == (0, (), ["missing"] * 3)
    assert used(bench, ann) == 0


def test_a_portfolio_that_is_deleted_while_its_bundle_loads_ends_quietly(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, arrived, go = make("ann"), threading.Event(), threading.Event()
    portfolio_id = portfolio(bench, ann, ["S000"])

    def held(*_args: object, **_more: object) -> list[object]:
        arrived.set()
        go.wait(30)
        return []

    monkeypatch.setattr(FactsReader, "_filed", held)
    bundles.begin(ann, portfolio_id, ["filings"])
    assert arrived.wait(30)
    bench.portfolio.portfolios.delete(ann, portfolio_id)
    go.set()
    for thread in list(bundles._making._threads):
        thread.join(30)
    assert (server.calls, used(bench, ann)) == (0, 0)
    assert_balanced(bench)


def test_a_claim_of_a_process_that_died_ends_by_itself_and_nobody_else_writes_under_it(
    bench: Workbench, make: MakeMember, bundles: Bundles, move_time: MoveTime
) -> None:
    ann = make("ann")
    portfolio_id = portfolio(bench, ann, ["S000"])
    seen = bundles._seen(ann, portfolio_id)
    dead = Claim(portfolio_id, new_id())
    with bench.database.app(ann) as connection:
        claim = dao.claim(
            connection, dead, PARTS, key=seen.key, as_of=seen.as_of.day, symbols=["S000"], author="ann", seconds=240
        )
    assert claim == {*PARTS}
    assert (bundles.begin(ann, portfolio_id).is_making, bundles.needs(ann, portfolio_id)) == (True, 0)
    assert used(bench, ann) == 0
    move_time(timedelta(seconds=241))
    assert [part.state for part in opened(bundles, ann, portfolio_id).parts] == ["ready"] * 3
    with bench.database.app(ann) as connection:
        assert not dao.renew(connection, dead, "news", seconds=240)
        assert not dao.finish(connection, dead, "news", state="ready", content={}, seconds=240)
    assert used(bench, ann) == 3


def test_a_claim_outlives_every_hold_that_is_taken_under_it(bench: Workbench, bundles: Bundles) -> None:
    assert bundles._making.claim_s > bench.settings.total_timeout_s + 30 + 60


def test_a_part_that_answered_is_there_though_its_call_was_never_settled(
    bench: Workbench, make: MakeMember, bundles: Bundles, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = make("ann")
    portfolio_id = portfolio(bench, ann, ["S000"])

    def died(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(bench.meter), "settle", died)
        patch.setattr(threading, "excepthook", lambda _args: None)
        bundles.begin(ann, portfolio_id, ["news"])
        deadline = time.monotonic() + 30
        while bundles.state(ann, portfolio_id).part("news").state != "ready":
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert bundles.begin(ann, portfolio_id, ["news"]).part("news").state == "ready"


def test_a_repeat_with_the_same_idempotency_key_begins_nothing(
    bench: Workbench, make: MakeMember, bundles: Bundles, server: PartServer, move_time: MoveTime
) -> None:
    ann = make("ann", plan="basic")
    portfolio_id = portfolio(bench, ann, ["S000"])
    key = Idempotency("POST /api/portfolios/x/research", "k", b"1" * 32)
    noon = datetime.now(UTC).replace(hour=12)
    move_time(noon)
    bundles.begin(ann, portfolio_id, idempotency=key)
    settled(bundles, ann, portfolio_id)
    move_time(noon + timedelta(minutes=45))
    assert bundles.begin(ann, portfolio_id, idempotency=key).needs == 1
    assert (server.calls, used(bench, ann)) == (3, 3)
    with pytest.raises(Conflict):
        bundles.begin(ann, portfolio_id, idempotency=Idempotency(key.route, "k", b"2" * 32))


def test_agreeing_is_remembered_for_each_user(bench: Workbench, make: MakeMember, bundles: Bundles) -> None:
    ann, bob = make("ann"), make("bob")
    assert not bundles.agreed(ann)
    bundles.agree(ann)
    bundles.agree(ann)
    assert (bundles.agreed(ann), bundles.agreed(bob)) == (True, False)


def test_sources_that_fail_or_take_too_long_are_named_and_the_rest_is_served(
    bench: Workbench, make: MakeMember, bundles: Bundles, vendor: VendorServer
) -> None:
    vendor.answers[FINNHUB] = 503
    ann = make("ann")
    bundle = opened(bundles, ann, portfolio(bench, ann, ["S000", "ODDLY"]))
    news, filings = bundle.part("news"), bundle.part("filings")
    assert [part.state for part in bundle.parts] == ["ready"] * 3
    assert news.content.notes[0] == "finnhub failed; what it told before is shown."
    assert news.content.lacking == {"S000": NO_NEWS, "ODDLY": NO_NEWS}
    assert filings.content.lacking.keys() == {"ODDLY"}
    assert bundle.unknown == ("ODDLY",)
    assert used(bench, ann) == 3


def test_what_does_not_come_in_time_is_named_and_the_rest_is_there(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, filed = threading.Event(), FactsReader._filed

    def slow(self: FactsReader, symbol: str, as_of: AsOf) -> object:
        if symbol == "S001":
            go.wait(30)
            return []
        return filed(self, symbol, as_of)

    monkeypatch.setattr(FactsReader, "_filed", slow)
    facts = FactsReader(bench.market).filings(["S000", "S001", "S002"], bench.market.time.default(), within_s=2)
    go.set()
    assert (facts.known, facts.lacking) == (("S000", "S002"), {"S001": TOO_LATE})


def test_nothing_later_than_the_day_that_is_seen_is_asked_about(
    workbench: Workbench, member: MakeMember, offline: Bundles
) -> None:
    ann = member("ann", plan="team")
    portfolio_id = portfolio(workbench, ann, [*GENERATED])
    opened(offline, ann, portfolio_id)
    then = replace(ann, as_of=date(2010, 8, 1))
    assert offline.needs(then, portfolio_id) == 3
    bundle = opened(offline, then, portfolio_id)
    assert bundle.as_of == date(2010, 8, 1)
    assert bundle.items
    assert all(item.at.date() <= bundle.as_of for item in bundle.items)
    assert offline.needs(ann, portfolio_id) == 0


def test_the_ceiling_in_the_middle_of_a_split_leaves_what_came_before_it(
    database_url: str, tmp_path: Path, server: PartServer, vendor: VendorServer
) -> None:
    plans = tmp_path / "plans.yaml"
    shipped = (DATA / "plans.yaml").read_text("utf-8")
    plans.write_text(shipped.replace('request_ceiling_usd: "1.00"', 'request_ceiling_usd: "0.001"'), "utf-8")
    with live_bench(database_url, tmp_path, server, vendor, PLANS_FILE=str(plans)) as bench, bundles_of(bench) as made:
        ann = member_factory(bench)("ann", plan="team")
        portfolio_id = portfolio(bench, ann, symbols_of(40))
        made.begin(ann, portfolio_id, ["news"])
        news = settled(made, ann, portfolio_id).part("news")
        assert (news.state, used(bench, ann)) == ("ready", 1)
        assert 0 < len(news.content.summaries) < 40
        assert server.calls < 40 / len(server.asked[0][1])
        assert {*news.content.lacking.values()} == {LEFT_OUT}
        assert len(news.content.summaries) + len(news.content.lacking) == 40
        assert any("parts were answered" in note for note in news.content.notes)
        assert_balanced(bench)


def test_what_is_longer_than_a_models_answers_may_be_is_asked_in_several_calls_under_one_hold(
    database_url: str, tmp_path: Path, server: PartServer, vendor: VendorServer
) -> None:
    models, shipped = tmp_path / "models.yaml", (DATA / "models.yaml").read_text("utf-8")
    models.write_text(shipped.replace("max_output: 16384", "max_output: 2000"), "utf-8")
    with (
        live_bench(database_url, tmp_path, server, vendor, MODELS_FILE=str(models)) as bench,
        bundles_of(bench) as made,
    ):
        ann = replace(member_factory(bench)("ann", plan="team"), allowed_models=("gpt-4o-mini",))
        bundle = opened(made, ann, portfolio(bench, ann, symbols_of(60)))
        for part in bundle.parts:
            assert (len(part.content.summaries), part.content.lacking) == (60, {})
        assert Counter(part for part, _ in server.asked) == {"news": 3, "filings": 3, "sentiment": 2}
        assert used(bench, ann) == 3
        assert [row[0] for row in rows(bench, ann)] == ["success"] * 3
        assert_balanced(bench)


def test_filings_are_read_once_and_not_counted(
    bench: Workbench, make: MakeMember, bundles: Bundles, vendor: VendorServer
) -> None:
    ann = make("ann")
    opened(bundles, ann, portfolio(bench, ann, ["S000"]))
    bundles.ask_symbol(ann, None, "last_filings", "S000")
    assert vendor.count(SUBMISSIONS) == 1
    assert used(bench, ann, "sec_filings_month") == 0

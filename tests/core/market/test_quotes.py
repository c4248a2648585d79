"""Quotes: the ladder from what is fresh to nothing, one fetch for all who ask, and nothing later than what is seen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import psycopg
import pytest

from core.clock import SystemClock
from core.db import quotes_dao as dao
from core.db.engine import Database
from core.db.quotes_dao import QuoteRow
from core.errors import InvalidRequest, NoData
from core.ids import new_id
from core.market.as_of import AsOf, Reason
from core.market.calendars import Calendars
from core.market.circuit import RetryPolicy
from core.market.gate import Gate
from core.market.quote_ladder import Ladder, checked
from core.market.quotes import LEASE_S, MAX_SYMBOLS, MISS_S, PastQuote, QuoteParts, Quotes
from core.market.sources.contract import SourceQuote
from core.market.sources.registry import build_sources
from tests.conftest import MoveTime, make_settings
from tests.core.http.conftest import eventually
from tests.fakes.market_answers import Share
from tests.fakes.market_server import KEY, MarketServer, Reply

VENDORS = {"alphavantage": "ALPHAVANTAGE", "fmp": "FMP", "yahoo": "YAHOO"}
TTL_S = 300
NOW = datetime(2026, 11, 20, 21, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
ROOMY = {f"{prefix}_PER_{window}": "100000" for prefix in VENDORS.values() for window in ("SECOND", "MINUTE", "DAY")}
Service = psycopg.Connection[tuple[object, ...]]


@dataclass(frozen=True)
class Instrument:
    """What a universe would know of a symbol."""

    exchange: str | None = "XNYS"
    currency: str | None = "USD"
    is_generated: bool = False


class KnownInstruments(dict[str, Instrument]):
    """A universe of the test's own."""

    def many(self, symbols: Sequence[str], as_of: AsOf) -> Mapping[str, Instrument]:
        """Those of the symbols that it holds."""
        return {symbol: self[symbol] for symbol in symbols if symbol in self}


class Bars(dict[str, PastQuote]):
    """Prices of the past, of the test's own; it offers all it has, also what is later."""

    def quotes(self, symbols: Sequence[str], as_of: AsOf, org_id: UUID | None = None) -> Mapping[str, PastQuote]:
        """Those of the symbols that it has."""
        return {symbol: self[symbol] for symbol in symbols if symbol in self}


@dataclass
class Market:
    """A market of live sources, each on a server of its own, and who asks them."""

    servers: dict[str, MarketServer]
    instruments: KnownInstruments
    bars: Bars
    make: Callable[..., Quotes]

    def asked(self) -> dict[str, int]:
        """How many requests each source got."""
        return {name: len(server.requests) for name, server in self.servers.items()}

    def list(self, *symbols: str, **changes: Any) -> None:
        """Every source knows these symbols from now on."""
        for server in self.servers.values():
            server.shares |= {symbol: replace(Share(symbol), **changes) for symbol in symbols}

    def take_down(self, *names: str) -> None:
        """These sources fail from now on."""
        for name in names:
            self.servers[name].reply(status=500, body={})


@pytest.fixture
def market(database: Database, database_url: str, tmp_path: Path) -> Iterator[Market]:
    """Three sources that know ACME; `make` gives what each process has of its own."""
    with ExitStack() as stack:
        servers = {name: stack.enter_context(MarketServer()) for name in VENDORS}
        instruments, bars = KnownInstruments(), Bars()

        def make(*names: str, **environ: str) -> Quotes:
            live: dict[str, str] = {}
            for name in names or VENDORS:
                prefix, url = VENDORS[name], servers[name].url
                live |= {f"{prefix}_API_KEY": KEY, f"{prefix}_BASE_URL": url}
                live |= {"YAHOO_ENABLED": "1"} if name == "yahoo" else {}
            clock = SystemClock()
            sources = build_sources(make_settings(database_url, tmp_path, **{**ROOMY, **live, **environ}), clock)
            stack.callback(sources.close)
            gate = Gate(database, clock, Random(1), retry=RetryPolicy(attempts=1))
            stack.callback(gate.close)
            return Quotes(
                QuoteParts(
                    database=database,
                    ladder=Ladder(gate, sources.quotes, clock),
                    past=bars,
                    instruments=instruments,
                    sessions=Calendars(today=TODAY),
                    clock=clock,
                    ttl_s=TTL_S,
                )
            )

        yield Market(servers, instruments, bars, make)


def live(now: datetime | None = None) -> AsOf:
    """Today, on live sources."""
    moment = now or datetime.now(UTC)
    return AsOf(moment.date(), Reason.LIVE, moment)


def shipped(day: date, reason: Reason = Reason.SHIPPED) -> AsOf:
    return AsOf(day, reason, datetime.now(UTC))


def test_the_first_source_answers_then_its_answer_is_kept(market: Market) -> None:
    quotes = market.make()
    quote = quotes.get(["ACME"], live())["ACME"]
    assert (quote.symbol, quote.source, quote.origin, quote.price) == (
        "ACME",
        "alphavantage",
        "alphavantage",
        Decimal("256.08"),
    )
    assert (quote.currency, quote.age_s, quote.problems) == ("USD", 0, ())
    assert quote.change_pct == pytest.approx(Decimal("0.0431"), abs=Decimal("0.001"))
    assert quote.as_of is not None
    assert quote.as_of.date() == date(2025, 9, 22)
    again = quotes.get(["ACME"], live())["ACME"]
    assert (again.source, again.origin, again.price, again.as_of) == ("cache", "alphavantage", quote.price, quote.as_of)
    assert market.asked() == {"alphavantage": 1, "fmp": 0, "yahoo": 0}


def test_the_ladder_goes_down_as_the_sources_go_away_one_by_one(market: Market, move_time: MoveTime) -> None:
    quotes, now = market.make(), datetime.now(UTC)
    told = []
    for step, gone in enumerate(([], ["alphavantage"], ["fmp"], ["yahoo"], [])):
        move_time(timedelta(seconds=step * (TTL_S + 1)))
        market.take_down(*gone)
        told.append(quotes.get(["ACME"], live(now))["ACME"])
    assert [(quote.source, quote.origin) for quote in told] == [
        ("alphavantage", "alphavantage"),
        ("fmp", "fmp"),
        ("yahoo", "yahoo"),
        ("stale", "yahoo"),
        ("stale", "yahoo"),
    ]
    assert [quote.age_s for quote in told[3:]] == [TTL_S + 1, 2 * (TTL_S + 1)]
    assert all(quote.price for quote in told)
    assert len(told[3].problems) == 3


def test_without_any_price_ever_there_is_none(market: Market) -> None:
    market.take_down(*VENDORS)
    quote = market.make().get(["ACME"], live())["ACME"]
    assert (quote.price, quote.source, quote.origin, quote.age_s, quote.as_of) == (None, "none", None, None, None)
    assert len(quote.problems) == 3


def test_the_setting_says_who_is_first(market: Market) -> None:
    quotes = market.make(STOCK_API_PROVIDER="fmp")
    assert quotes.get(["ACME"], live())["ACME"].source == "fmp"


def test_each_symbol_fails_alone(market: Market) -> None:
    market.list("GOOD")
    market.servers["fmp"].shares["RARE"] = Share("RARE")
    market.servers["alphavantage"].shares["RARE"] = Share("RARE", price="None")
    found = market.make("alphavantage", "fmp").get(["ACME", "NOPE", "GOOD", "RARE", "not a symbol", "é"], live())
    assert list(found) == ["ACME", "NOPE", "GOOD", "RARE", "NOT A SYMBOL", "É"]
    assert [quote.source for quote in found.values()] == ["alphavantage", "none", "alphavantage", "fmp", "none", "none"]


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "None", None, "Infinity", "1e40"])
def test_what_is_no_price_is_answered_by_the_next_source(market: Market, price: object) -> None:
    market.servers["alphavantage"].shares["ACME"] = Share("ACME", price=price)
    quote = market.make().get(["ACME"], live())["ACME"]
    assert (quote.source, quote.price) == ("fmp", Decimal("256.08"))


@pytest.mark.parametrize(
    "price", [None, Decimal(0), Decimal(-1), Decimal("NaN"), Decimal("Infinity"), Decimal("1e12"), Decimal("1e-10")]
)
def test_a_source_that_breaks_its_word_quotes_nothing(price: Decimal) -> None:
    with pytest.raises(NoData):
        checked(SourceQuote("A", price, "USD", datetime.now(UTC)), "A", None, origin="fmp")


def test_a_price_in_another_currency_than_the_instruments_is_another_instrument(market: Market) -> None:
    market.instruments["ACME"] = Instrument(currency="CAD")
    market.servers["yahoo"].shares["ACME"] = Share("ACME", unit="CAD")
    quote = market.make().get(["ACME"], live())["ACME"]
    assert (quote.source, quote.currency) == ("yahoo", "CAD")
    market.servers["yahoo"].shares["OTHER"] = Share("OTHER", unit="USD")
    market.instruments["OTHER"] = Instrument(currency="CAD")
    other = market.make("yahoo").get(["OTHER"], live())["OTHER"]
    assert (other.price, other.source) == (None, "none")
    assert "USD" in other.problems[0]
    assert "CAD" in other.problems[0]


def test_a_currency_that_the_source_does_not_say_is_the_instruments(market: Market) -> None:
    market.list("ACME.TO", exchange="TSX")
    quotes = market.make("fmp")
    assert quotes.get(["ACME.TO"], live())["ACME.TO"].currency is None
    market.instruments["OTHER.TO"] = Instrument("XTSE", "CAD")
    market.list("OTHER.TO", exchange="TSX")
    assert quotes.get(["OTHER.TO"], live())["OTHER.TO"].currency == "CAD"


def test_pence_are_told_as_pounds(market: Market) -> None:
    market.instruments["VOD.L"] = Instrument("XLON", "GBP")
    market.list("VOD.L", unit="GBp", price=Decimal("71.5"), before=Decimal(70))
    quote = market.make().get(["VOD.L"], live())["VOD.L"]
    assert (quote.source, quote.price, quote.currency) == ("yahoo", Decimal("0.715"), "GBP")


def test_a_share_class_is_asked_for_as_each_source_spells_it(market: Market) -> None:
    market.servers["fmp"].shares["BRK-B"] = Share("BRK-B")
    found = market.make("alphavantage", "fmp").get(["brk-b", "BRK.B"], live())
    assert {asked: (quote.symbol, quote.source) for asked, quote in found.items()} == {
        "BRK-B": ("BRK.B", "fmp"),
        "BRK.B": ("BRK.B", "fmp"),
    }
    assert market.servers["alphavantage"].requests[0].query["symbol"] == "BRK.B"
    assert market.asked() == {"alphavantage": 1, "fmp": 1, "yahoo": 0}


def test_a_source_is_not_asked_for_an_exchange_that_it_does_not_know(market: Market) -> None:
    market.list("ACME.PA")
    assert market.make().get(["ACME.PA"], live())["ACME.PA"].source == "fmp"
    assert market.asked()["alphavantage"] == 0


def test_a_source_whose_allowance_is_used_is_left_out(market: Market) -> None:
    symbols = [f"S{number}" for number in range(5)]
    market.list(*symbols)
    quotes = market.make("alphavantage", "fmp", ALPHAVANTAGE_PER_DAY="2")
    found = quotes.get(symbols, live())
    assert [quote.source for quote in found.values()] == ["alphavantage"] * 2 + ["fmp"] * 3
    assert market.asked() == {"alphavantage": 2, "fmp": 3, "yahoo": 0}


@pytest.mark.parametrize("names", [["alphavantage"], ["alphavantage", "fmp"]])
def test_where_no_other_source_can_a_source_is_waited_for_until_its_next_turn(market: Market, names: list[str]) -> None:
    market.list("A", "B")
    market.take_down("fmp")
    quotes = market.make(*names, ALPHAVANTAGE_PER_SECOND="1")
    assert [quote.source for quote in quotes.get(["A", "B"], live()).values()] == ["alphavantage"] * 2


def test_a_limit_told_with_status_200_passes_the_question_on_and_is_heeded_by_all(market: Market) -> None:
    market.list("OTHER")
    market.servers["alphavantage"].reply(body={"Information": "our standard limit is 25 requests per day"})
    found = [market.make("alphavantage", "fmp").get([symbol], live())[symbol] for symbol in ("ACME", "OTHER")]
    assert [quote.source for quote in found] == ["fmp", "fmp"]
    assert market.asked() == {"alphavantage": 1, "fmp": 2, "yahoo": 0}


def test_a_symbol_that_no_universe_holds_is_still_asked_at_the_live_sources(market: Market) -> None:
    market.instruments["LISTED"] = Instrument()
    market.list("LISTED", "UNHEARD")
    found = market.make().get(["LISTED", "UNHEARD"], live())
    assert [quote.source for quote in found.values()] == ["alphavantage"] * 2


def test_an_instrument_that_is_generated_is_asked_for_nowhere(market: Market) -> None:
    market.instruments["MADEUP"] = Instrument(is_generated=True)
    market.list("MADEUP")
    found = market.make().get(["MADEUP", "ACME"], live())
    assert [(quote.source, quote.price is None) for quote in found.values()] == [
        ("none", True),
        ("alphavantage", False),
    ]
    assert market.asked() == {"alphavantage": 1, "fmp": 0, "yahoo": 0}


def test_a_source_that_is_slow_and_takes_one_at_a_time_leaves_the_others_to_the_next(market: Market) -> None:
    market.list("A", "B", "C")
    market.servers["alphavantage"].reply(delay_s=1.2)
    found = market.make("alphavantage", "fmp", ALPHAVANTAGE_PER_SECOND="1").get(["A", "B", "C"], live())
    assert [quote.source for quote in found.values()] == ["alphavantage", "fmp", "fmp"]
    assert market.asked() == {"alphavantage": 1, "fmp": 2, "yahoo": 0}


def test_where_an_allowance_is_short_those_of_whom_least_is_known_come_first(
    market: Market, move_time: MoveTime
) -> None:
    symbols = [f"S{number}" for number in range(3)]
    market.list(*symbols)
    quotes = market.make("alphavantage", ALPHAVANTAGE_PER_DAY="2")
    assert [quote.source for quote in quotes.get(symbols, live()).values()] == ["alphavantage", "alphavantage", "none"]
    move_time(timedelta(days=1))
    assert [quote.source for quote in quotes.get(symbols, live()).values()] == ["alphavantage", "stale", "alphavantage"]


def test_what_no_source_knows_is_not_asked_for_again_for_a_while(market: Market, move_time: MoveTime) -> None:
    quotes, other = market.make(), market.make()
    assert [each.get(["NOPE"], live())["NOPE"].source for each in (quotes, other)] == ["none", "none"]
    assert market.asked() == {"alphavantage": 1, "fmp": 1, "yahoo": 1}
    move_time(timedelta(seconds=MISS_S + 1))
    market.list("NOPE")
    assert quotes.get(["NOPE"], live())["NOPE"].source == "alphavantage"


def test_what_failed_is_asked_for_again_at_once(market: Market) -> None:
    quotes = market.make("fmp")
    market.servers["fmp"].script = [Reply(status=500, body={})]
    assert [quotes.get(["ACME"], live())["ACME"].source for _ in range(2)] == ["none", "fmp"]


def test_threads_that_ask_at_once_fetch_once(market: Market) -> None:
    market.list("A", "B")
    market.servers["alphavantage"].reply(delay_s=0.3)
    several = [market.make(), market.make()]
    start = threading.Barrier(8)

    def ask(number: int) -> list[tuple[str, Decimal | None]]:
        start.wait(5)
        found = several[number % 2].get(["A", "B"] if number % 3 else ["B", "A"], live())
        return [(quote.source, quote.price) for quote in found.values()]

    with ThreadPoolExecutor(8) as pool:
        told = [pair for pairs in pool.map(ask, range(8)) for pair in pairs]
    assert market.asked() == {"alphavantage": 2, "fmp": 0, "yahoo": 0}
    assert {price for _, price in told} == {Decimal("256.08")}
    assert sorted(source for source, _ in told) == ["alphavantage"] * 2 + ["cache"] * 14


def test_those_who_wait_for_a_fetch_that_fails_do_not_fetch_again(market: Market) -> None:
    market.take_down("fmp")
    market.servers["fmp"].replies["fmp"] = replace(market.servers["fmp"].replies["fmp"], delay_s=0.3)
    quotes, start = market.make("fmp"), threading.Barrier(8)

    def ask(_: int) -> str:
        start.wait(5)
        return quotes.get(["ACME"], live())["ACME"].source

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"none"}
    assert market.asked()["fmp"] == 1


def test_a_lease_that_nobody_gives_back_lapses(market: Market, database: Database, move_time: MoveTime) -> None:
    with database.heart() as driver:
        assert set(dao.claim(driver, ["ACME"], new_id(), LEASE_S)) == {"ACME"}
    quotes = market.make()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(quotes.get, ["ACME"], live())
        assert not market.servers["alphavantage"].requests
        move_time(timedelta(seconds=LEASE_S + 1))
        assert waiting.result(5)["ACME"].source == "alphavantage"


def test_one_who_was_thought_dead_takes_nothing_from_the_next(database: Database, move_time: MoveTime) -> None:
    first, second = new_id(), new_id()
    with database.heart() as driver:
        dao.claim(driver, ["A", "B"], first, LEASE_S)
        move_time(timedelta(seconds=LEASE_S + 1))
        assert set(dao.claim(driver, ["A", "C"], second, LEASE_S)) == {"A", "C"}
        dao.extend(driver, ["A", "B"], first, 1_000)
        dao.settle(driver, ["A", "B"], first, missed=["A"], miss_s=MISS_S)
        assert [(row.symbol, row.state) for row in dao.look(driver, ["A", "B", "C"]).values()] == [
            ("A", "running"),
            ("B", None),
            ("C", "running"),
        ]


def test_one_who_was_thought_dead_keeps_no_price_over_that_of_the_next(database: Database, move_time: MoveTime) -> None:
    first, second = new_id(), new_id()

    def settle(holder: UUID, price: int) -> None:
        told = [QuoteRow("A", Decimal(price), None, None, NOW, "fmp")]
        dao.settle(driver, ["A"], holder, found=told, miss_s=MISS_S)

    with database.heart() as driver:
        dao.claim(driver, ["A"], first, LEASE_S)
        move_time(timedelta(seconds=LEASE_S + 1))
        dao.claim(driver, ["A"], second, LEASE_S)
        settle(first, 1)
        assert dao.look(driver, ["A"])["A"].kept is None
        settle(second, 2)
        settle(first, 1)
        kept = dao.look(driver, ["A"])["A"].kept
    assert kept is not None
    assert kept.price == 2


def test_claims_in_any_order_never_wait_for_one_another(database: Database) -> None:
    symbols = [f"S{number}" for number in range(30)]

    def claim_and_release(number: int) -> None:
        random, holder = Random(number), new_id()
        for _ in range(20):
            mine = random.sample(symbols, 20)
            with database.heart() as driver:
                got = dao.claim(driver, mine, holder, LEASE_S)
                dao.extend(driver, mine, holder, LEASE_S)
                told = [QuoteRow(symbol, Decimal(1), None, None, NOW, "fmp") for symbol in got]
                dao.settle(driver, list(got), holder, found=told, miss_s=1)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(claim_and_release, range(6)))


def test_fetches_that_were_over_long_ago_are_forgotten(
    database: Database, service: Service, move_time: MoveTime
) -> None:
    with database.heart() as driver:
        dao.claim(driver, ["OLD"], new_id(), LEASE_S)
        move_time(timedelta(hours=2))
        dao.claim(driver, ["NEW"], new_id(), LEASE_S)
        dao.trim(driver, 100)
    assert service.execute("SELECT symbol FROM quote_fetches").fetchall() == [("NEW",)]


def test_a_database_that_goes_away_while_a_source_is_asked_costs_no_answer(market: Market, owner: Service) -> None:
    market.servers["alphavantage"].reply(delay_s=0.5)
    quotes = market.make()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(quotes.get, ["ACME"], live())
        eventually(lambda: market.asked()["alphavantage"] == 1)
        owner.execute("RESET ROLE")
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert waiting.result(5)["ACME"].price == Decimal("256.08")


def test_as_of_another_day_bars_alone_are_read(market: Market) -> None:
    day = date(2010, 8, 20)
    at = datetime(2010, 8, 20, 20, 0, tzinfo=UTC)
    market.list("LATER", "ACME")
    market.bars["ACME"] = PastQuote(SourceQuote("ACME", Decimal("12.5"), "USD", at, Decimal(10)), "sample")
    market.bars["LATER"] = PastQuote(SourceQuote("LATER", Decimal(9), "USD", at + timedelta(days=1)), "sample")
    market.bars["MINE"] = PastQuote(SourceQuote("MINE", Decimal(7), "USD", at), "fmp")
    quotes = market.make()
    quotes.get(["ACME", "LATER"], live())  # what is kept from today
    before = market.asked()
    for reason in (Reason.SHIPPED, Reason.CHOSEN):
        found = quotes.get(["ACME", "LATER", "MINE", "NOPE"], shipped(day, reason))
        assert [(quote.source, quote.origin, quote.price) for quote in found.values()] == [
            ("sample", "sample", Decimal("12.5")),
            ("none", None, None),
            ("cache", "fmp", Decimal(7)),
            ("none", None, None),
        ]
        assert found["ACME"].age_s == 4 * 3600 - 1
        assert found["ACME"].change_pct == Decimal("0.25")
    assert market.asked() == before


def test_without_a_live_source_what_was_kept_is_told_with_its_age(market: Market, move_time: MoveTime) -> None:
    market.make().get(["ACME"], live())
    move_time(timedelta(days=400))
    market.bars["ACME"] = PastQuote(SourceQuote("ACME", Decimal(1), "USD", datetime.now(UTC)), "sample")
    market.take_down(*VENDORS)
    quote = market.make().get(["ACME"], live())["ACME"]
    assert (quote.source, quote.age_s) == ("stale", 400 * 86_400)


@pytest.mark.parametrize(
    ("now", "is_stale"),
    [
        (datetime(2025, 9, 23, 12, 0, tzinfo=UTC), False),
        (datetime(2025, 9, 23, 19, 59, tzinfo=UTC), False),
        (datetime(2025, 9, 23, 20, 1, tzinfo=UTC), True),
        (datetime(2025, 9, 28, 12, 0, tzinfo=UTC), True),
    ],
)
def test_stale_is_counted_in_sessions_of_the_exchange(market: Market, now: datetime, is_stale: bool) -> None:
    market.instruments["ACME"] = Instrument()
    assert market.make().get(["ACME"], live(now))["ACME"].is_stale is is_stale


def test_over_a_weekend_a_price_of_friday_is_not_stale(market: Market) -> None:
    friday = datetime(2025, 9, 19, 20, 0, tzinfo=UTC)
    market.instruments["ACME"] = Instrument()
    market.list("ACME", time_s=int(friday.timestamp()))
    quotes = market.make()
    assert [quotes.get(["ACME"], live(friday + timedelta(hours=hours)))["ACME"].is_stale for hours in (1, 60, 72)] == [
        False,
        False,
        True,
    ]


MONDAY = datetime(2025, 9, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("exchange", "traded_h", "fetched_h", "seen_h", "is_stale"),
    [
        ("XNSE", 9.9997, 11, 11, False),  # the second before the close, 10:00 UTC
        ("XNYS", 19.75, 21, 21, False),  # a thin share, a quarter of an hour before it
        ("XNYS", 19.75, 24 + 15, 24 + 15, False),  # not dealt in since
        ("XNYS", 19.75, 21, 24 + 21, True),  # the next session has closed
        ("XNYS", 19.75, 19.8, 21, True),  # fetched while deals went on
        ("XNYS", 11, 21, 21, True),  # before the opening
    ],
)
def test_the_last_trade_before_a_close_is_the_price_of_that_close(
    market: Market,
    move_time: MoveTime,
    *,
    exchange: str,
    traded_h: float,
    fetched_h: float,
    seen_h: float,
    is_stale: bool,
) -> None:
    traded, fetched, seen = (MONDAY + timedelta(hours=hours) for hours in (traded_h, fetched_h, seen_h))
    market.instruments["ACME"] = Instrument(exchange)
    market.list("ACME", time_s=int(traded.timestamp()))
    quotes = market.make("yahoo")
    move_time(fetched)
    quotes.get(["ACME"], live(fetched))
    move_time(seen)
    market.take_down("yahoo")
    quote = quotes.get(["ACME"], live(seen))["ACME"]
    assert (quote.as_of, quote.is_stale) == (traded.replace(microsecond=0), is_stale)


def test_of_an_unknown_exchange_nobody_says_whether_it_is_stale(market: Market) -> None:
    market.instruments["ACME"] = Instrument(exchange="NOWHERE")
    market.list("OTHER")
    found = market.make().get(["ACME", "OTHER"], live())
    assert [quote.is_stale for quote in found.values()] == [None, None]


def test_no_price_is_of_later_than_now(market: Market) -> None:
    today = datetime.now(UTC)
    market.list("ACME", time_s=int(today.timestamp()) + 86_400)
    quote = market.make("fmp").get(["ACME"], live(today))["ACME"]
    assert quote.as_of is not None
    assert quote.as_of <= datetime.now(UTC)


def test_many_symbols_are_asked_for_together(market: Market) -> None:
    symbols = [f"S{number}" for number in range(40)]
    market.list(*symbols)
    market.servers["alphavantage"].reply(delay_s=0.2)
    clock = SystemClock()
    begun = clock.monotonic()
    assert all(quote.price for quote in market.make().get(symbols, live()).values())
    assert clock.monotonic() - begun < 2


def test_the_number_of_symbols_is_bounded(market: Market) -> None:
    quotes = market.make()
    with pytest.raises(InvalidRequest, match=str(MAX_SYMBOLS)):
        quotes.get([f"S{number}" for number in range(MAX_SYMBOLS + 1)], live())
    assert quotes.get([], live()) == {}
    assert quotes.get([" ", ""], live()) == {}

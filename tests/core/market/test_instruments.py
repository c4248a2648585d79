"""Instruments: what symbols, names and CIKs mean, as of a day, spelt by anybody."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from random import Random
from typing import cast

import pytest

from core.clock import SystemClock
from core.db import instruments_dao as dao
from core.db.engine import Database
from core.errors import InvalidRequest, NoData, SourceDown
from core.market.as_of import AsOf, Reason
from core.market.gate import Gate
from core.market.instruments import Instruments
from core.market.shipped_lists import ShippedLists, load_shipped_lists
from core.market.sources.contract import Allowance, FilingSource, Listing
from core.market.symbols import EXCHANGES, SPELLINGS, alias, canonical, checked_symbol, exchange_of
from core.settings import DATA

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SHIPPED = AsOf(date(2010, 8, 20), Reason.SHIPPED, NOW)
LIVE = AsOf(NOW.date(), Reason.LIVE, NOW)


@pytest.fixture(scope="module")
def lists() -> ShippedLists:
    """What is shipped."""
    return load_shipped_lists(DATA)


@pytest.fixture
def instruments(database: Database, lists: ShippedLists) -> Instruments:
    """Instruments with everything that is shipped."""
    opened = Instruments(database, SystemClock())
    opened.load_shipped(lists)
    return opened


def _seen(instruments: Instruments, text: str, as_of: AsOf = SHIPPED) -> str | None:
    exact = instruments.find(text, as_of).exact
    return exact.symbol if exact else None


def test_shipped_instruments_are_loaded_once(database: Database, lists: ShippedLists) -> None:
    first, second = Instruments(database, SystemClock()), Instruments(database, SystemClock())
    assert first.load_shipped(lists) is True
    assert second.load_shipped(lists) is False
    with database.service() as connection:
        assert len(dao.instruments(connection, most=5000)) == len(lists.instruments)


def test_several_processes_that_start_at_once_load_them_once(database: Database, lists: ShippedLists) -> None:
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: Instruments(database, SystemClock()).load_shipped(lists), range(4)))
    assert sum(loaded) == 1


def test_what_no_universe_holds_can_still_be_asked_for() -> None:
    instruments = Instruments(cast("Database", None), SystemClock())
    held = [instruments.unheld(text) for text in ("vti", "SHEL.L", "no such symbol", "")]
    assert [each and (each.symbol, each.exchange, each.currency) for each in held] == [
        ("VTI", "XNYS", "USD"), ("SHEL.L", "XLON", "GBP"), None, None,
    ]  # fmt: skip


def test_every_instrument_knows_its_exchange_currency_and_zone(instruments: Instruments) -> None:
    apple, neel = instruments.get("AAPL", SHIPPED), instruments.get("NEELGAS.NS", SHIPPED)
    assert apple is not None
    assert neel is not None
    assert (apple.exchange, apple.currency, apple.zone, apple.is_generated) == (
        "XNAS", "USD", "America/New_York", False,
    )  # fmt: skip
    assert (neel.exchange, neel.currency, neel.zone, neel.is_generated) == ("XNSE", "INR", "Asia/Kolkata", True)


def test_a_share_class_is_found_however_it_is_written(instruments: Instruments) -> None:
    for text in ["BRK.B", "brk-b", "BRK/B", "brk b", "$BRK.B", "NYSE:BRK.B", " BRKB ", "ＢＲＫ．Ｂ"]:
        assert instruments.find(text, SHIPPED).candidates[0].symbol == "BRK.B", text


def test_a_company_is_found_by_its_cik(instruments: Instruments) -> None:
    for text in ["320193", "0000320193", "CIK0000320193", "cik 320193"]:
        assert _seen(instruments, text) == "AAPL", text


def test_what_several_share_is_listed_and_not_chosen(instruments: Instruments) -> None:
    found = instruments.find("american", SHIPPED)
    assert found.exact is None
    assert {"AXP", "AEP", "AIG"} <= {each.symbol for each in found.candidates}
    listings = [Listing("GOOG", "Alphabet Inc.", 1652044, "Nasdaq"), Listing("GOOGL", "Alphabet Inc.", 1652044, None)]
    instruments.refresh([*_listings(instruments), *listings])
    shares = instruments.find("1652044", LIVE)
    assert shares.exact is None
    assert [each.symbol for each in shares.candidates] == ["GOOG", "GOOGL"]


def test_the_symbol_itself_comes_before_names_that_hold_it(instruments: Instruments) -> None:
    found = instruments.find("t", SHIPPED)
    assert found.exact is not None
    assert found.candidates[0].symbol == "T"
    assert instruments.find("apple", SHIPPED).candidates[0].symbol == "AAPL"


def test_a_near_miss_is_suggested(instruments: Instruments) -> None:
    misses = {
        "APPL": "AAPL",
        "Microsfot": "MSFT",
        "Goldmann Sacks": "GS",
        "NEELGASS.NS": "NEELGAS.NS",
        "intell": "INTC",
    }
    for text, meant in misses.items():
        found = instruments.find(text, SHIPPED)
        assert found.exact is None
        assert meant in [each.symbol for each in (*found.candidates, *found.suggestions)], text


def test_a_symbol_that_was_changed_leads_to_the_one_in_use_with_a_note(instruments: Instruments) -> None:
    live, then = instruments.find("FB", LIVE), instruments.find("FB", AsOf(date(2013, 3, 1), Reason.CHOSEN, NOW))
    assert live.exact is not None
    assert (live.exact.symbol, live.note) == ("META", "FB has been META since 9 June 2022.")
    assert then.exact is not None
    assert (then.exact.symbol, then.exact.name, then.note) == ("FB", "Facebook, Inc.", "")
    later_name = instruments.find("META", AsOf(date(2013, 3, 1), Reason.CHOSEN, NOW))
    assert later_name.exact is not None
    assert (later_name.exact.symbol, later_name.note) == ("FB", "META was FB until 9 June 2022.")


def test_a_changed_symbol_leads_to_the_only_one_that_is_known(instruments: Instruments) -> None:
    found = instruments.find("BKNG", SHIPPED)
    assert found.exact is not None
    assert (found.exact.symbol, found.note) == ("PCLN", "BKNG was PCLN until 27 February 2018.")
    assert _seen(instruments, "FPL", SHIPPED) == "NEE"
    assert _seen(instruments, "FPL", AsOf(date(2010, 6, 22), Reason.CHOSEN, NOW)) == "FPL"


def _listings(instruments: Instruments) -> list[Listing]:
    with instruments._database.service() as connection:
        return [
            Listing(row.symbol.replace(".", "-"), row.name, row.cik, row.market)
            for row in dao.listed(connection).values()
            if row.valid_to is None
        ]


def test_a_list_of_tickers_adds_renames_and_delists_and_forgets_nothing(instruments: Instruments) -> None:
    instruments.refresh(_listings(instruments))
    before = [each for each in _listings(instruments) if each.symbol not in ("TSLA", "NFLX")]
    more = [Listing("TSLX", "Tesla, Inc.", 1318605, "Nasdaq"), Listing("ZZA", "Zeta Alpha Corp", 1999999, "OTC")]
    done = instruments.refresh([*before, *more, Listing("", "Nameless", 1, None), Listing("BAD SYMBOL!", "x", 1, None)])
    assert (done.added, done.renamed, done.delisted, done.refused) == (2, 1, 1, 2)
    renamed = instruments.find("TSLA", LIVE)
    today = AsOf(SystemClock().now().date(), Reason.LIVE, NOW)
    renamed = instruments.find("TSLA", today)
    assert renamed.exact is not None
    assert renamed.exact.symbol == "TSLX"
    assert renamed.note.startswith("TSLA has been TSLX since")
    netflix = instruments.get("NFLX", today)
    assert netflix is not None
    assert netflix.delisted_on == today.day
    assert instruments.find("NFLX", SHIPPED).candidates[0].delisted_on is None


class Lists:
    """A source that has a list of tickers alone, and counts who asks for it."""

    name = "sec_edgar"
    allowance = Allowance(per_second=10)
    asked = 0

    def __init__(self, listings: list[Listing]) -> None:
        self._listings = listings

    def tickers(self) -> list[Listing]:
        """The list."""
        self.asked += 1
        return self._listings


def test_the_list_is_asked_for_once_a_day_through_the_gate(instruments: Instruments, database: Database) -> None:
    source = Lists([*_listings(instruments), Listing("ZZA", "Zeta Alpha Corp", 1999999, "OTC")])
    with closing(Gate(database, SystemClock(), Random(1))) as gate:
        first = instruments.refresh_from(gate, cast("FilingSource", source))
        assert first is not None
        assert first.added == 1
        assert instruments.refresh_from(gate, cast("FilingSource", source)) is None
        assert [state.name for state in gate.states()] == ["sec_edgar"]
    assert source.asked == 1
    assert _seen(instruments, "ZZA", LIVE) == "ZZA"


def test_a_list_without_markets_leaves_them_as_they_were(instruments: Instruments) -> None:
    instruments.refresh([Listing(each.symbol, each.name.upper(), each.cik, None) for each in _listings(instruments)])
    adobe = instruments.get("ADBE", LIVE)
    assert adobe is not None
    assert (adobe.market, adobe.exchange) == ("Nasdaq", "XNAS")


def test_a_list_that_cannot_be_whole_changes_nothing(instruments: Instruments) -> None:
    with pytest.raises(SourceDown, match="not whole"):
        instruments.refresh(_listings(instruments)[:50])
    assert _seen(instruments, "MSFT", LIVE) == "MSFT"


def test_a_symbol_that_went_to_another_company_means_each_in_its_time(instruments: Instruments) -> None:
    instruments.refresh([*_listings(instruments), Listing("Q", "Qnity Electronics, Inc.", 2058873, "NYSE")])
    then, now = instruments.get("Q", SHIPPED), instruments.get("Q", LIVE)
    assert then is not None
    assert now is not None
    assert (then.name, then.cik) == ("Qwest Communications", None)
    assert (now.name, now.cik) == ("Qnity Electronics, Inc.", 2058873)


def test_a_changed_name_is_found_by_the_former_one(instruments: Instruments) -> None:
    instruments.refresh(_listings(instruments))
    lines = [each for each in _listings(instruments) if each.symbol != "NKE"]
    instruments.refresh([*lines, Listing("NKE", "Swoosh Holdings", 320187, "NYSE")])
    found = instruments.find("nike", LIVE)
    assert [each.name for each in found.candidates] == ["Swoosh Holdings"]


ODD = ("", " ", "\x00", "\u200b\u202e", "'; DROP TABLE instruments; --", "<script>alert(1)</script>", "%", "_", "\\",
       "☃", "株式会社", "मारुति", "ﷺ" * 5, "\ud800", "0" * 10, "CIK", "US0378331005", ":", "$", ".", "-" * 50, "A" * 100,
       "(" * 99)  # fmt: skip


def test_anything_can_be_typed(instruments: Instruments) -> None:
    for text in ODD:
        found = instruments.find(text, SHIPPED)
        assert found.exact is None
        assert len(found.suggestions) <= 5


def test_a_text_that_no_name_is_as_long_as_is_refused(instruments: Instruments) -> None:
    with pytest.raises(InvalidRequest, match="at most 100"):
        instruments.find("A" * 10_000, SHIPPED)
    with pytest.raises(InvalidRequest):
        checked_symbol("A" * 10_000)


def test_another_process_sees_what_changed(database: Database, lists: ShippedLists) -> None:
    class Clock(SystemClock):
        at = 0.0

        def monotonic(self) -> float:
            return self.at

    clock = Clock()
    here, there = Instruments(database, SystemClock()), Instruments(database, clock)
    assert there.find("AAPL", SHIPPED).exact is None
    here.load_shipped(lists)
    assert there.find("AAPL", SHIPPED).exact is None
    Clock.at = 2.0
    assert _seen(there, "AAPL") == "AAPL"


def test_search_is_fast_with_fifteen_thousand_instruments(instruments: Instruments) -> None:
    words = ["ALPHA", "BETA", "GAMMA", "DELTA", "OMEGA", "SIGMA", "KAPPA", "THETA"]
    made = [
        Listing(
            f"Z{number:05d}",
            f"{words[number % 8]} {words[number // 8 % 8]} HOLDINGS {number} INC",
            10**6 + number,
            "OTC",
        )
        for number in range(15_000)
    ]
    instruments.refresh([*_listings(instruments), *made])
    instruments.find("A", LIVE)
    for text in ("AAPL", "gamma omega", "Microsfot", "Z00420", "zzzzzzzzzz", "holdings"):
        began = time.perf_counter()
        instruments.find(text, LIVE)
        assert time.perf_counter() - began < 0.25, text


@pytest.mark.parametrize(
    ("symbol", "source", "theirs"),
    [
        ("BRK.B", "yahoo", "BRK-B"), ("BRK.B", "fmp", "BRK-B"), ("BRK.B", "alphavantage", "BRK.B"),
        ("BRK.B", "finnhub", "BRK.B"), ("BRK.B", "sec_edgar", "BRK-B"), ("BRK.B", "sample", "BRK.B"),
        ("SHOP.TO", "yahoo", "SHOP.TO"), ("SHOP.TO", "alphavantage", "SHOP.TRT"), ("RCI.B.TO", "yahoo", "RCI-B.TO"),
        ("VOD.L", "alphavantage", "VOD.LON"), ("VOD.L", "fmp", "VOD.L"), ("RELIANCE.NS", "yahoo", "RELIANCE.NS"),
        ("RELIANCE.BO", "alphavantage", "RELIANCE.BSE"), ("600519.SS", "alphavantage", "600519.SHH"),
        ("SP500", "yahoo", "^GSPC"), ("AAPL", "alphavantage", "AAPL"),
    ],
)  # fmt: skip
def test_each_source_is_asked_in_its_own_spelling(symbol: str, source: str, theirs: str) -> None:
    assert alias(symbol, source) == theirs
    if symbol != "SP500":
        assert canonical(theirs) == symbol


@pytest.mark.parametrize(
    ("symbol", "source"),
    [("RELIANCE.NS", "alphavantage"), ("7203.T", "alphavantage"), ("VOD.L", "sec_edgar"), ("SP500", "alphavantage")],
)
def test_a_source_is_never_asked_for_the_bare_symbol_of_an_exchange_that_it_lacks(symbol: str, source: str) -> None:
    with pytest.raises(NoData):
        alias(symbol, source)


def test_a_share_in_china_is_not_one_in_the_united_states() -> None:
    assert exchange_of("600519.SS").currency == "CNY"
    assert exchange_of("BABA").currency == "USD"
    assert canonical("600519") == "600519"


def test_every_exchange_is_spelt_by_every_source_that_knows_it() -> None:
    for source, spelling in SPELLINGS.items():
        for code, suffix in spelling.suffixes.items():
            symbol = f"ABC{EXCHANGES[code].suffix}"
            assert alias(symbol, source) == f"ABC{suffix}"
            assert canonical(f"ABC{suffix}") == symbol

"""Symbol, on the shipped market: what is found, what a quote says of itself, and the chart's source."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256

import pytest
from streamlit.testing.v1 import AppTest

from core.market.as_of import AsOf, Reason
from core.market.bar_store import Batch, DatasetKey, SeriesFacts
from core.metering.repeats import Idempotency
from core.principal import Principal, Role
from core.settings import ROOT
from core.workbench import Workbench
from pages.components import market_clock, money, session
from tests.conftest import MakeMember
from tests.core.market.bars_made import frame_of

MAIN = str(ROOT / "pages" / "main.py")


@pytest.fixture
def ann(workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch) -> Principal:
    """A signed-in analyst on a workbench with the shipped market."""
    workbench.market.load_shipped()
    principal = member("ann", plan="free", role=Role.ANALYST)
    monkeypatch.setattr(session, "current_principal", lambda: principal)
    return principal


def _open(symbol: str = "") -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=20).run()
    app.switch_page("symbol.py").run()
    if symbol:
        app.text_input(key="symbol_box").set_value(symbol).run()
    assert not app.exception
    return app


def _words(app: AppTest) -> str:
    """What is read, without the marks that keep it from being markup."""
    return " ".join(part.value for part in (*app.markdown, *app.caption, *app.header)).replace("\\", "")


def test_nothing_is_chosen_at_first(ann: Principal) -> None:
    app = _open()
    assert "No instrument is chosen" in _words(app)
    assert not app.metric


def test_a_name_brings_what_has_it(ann: Principal) -> None:
    app = _open("microsoft")
    next(button for button in app.button if "MSFT" in button.label).click().run()
    assert "Microsoft" in app.header[0].value


@pytest.mark.parametrize("typed", ["MSFT", " msft "])
def test_a_quote_and_a_chart_say_where_they_are_from_and_of_when(ann: Principal, typed: str) -> None:
    app = _open(typed)
    assert "Microsoft" in app.header[0].value
    price = next(metric for metric in app.metric if metric.label == "Price")
    assert price.value.startswith("$")
    assert "from the close before" in price.delta
    assert "shipped sample" in _words(app)
    assert "of Fri 20 Aug 2010, 16:00 New York" in _words(app)
    assert "Nasdaq closed, opens Mon 23 Aug 09:30 New York" in _words(app)
    assert "adjusted for splits (not for dividends)" in _words(app)


def test_an_organisations_own_bars_serve_quote_and_benchmark_as_they_serve_the_chart(
    ann: Principal, workbench: Workbench
) -> None:
    days = (date(2010, 8, 19), date(2010, 8, 20))
    frame = frame_of({symbol: dict.fromkeys(days, 1234.5) for symbol in ("MSFT", "PRIVATE")})
    facts = dict.fromkeys(("MSFT", "PRIVATE"), SeriesFacts("USD", "XNYS"))
    key = DatasetKey("own", "mine", "Ours: bars.csv", org_id=ann.org_id)
    workbench.market.store.write(key, Batch(frame, facts))
    app = _open("MSFT")
    assert next(metric for metric in app.metric if metric.label == "Price").value == "$1,234.50"
    compared = app.selectbox(key="symbol_chart_benchmark")
    compared.options.append("PRIVATE")  # as typed: what runs the page here knows no other way to say it
    compared.set_value("PRIVATE").run()
    assert not app.exception
    assert "There are no bars of PRIVATE" not in _words(app)


def test_what_is_wrong_with_the_bars_is_said_below_them(ann: Principal) -> None:
    app = _open("SPLS")
    assert any("finding" in expander.label for expander in app.expander)
    assert "Sessions without a bar: 2009-09-08" in _words(app)
    assert not any("finding" in expander.label for expander in _open("CHAMELI.NS").expander)


def test_what_is_generated_says_so_wherever_it_is_shown(ann: Principal) -> None:
    app = _open("EKTAINFO.NS")
    assert next(metric for metric in app.metric if metric.label == "Price").value.startswith("₹")
    assert _words(app).count("generated") >= 4


def test_what_is_misspelt_brings_near_misses_and_one_press_takes_one(ann: Principal) -> None:
    app = _open("microsft")
    near = next(button for button in app.button if "MSFT" in button.label)
    near.click().run()
    assert not app.exception
    assert "Microsoft" in app.header[0].value


@pytest.mark.parametrize(
    "typed", ["zzzzqqqq", "<b>bold</b> [x](http://x)", "株式会社", "\u202eAAPL", "'; DROP TABLE users"]
)
def test_what_nobody_knows_is_said_in_plain_text(ann: Principal, typed: str) -> None:
    app = _open(typed)
    assert "Nothing is called" in _words(app) or app.header


def test_a_past_date_shows_nothing_later(workbench: Workbench, ann: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "current_principal", lambda: replace(ann, as_of=date(2010, 1, 5)))
    app = _open("AAPL")
    assert "of Tue 5 Jan 2010, 16:00 New York" in _words(app)
    assert "to 05 Jan 2010" in _words(app)
    assert "2010-08" not in _words(app)


def test_prices_ages_and_changes_read_alike_everywhere() -> None:
    assert money.price(Decimal("1234.5"), "USD") == "$1,234.50"
    assert money.price(Decimal("0.1234"), "INR") == "₹0.1234"
    assert money.price(Decimal(-2), "GBP") == "−£2.00"
    assert money.price(Decimal(12), "SEK") == "12.00 SEK"
    assert (money.price(None, "USD"), money.change(None)) == ("n/a", "n/a")
    assert (money.change(Decimal("0.0125")), money.change(Decimal("-0.004"))) == ("+1.25 %", "−0.40 %")
    assert [money.age(seconds) for seconds in (-5, 1, 59, 60, 7_200, 86_400, 1e9)] == [
        "0 seconds", "1 second", "59 seconds", "1 minute", "2 hours", "1 day", "11,574 days",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "moment", "words"),
    [
        ("AAPL", datetime(2010, 8, 20, 14, tzinfo=UTC), "Nasdaq open until 16:00 New York"),
        ("AAPL", datetime(2010, 8, 20, 13, 29, tzinfo=UTC), "Nasdaq closed, opens 09:30 New York"),
        ("EKTAINFO.NS", datetime(2010, 8, 20, 14, tzinfo=UTC), "NSE closed, opens Mon 23 Aug 09:15 Kolkata"),
    ],
)
def test_the_clock_is_the_exchanges_own(workbench: Workbench, symbol: str, moment: datetime, words: str) -> None:
    workbench.market.load_shipped()
    instrument = workbench.market.instruments.get(symbol, AsOf(moment.date(), Reason.CHOSEN, moment))
    assert instrument is not None
    assert market_clock.badge(workbench.market.calendars, instrument, moment).label == words


def test_a_fetch_of_filings_whose_run_was_cut_short_is_not_counted_again(ann: Principal, workbench: Workbench) -> None:
    app = _open("CHAMELI.NS")
    app.button_group("symbol_section").set_value("Filings").run()
    place, day = "symbol_filings_CHAMELI.NS_2010-08-20", date(2010, 8, 20)
    app.session_state[place] = "the key of the run that another press cut short"
    cut_short = Idempotency("page filings", app.session_state[place], sha256(f"CHAMELI.NS {day}".encode()).digest())
    workbench.filings.list(ann, symbol="CHAMELI.NS", idempotency=cut_short)
    app.button("symbol_filings_fetch").click().run()
    assert not app.exception
    assert len(app.dataframe[0].value) == 13
    assert workbench.usage.overview(ann).allowances["sec_filings_month"].used == 1

"""Numbers in a text: which are figures, and which of those the writer was given."""

from __future__ import annotations

import time
from datetime import date
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from core.ai.numbers import CheckedNumber, Known, checked_numbers

KNOWN = [
    Known("entry", 10.0, "price"),
    Known("close", 12.3, "price"),
    Known("stop", 11.875, "price"),
    Known("turnover", 1_234_567.0),
    Known("change", -0.032, "fraction"),
    Known("return", 0.0812, "fraction"),
    Known("hit rate", 0.5612, "fraction"),
    Known("base rate", 0.03, "fraction"),
    Known("distance", 0.045, "fraction", is_magnitude=True),
    Known("worst", -0.0765, "fraction"),
    Known("RSI", 70.53),
    Known("ADX", 12.44),
    Known("reward to risk", 1.5),
    Known("relative volume", 2.0),
    Known("momentum", -4.25),
    Known("n", 212.0),
    Known("hits", 119.0),
    Known.of_day("as of", date(2010, 8, 20)),
]


def told(text: str, *terms: str) -> list[tuple[str, str | None]]:
    """The numbers of a text and what they are."""
    return [(number.text, number.known) for number in checked_numbers(text, KNOWN, terms)]


@pytest.mark.parametrize(
    ("text", "known"),
    [
        # Prices, with currencies and separators.
        ("$12.30", "close"),
        ("US$12.3", "close"),
        ("USD 12.30", "close"),
        ("12.30 dollars", "close"),
        ("12.30 USD", "close"),
        ("₹12.30", "close"),
        ("Rs. 12.30", "close"),
        ("12.30", "close"),
        ("-$12.30", None),
        ("12.3%", None),
        ("1,234,567", "turnover"),
        ("12,34,567", "turnover"),
        ("1\u202f234\u202f567", "turnover"),
        ("1234567.0", "turnover"),
        ("1.23 million", "turnover"),
        ("1.2M", "turnover"),
        ("1.2 billion", None),
        ("$1,234,567", None),
        # Percentages and their signs.
        ("-3.2%", "change"),
        ("−3.2 %", "change"),
        ("–3.2%", "change"),
        ("+3.2%", None),
        ("3.2%", None),
        ("+8.1%", "return"),
        ("8.1 percent", "return"),
        ("8.12 per cent", "return"),
        ("812 basis points", "return"),
        ("56%", "hit rate"),
        ("0.56", "hit rate"),
        ("0.5612", "hit rate"),
        ("56.2%", None),
        ("57%", None),
        ("-4.5%", "distance"),
        ("4.5%", "distance"),
        # Ratios and plain numbers.
        ("1.5:1", "reward to risk"),
        ("1.5-to-1", "reward to risk"),
        ("1:1.5", "reward to risk"),
        ("2x", "relative volume"),
        ("2.0×", "relative volume"),
        ("2 times", "relative volume"),
        ("2.5x", None),
        ("-4.25", "momentum"),
        ("4.25", None),
        # Rounding.
        ("70.5", "RSI"),
        ("71", "RSI"),
        ("70", None),
        ("12.4", "ADX"),
        ("12.5", None),
        ("11.88", "stop"),
        ("11.9", "stop"),
        ("11.87", None),
        ("12.300", "close"),
        ("10", "entry"),
        ("212", "n"),
        ("210", None),
        ("0", None),
        ("0%", None),
        ("100 %", None),
        ("3%", "base rate"),
        ("8%", None),
        # Dates.
        ("2010-08-20", "as of"),
        ("20 Aug 2010", "as of"),
        ("August 20, 2010", "as of"),
        ("Aug. 20th", "as of"),
        ("20 August", "as of"),
        ("08/20/2010", "as of"),
        ("2010-08-20T16:00:00Z", "as of"),
    ],
)
def test_a_number_alone(text: str, known: str | None) -> None:
    found = checked_numbers(f"({text})", KNOWN)
    assert [number.known for number in found] == [known]
    assert found[0].text in text


@pytest.mark.parametrize(
    "text",
    [
        "RSI(14)",
        "RSI (14)",
        "MACD(12, 26, 9)",
        "Bollinger Bands (20, 2)",
        "RSI14 and ATR_14",
        "SMA-50, SMA 50, SMA50, EMA-20 and the 200 SMA",
        "a 52-week high",
        "the 20-day and the 5- and 20-day averages",
        "over 5 and 20 sessions",
        "over 1, 5, 20 and 60 sessions",
        "within 5 to 20 trading days",
        "in the last 12 months",
        "a 50/200 cross",
        "the S&P 500 and the Nasdaq 100",
        "the 1st, 2nd, 3rd and 95th",
        "1. First\n2. Second\n 3) Third",
        "(1) costs (2) trend",
        "in 2010, and since 2009–2010",
        "on 21 Aug 2010, 2010-08-19 and 31 February 2010",
        "in August 2010",
        "at 16:00 or 9:30 am",
        "a 10-K, Q3, H1, 5G and v1.2.3",
        "step 2, No. 7 and #3",
    ],
)
def test_digits_of_names_spans_numbering_and_other_dates_are_left_out(text: str) -> None:
    assert told(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RSI(14) at 70.5", [("70.5", "RSI")]),
        ("RSI 14 at 70.5", [("70.5", "RSI")]),
        ("an RSI of 71.", [("71", "RSI")]),
        ("RSI 71", [("71", "RSI")]),
        ("the top 10%", [("10%", None)]),
        ("fell 3.2%", [("3.2%", "change")]),
        ("fell by about 3.2 %", [("3.2 %", "change")]),
        ("rose 3.2%", [("3.2%", None)]),
        ("a decline of 3.2%", [("3.2%", "change")]),
        ("a 3.2% decline", [("3.2%", "change")]),
        ("3.2% below its average", [("3.2%", "change")]),
        ("3.2% above its average", [("3.2%", None)]),
        ("8.1% above its average", [("8.1%", "return")]),
        ("8.1% below its average", [("8.1%", None)]),
        ("stop 4.5% below the entry", [("4.5%", "distance")]),
        ("fell 3.2% over 5 sessions, 7.65% over 20", [("3.2%", "change"), ("7.65%", "worst"), ("20", None)]),
        ("fell 3.2%. Of those 7.65% did.", [("3.2%", "change"), ("7.65%", None)]),
        ("the price fell in 56% of cases", [("56%", "hit rate")]),
        ("prices fell 56% of the time", [("56%", "hit rate")]),
        ("fell to 12.30 from 10", [("12.30", "close"), ("10", "entry")]),
        ("a stop-loss at 11.88", [("11.88", "stop")]),
        ("momentum fell 4.25", [("4.25", "momentum")]),
        ("between 10–12.3", [("10", "entry"), ("12.3", "close")]),
        ("$10–12.3", [("$10", "entry"), ("12.3", "close")]),
        ("8.1–56%", [("8.1", "return"), ("56%", "hit rate")]),
        ("119 of 212 signals (56.1%)", [("119", "hits"), ("212", "n"), ("56.1%", "hit rate")]),
        ("n=212", [("212", "n")]),
        ("closed at 12.3, and then", [("12.3", "close")]),
        ("as of 20 Aug 2010 at 12.3", [("20 Aug 2010", "as of"), ("12.3", "close")]),
    ],
)
def test_numbers_in_sentences(text: str, expected: list[tuple[str, str | None]]) -> None:
    assert told(text) == expected


def test_a_year_that_is_a_known_figure_is_shown_as_one() -> None:
    assert [each.known for each in checked_numbers("at 2010", [Known("close", 2010.0, "price")])] == ["close"]


def test_names_that_hold_digits_are_no_figures() -> None:
    assert told("3M Co. and 600519.SS gained; Area 51 lost 3.2%", "3M Co.", "600519.SS", "area 51") == [
        ("3.2%", "change")
    ]


@pytest.mark.parametrize("term", ["12", "56", "212"])
def test_a_name_of_two_or_three_digits_hides_no_figure(term: str) -> None:
    assert told(f"a price of {term}", term) == [(term, dict(told(term))[term])]


def test_a_figure_that_is_equal_comes_before_one_that_is_rounded() -> None:
    known = [Known("rounded", 12.04), Known("equal", 12.0), Known("also equal", 12.0)]
    assert [number.known for number in checked_numbers("12", known)] == ["equal"]


def test_what_follows_from_figures_is_free_of_the_noise_of_binary_fractions() -> None:
    assert 0.7 * 0.1 != 0.07
    assert [each.known for each in checked_numbers("7%", [Known("share", 0.7 * 0.1, "fraction")])] == ["share"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, -1e300, 5e-324])
def test_a_figure_that_is_out_of_all_bounds_is_nobodys(value: float) -> None:
    for unit in ("price", "fraction", "number"):
        assert [each.known for each in checked_numbers("12.30 and 0.56%", [Known("odd", value, unit)])] == [None, None]


@given(
    value=st.decimals(min_value="0.001", max_value="100000", places=5, allow_nan=False),
    decimals=st.integers(0, 4),
    way=st.sampled_from([ROUND_HALF_UP, ROUND_HALF_EVEN]),
    is_negative=st.booleans(),
)
def test_a_known_figure_rounded_to_what_is_written_is_verified(
    value: Decimal, decimals: int, way: str, is_negative: bool
) -> None:
    written = value.quantize(Decimal(1).scaleb(-decimals), way)
    digits = f"{written:f}".replace(".", "").lstrip("0")
    assume(len(digits if decimals else digits.rstrip("0")) >= 2)
    sign = "-" if is_negative else ""
    known = [Known("figure", float(-value if is_negative else value))]
    for text in (f"{sign}{written:f}", f"{sign}{written:,f}"):
        assert [number.known for number in checked_numbers(f"at {text} today", known)] == ["figure"]
    beside = written + 2 * Decimal(1).scaleb(-decimals)  # of a half both neighbours are right
    assert all(number.known is None for number in checked_numbers(f"at {sign}{beside:f} today", known))


@given(st.decimals(min_value="0.0001", max_value="9.9999", places=4, allow_nan=False))
def test_a_fraction_is_verified_as_its_percentage_and_with_its_sign_alone(value: Decimal) -> None:
    percent = f"{(value * 100).normalize():f}%"
    for known, text in ((value, f"+{percent}"), (-value, f"-{percent}"), (-value, f"fell {percent}")):
        assert checked_numbers(f"it {text}", [Known("move", float(known), "fraction")])[0].known == "move"
        assert checked_numbers(f"it {text}", [Known("move", float(-known), "fraction")])[0].known is None


@given(st.text(alphabet=st.sampled_from("0123456789.,-–%$:/() \nabFfellx×thMkRSI\0"), max_size=80))
def test_whatever_the_text_numbers_stand_in_it_in_order_and_none_is_known_of_nothing(text: str) -> None:
    last = 0
    for number in checked_numbers(text, []):
        assert last <= number.start < number.end <= len(text)
        assert (number.text, number.known) == (text[number.start : number.end], None)
        assert any(each.isdigit() for each in number.text)
        last = number.end


@given(st.text(max_size=200))
def test_no_text_is_an_error(text: str) -> None:
    assert all(isinstance(number, CheckedNumber) for number in checked_numbers(text, KNOWN, ["a1", text]))


@pytest.mark.parametrize(
    "piece", ["1", "1 ", "1,", "1,111", "1 and ", "1.1.", "RSI(1 ", "(1) ", "Jan 1 ", "-", "1-", "1:", "$", " %", "1 %"]
)
def test_the_longest_text_takes_a_bounded_time(piece: str) -> None:
    started = time.process_time()
    checked_numbers(piece * (100_000 // len(piece)), KNOWN)
    assert time.process_time() - started < 20

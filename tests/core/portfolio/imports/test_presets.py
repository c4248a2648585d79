"""Each broker's file, in the layout that it documents, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import ConfigurationError
from core.portfolio.exports import HEADINGS
from core.portfolio.imports.outcomes import Fate
from core.portfolio.imports.presets import load_presets
from core.portfolio.transactions import Draft, Kind
from core.settings import DATA
from tests.core.portfolio.imports.made import FILES, PRESETS, Read, read

BASE = {"degiro": "EUR", "portfolio_performance": "EUR", "trading_212": "GBP"}
SAMPLES = {
    "generic.csv": "generic",
    "ghostfolio.csv": "ghostfolio",
    "ghostfolio.json": "ghostfolio",
    "portfolio_performance.csv": "portfolio_performance",
    "portfolio_performance_de.csv": "portfolio_performance",
    "degiro.csv": "degiro",
    "degiro_new.csv": "degiro",
    "trading_212.csv": "trading_212",
    "trading_212_old.csv": "trading_212",
    "schwab.csv": "schwab",
    "fidelity.csv": "fidelity",
    "interactive_brokers.csv": "interactive_brokers",
    "interactive_brokers_cash.csv": "interactive_brokers_cash",
    "interactive_brokers_statement.csv": "interactive_brokers_statement",
}


def _read(name: str) -> Read:
    return read((FILES / name).read_bytes(), currency=BASE.get(SAMPLES[name], "USD"))


def _plain(draft: Draft) -> tuple[object, ...]:
    """Kind, symbol, quantity, price, amount, currency, fees and taxes, numbers as text."""
    numbers = (draft.quantity, draft.price, draft.amount)
    told = ["" if each is None else f"{each.normalize():f}" for each in numbers]
    charges = [f"{each.normalize():f}" for each in (draft.fees, draft.taxes)]
    return (draft.kind.value, draft.symbol or "", *told, draft.currency, *charges)


def test_every_preset_has_a_sample() -> None:
    assert set(SAMPLES.values()) == set(PRESETS)
    assert set(SAMPLES) == {path.name for path in FILES.iterdir()} - {"README.md"}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_shipped_sample_is_recognised_and_none_of_its_rows_refused(name: str) -> None:
    """ghostfolio#2610: the sample that was shipped could not be imported."""
    found = _read(name)
    assert found.planned.preset is not None
    assert found.planned.preset.id == SAMPLES[name]
    assert found.planned.question is None
    assert found.of(Fate.REFUSED) == {}
    assert found.drafts
    assert [row.line for row in found.rows if row.notices] == []


def test_the_generic_preset_knows_the_headings_of_exports() -> None:
    assert PRESETS["generic"].is_of(frozenset(heading.casefold() for heading in HEADINGS))


def test_degiro_is_entered_in_the_money_that_moved() -> None:
    found = _read("degiro.csv")
    assert [_plain(draft) for draft in found.drafts] == [
        ("buy", "US0378331005", "10", "114.43", "", "EUR", "0.53", "0"),
        ("buy", "NL0010273215", "2", "466.1", "", "EUR", "2.47", "0"),
        ("sell", "US0378331005", "4", "103.775", "", "EUR", "0.51", "0"),
    ]
    assert [draft.day for draft in found.drafts] == [date(2021, 2, 5), date(2021, 3, 12), date(2021, 5, 25)]
    assert found.drafts[0].note == "137.35 USD a share"
    assert found.drafts[0].reference.endswith("01")


def test_degiro_since_with_a_decimal_comma_and_two_fees() -> None:
    found = _read("degiro_new.csv")
    assert [_plain(draft) for draft in found.drafts] == [
        ("buy", "US0378331005", "10", "174.665", "", "EUR", "6.37", "0"),
        ("buy", "NL0010273215", "2", "890.1", "", "EUR", "3", "0"),
    ]
    assert found.drafts[0].reference.endswith("01")


def test_trading_212_is_entered_in_the_account_s_currency_and_pence_become_pounds() -> None:
    found = [_plain(draft) for draft in _read("trading_212.csv").drafts]
    assert found == [
        ("deposit", "", "", "", "1000", "GBP", "0", "0"),
        ("buy", "AAPL", "3.1", "105.2580645161", "326.3", "GBP", "0.49", "0"),
        ("buy", "VOD.L", "100", "0.875", "", "GBP", "0.44", "0"),
        # 0.713 USD less 0.11 withheld came to 0.50 GBP.
        ("dividend", "AAPL", "3.1", "", "0.5912106136", "GBP", "0", "0.0912106136"),
        ("interest", "", "", "", "0.81", "GBP", "0", "0"),
        ("sell", "AAPL", "1", "121.29", "", "GBP", "0.18", "0"),
        ("withdrawal", "", "", "", "50", "GBP", "0", "0"),
    ]


def test_trading_212_as_it_was_with_currencies_in_its_headings() -> None:
    assert [_plain(draft) for draft in _read("trading_212_old.csv").drafts] == [
        ("deposit", "", "", "", "500", "EUR", "0", "0"),
        ("buy", "MSFT", "1", "206.49", "", "EUR", "0.31", "0"),
    ]


def test_portfolio_performance_has_fees_and_taxes_in_its_values() -> None:
    assert [_plain(draft) for draft in _read("portfolio_performance.csv").drafts] == [
        ("deposit", "", "", "", "5000", "EUR", "0", "0"),
        ("buy", "MSFT", "4", "250", "", "EUR", "9.9", "0"),
        ("dividend", "MSFT", "4", "", "1.81", "EUR", "0", "0.27"),
        ("sell", "MSFT", "4", "153.05", "", "EUR", "9.9", "2.2"),
        ("interest", "", "", "", "-3.2", "EUR", "0", "0"),
        ("fee", "", "", "", "-9.9", "EUR", "0", "0"),
        ("transfer_in", "SAP.DE", "10", "50", "", "EUR", "0", "0"),
        ("withdrawal", "", "", "", "100", "EUR", "0", "0"),
    ]


def test_ghostfolio_pence_fees_and_mixed_forms_of_dates() -> None:
    found = _read("ghostfolio.csv")
    assert [_plain(draft) for draft in found.drafts] == [
        ("fee", "", "", "", "49", "USD", "0", "0"),
        ("buy", "MSFT", "5", "298.58", "", "USD", "19", "0"),
        ("dividend", "MSFT", "5", "0.62", "3.1", "USD", "0", "0"),
        ("buy", "AAPL", "2.5", "182.01", "", "USD", "1", "0"),
        ("sell", "AAPL", "1", "174.61", "", "USD", "1", "0"),
        ("buy", "VOD.L", "100", "1.315", "", "GBP", "5.95", "0"),
    ]
    assert [draft.day for draft in found.drafts][:3] == [date(2021, 9, 1), date(2021, 9, 16), date(2021, 11, 17)]
    assert "by hand" in found.of(Fate.IGNORED)[5]
    assert found.drafts[0].note == "Account opening fee"


def test_schwab_has_a_title_a_total_and_days_as_of() -> None:
    found = _read("schwab.csv")
    assert [_plain(draft) for draft in found.drafts] == [
        ("buy", "MSFT", "0.0185", "405.12", "7.5", "USD", "0", "0"),
        ("dividend", "MSFT", "", "", "7.5", "USD", "0", "0"),
        ("sell", "AAPL", "5", "194.5", "", "USD", "0.03", "0"),
        ("buy", "AAPL", "10", "182.16", "", "USD", "0", "0"),
        ("tax", "MSFT", "", "", "1.13", "USD", "0", "0"),
        ("buy", "MSFT", "10", "384.63", "", "USD", "0", "0"),
        ("interest", "", "", "", "0.35", "USD", "0", "0"),
        ("deposit", "", "", "", "10000", "USD", "0", "0"),
    ]
    assert found.drafts[2].day == date(2024, 1, 24)
    assert found.of(Fate.IGNORED) == {11: "It is a total or a balance."}


def test_fidelity_tells_the_kind_at_the_beginning_of_a_sentence() -> None:
    found = _read("fidelity.csv")
    assert [draft.kind.value for draft in found.drafts] == ["sell", "dividend", "buy", "buy", "buy", "deposit"]
    assert _plain(found.drafts[3]) == ("buy", "AAPL", "10", "182.16", "", "USD", "4.95", "0")
    assert set(found.of(Fate.IGNORED)) == {13, 15}


def test_interactive_brokers_trades() -> None:
    found = _read("interactive_brokers.csv")
    assert [_plain(draft) for draft in found.drafts] == [
        ("buy", "AAPL", "10", "182.16", "", "USD", "1", "0"),
        ("buy", "BRK.B", "2", "362.5", "", "USD", "1", "0"),
        ("buy", "SAP.DE", "5", "148.1", "", "EUR", "3", "0"),
        ("buy", "VOD.L", "100", "0.66", "", "GBP", "0", "0.33"),
        ("fee", "VOD.L", "", "", "1.27", "USD", "0", "0"),
        ("sell", "AAPL", "4", "186.86", "", "USD", "0", "0"),
        ("fee", "AAPL", "", "", "-0.15", "USD", "0", "0"),
    ]
    assert [draft.fx_rate for draft in found.drafts[:4]] == [None, None, Decimal("1.0881"), Decimal("1.2704")]
    assert set(found.of(Fate.IGNORED)) == {6}


def test_interactive_brokers_rates_to_another_currency_are_not_used() -> None:
    found = read((FILES / "interactive_brokers.csv").read_bytes(), currency="EUR")
    assert {draft.fx_rate for draft in found.drafts} == {None}
    assert any("are not to EUR" in sentence for sentence in found.planned.how)


@pytest.mark.parametrize("name", ["interactive_brokers_cash.csv", "interactive_brokers_statement.csv"])
def test_interactive_brokers_payments(name: str) -> None:
    found = [_plain(draft) for draft in _read(name).drafts]
    assert ("deposit", "", "", "", "5000", "USD", "0", "0") in found
    assert ("dividend", "AAPL", "", "", "1.44", "USD", "0", "0") in found
    assert ("tax", "AAPL", "", "", "0.22", "USD", "0", "0") in found
    assert ("interest", "", "", "", "1.17", "USD", "0", "0") in found
    assert ("fee", "", "", "", "1.5", "USD", "0", "0") in found


def test_an_activity_statement_s_totals_and_other_tables_are_left_out() -> None:
    found = _read("interactive_brokers_statement.csv")
    trades = [_plain(draft) for draft in found.drafts if draft.kind in (Kind.BUY, Kind.SELL)]
    assert trades == [
        ("buy", "AAPL", "10", "182.16", "", "USD", "1", "0"),
        ("sell", "AAPL", "4", "186.86", "", "USD", "1.01", "0"),
    ]
    assert len(found.of(Fate.IGNORED)) == 10


def _copied(folder: Path, change: Callable[[str], str]) -> Path:
    for path in (DATA / "brokers").glob("*.yaml"):
        text = path.read_text("utf-8")
        (folder / path.name).write_text(change(text) if path.stem == "schwab" else text, "utf-8")
    return folder


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        pytest.param("reinvest shares: buy", "reinvest shares: purchase", "purchase is no kind", id="kind"),
        pytest.param("  net: [Amount]", "  nett: [Amount]", "nett is none of the fields", id="field"),
        pytest.param("id: schwab", "id: other", "not the file's name", id="id"),
        pytest.param("signs: cash", "signs: both", "schwab.yaml, line", id="signs"),
        pytest.param("kinds:", "exchanges: {NYSE: XXXX}\nkinds:", "XXXX is no exchange", id="exchange"),
    ],
)
def test_a_mistake_in_a_preset_is_named_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"schwab\.yaml, line \d+.*{words}|{words}"):
        load_presets(_copied(tmp_path, lambda text: text.replace(old, new, 1)))

"""What a token costs, and which tables are refused."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.data import providers
from genai_prices.types import ModelPrice, StartDateConstraint, TieredPrices

from core.ai.prices import Price, PriceBook, UnknownPrice
from core.ai.providers.contract import TokenUsage
from core.errors import ConfigurationError, NotConfigured

DAY = date(2026, 11, 21)
HEAD = "version: 2026-11-21\ncurrency: USD\nper_tokens: 1000000\nprices:\n"
ROW = '  - {id: a/x, valid_from: 2026-01-01, input: "3", output: "15"'


def _book(folder: Path, *rows: str, version: str = "2026-11-21") -> PriceBook:
    text = HEAD.replace("2026-11-21", version) + "\n".join(rows) + "\n"
    (folder / f"{version}.yaml").write_text(text)
    return PriceBook.load(folder)


def _price(folder: Path, more: str = "") -> Price:
    return _book(folder, ROW + more + "}").price_of("a/x", DAY)


def test_cost_is_exact_and_cached_tokens_are_counted_once(folder: Path) -> None:
    price = _price(folder, ', cached_input: "0.3", cache_write: "3.75"')

    assert price.cost(TokenUsage(1000, 100)) == Decimal("0.0045")
    assert price.cost(TokenUsage(1000, 100, 400)) == Decimal("0.00342")
    assert price.cost(TokenUsage(1000, 100, 400, 200)) == Decimal("0.00357")
    assert price.cost(TokenUsage(0, 0)) == 0


def test_cached_tokens_cost_as_input_where_they_have_no_price(folder: Path) -> None:
    price = _price(folder)

    assert price.cost(TokenUsage(1000, 0, 400)) == price.cost(TokenUsage(1000, 0))


def test_cost_is_rounded_up_once_to_the_nano_dollar(folder: Path) -> None:
    price = _book(folder, '  - {id: a/x, valid_from: 2026-01-01, input: "0.0001", output: "0.0007"}').price_of(
        "a/x", DAY
    )

    assert price.cost(TokenUsage(1, 0)) == Decimal("0.000000001")
    assert price.cost(TokenUsage(7, 2)) == Decimal("0.000000003")
    assert price.cost(TokenUsage(10, 0)) == Decimal("0.000000001")


def test_a_long_prompt_prices_the_whole_request_by_the_long_rates(folder: Path) -> None:
    price = _price(folder, ', long_context: {above: 1000, input: "6", output: "22.5"}')

    assert price.cost(TokenUsage(1000, 10)) == Decimal("0.00315")
    assert price.cost(TokenUsage(1001, 10)) == Decimal("0.006231")


def test_a_request_may_have_a_price_of_its_own(folder: Path) -> None:
    price = _price(folder, ', per_request: "0.012"')

    assert price.cost(TokenUsage(0, 0)) == Decimal("0.012")
    assert price.worst_case(0, 0) == Decimal("0.012")


@pytest.mark.parametrize("prompt_tokens", [0, 1, 999, 1000, 1001, 5000])
def test_no_usage_within_its_bounds_costs_more_than_the_worst_case(folder: Path, prompt_tokens: int) -> None:
    price = _price(
        folder,
        ', cached_input: "0.3", cache_write: "3.75", per_request: "0.001", '
        'long_context: {above: 1000, input: "6", output: "22.5", cache_write: "7.5"}',
    )
    worst = price.worst_case(prompt_tokens, 100)

    for used in {0, prompt_tokens // 2, prompt_tokens}:
        for cached in {0, used // 3, used}:
            for written in {0, used - cached}:
                assert price.cost(TokenUsage(used, 100, cached, written)) <= worst
    assert price.cost(TokenUsage(prompt_tokens, 100, 0, prompt_tokens)) == worst


@pytest.mark.parametrize(
    "usage",
    [TokenUsage(-1, 0), TokenUsage(1, -1), TokenUsage(1, 1, 2), TokenUsage(1, 1, -1), TokenUsage(1, 1, 1, 1)],
)
def test_impossible_usage_is_never_priced(folder: Path, usage: TokenUsage) -> None:
    with pytest.raises(ValueError, match="impossible"):
        _price(folder).cost(usage)


def test_a_price_holds_from_its_first_day_until_the_next(folder: Path) -> None:
    book = _book(folder, ROW + "}", '  - {id: a/x, valid_from: 2026-06-01, input: "2", output: "10"}')

    assert book.price_of("a/x", date(2026, 5, 31)).base.input == 3
    assert book.price_of("a/x", date(2026, 6, 1)).base.input == 2
    assert book.price_of("a/x", date(2026, 6, 1)).version == "2026-11-21@2026-06-01"
    with pytest.raises(UnknownPrice):
        book.price_of("a/x", date(2025, 12, 31))


def test_a_later_table_corrects_a_row_and_the_earlier_version_stays_readable(folder: Path) -> None:
    _book(folder, ROW + "}")
    book = _book(folder, ROW.replace('"3"', '"4"') + "}", version="2026-12-01")

    assert book.price_of("a/x", DAY).base.input == 4
    assert book.pinned("a/x", "2026-11-21@2026-01-01").base.input == 3
    with pytest.raises(UnknownPrice):
        book.pinned("a/x", "2020-01-01@2020-01-01")


@pytest.mark.parametrize("price_id", ["a/x-mini", "a", "a/", "A/X", "a/x ", ""])
def test_only_the_exact_id_has_a_price(folder: Path, price_id: str) -> None:
    book = _book(folder, ROW + "}")

    with pytest.raises(UnknownPrice) as caught:
        book.price_of(price_id, DAY)
    assert isinstance(caught.value, NotConfigured)


@pytest.mark.parametrize(
    ("row", "word"),
    [
        ('  - {id: a/y, valid_from: 2026-01-01, input: "-3", output: "15"}', "negative"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "0", output: "15"}', "local: true"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "3", output: "0"}', "local: true"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "3000", output: "15"}', "1000 USD"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "0.000003", output: "15"}', "0.0001 USD"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: 3.5, output: "15"}', "text"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "NaN", output: "15"}', "plain decimal"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "1e3", output: "15"}', "plain decimal"),
        ('  - {id: a/y, valid_from: 2026-01-01, output: "15"}', "input"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "3"}', "output"),
        ('  - {id: a/y, input: "3", output: "15"}', "valid_from"),
        ('  - {valid_from: 2026-01-01, input: "3", output: "15"}', "id"),
        ('  - {id: a/y, valid_from: soon, input: "3", output: "15"}', "valid_from"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "3", output: "15", inptu: "3"}', "inptu"),
        (
            '  - {id: a/y, valid_from: 2026-01-01, input: "3", output: "15", cached_input: "4"}',
            "cached_input",
        ),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "3", output: "15", cache_write: "1"}', "cache_write"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "3", output: "15", per_request: "11"}', "10 USD"),
        ('  - {id: a/y, valid_from: 2026-01-01, input: "3", output: "15", local: true}', "local"),
        (
            '  - {id: a/y, valid_from: 2026-01-01, input: "3", output: "15", '
            'long_context: {above: 9, input: "1", output: "15"}}',
            "cheaper",
        ),
        ('  - {id: a/x, valid_from: 2026-01-01, input: "3", output: "15"}', "twice"),
        ("  - just text", ""),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(folder: Path, row: str, word: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^2026-11-21\.yaml, line 6: .*{word}"):
        _book(folder, ROW + "}", row)


def test_a_table_is_named_by_its_version(folder: Path) -> None:
    (folder / "newest.yaml").write_text(HEAD + ROW + "}\n")

    with pytest.raises(ConfigurationError, match=r"^newest\.yaml, line 1: "):
        PriceBook.load(folder)


def test_the_shipped_offline_model_is_free_because_it_is_local(shipped_prices: PriceBook) -> None:
    price = shipped_prices.price_of("offline/offline-glossary", DAY)

    assert price.is_local
    assert price.worst_case(10**6, 10**6) == 0
    assert str(price.cost(TokenUsage(5, 5))) == "0"


def test_every_shipped_price_agrees_with_its_source(shipped_prices: PriceBook) -> None:
    """Row by row, by exact id; where the source is cheaper at some hours, ours is its dearest rate."""
    source = {provider.id: {model.id: model for model in provider.models} for provider in providers}
    compared = 0
    for price_id in shipped_prices.ids():
        name, _, model_id = price_id.partition("/")
        if name == "offline":
            continue
        model = source[{"xai": "x-ai"}.get(name, name)][model_id]
        ours = shipped_prices.price_of(price_id, DAY)
        theirs = _in_force(model.prices, DAY)
        assert ours.base.input == max(_base(price.input_mtok) for price in theirs), price_id
        assert ours.base.output == max(_base(price.output_mtok) for price in theirs), price_id
        cached = [_base(price.cache_read_mtok) for price in theirs if price.cache_read_mtok is not None]
        assert ours.base.cached_input == (max(cached) if cached else ours.base.input), price_id
        tiers = [price.input_mtok.tiers for price in theirs if isinstance(price.input_mtok, TieredPrices)]
        assert ours.long_context_above == (tiers[0][0].start if tiers else None), price_id
        if tiers:
            assert ours.long is not None
            assert ours.long.input == tiers[0][0].price, price_id
        compared += 1
    assert compared == len(shipped_prices.ids()) - 1 > 30


def test_shipped_prices_that_everybody_knows(shipped_prices: PriceBook) -> None:
    known = {
        "gpt-4o-mini": ("0.15", "0.6"),
        "gpt-4o": ("2.5", "10"),
        "gpt-4.1": ("2", "8"),
        "gpt-5": ("1.25", "10"),
    }
    for model_id, (input_rate, output_rate) in known.items():
        base = shipped_prices.price_of(f"openai/{model_id}", DAY).base
        assert (base.input, base.output) == (Decimal(input_rate), Decimal(output_rate))


def test_a_shipped_price_changes_on_its_day_only(shipped_prices: PriceBook) -> None:
    first = date(2026, 7, 30)

    assert shipped_prices.price_of("openai/gpt-5.6-luna", first).base.input == Decimal("0.2")
    assert shipped_prices.price_of("openai/gpt-5.6-luna", first - timedelta(days=1)).base.input == 1


def _in_force(prices: object, day: date) -> list[ModelPrice]:
    if isinstance(prices, ModelPrice):
        return [prices]
    assert isinstance(prices, list)
    dated = [row for row in prices if row.constraint is None]
    dated += [
        row for row in prices if isinstance(row.constraint, StartDateConstraint) and row.constraint.start_date <= day
    ]
    hourly = [
        row for row in prices if row.constraint is not None and not isinstance(row.constraint, StartDateConstraint)
    ]
    return [dated[-1].prices, *(row.prices for row in hourly)]


def _base(rate: object) -> Decimal:
    found = rate.base if isinstance(rate, TieredPrices) else rate
    assert isinstance(found, Decimal)
    return found

"""What a token costs, and which tables are refused."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

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


def _row(rest: str) -> str:
    return f"  - {{id: a/y, valid_from: 2026-01-01, {rest}}}"


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


def test_a_recording_is_charged_by_its_seconds_and_by_so_many_at_least(folder: Path) -> None:
    row = _row('input: "0", output: "0", per_audio_hour: "0.111", audio_at_least_s: 10')
    price = _book(folder, row).price_of("a/y", DAY)

    assert price.cost(TokenUsage(0, 0, audio_s=3600)) == Decimal("0.111")
    assert price.cost(TokenUsage(700, 90, audio_s=61)) == Decimal("0.001880834")
    assert price.cost(TokenUsage(0, 0, audio_s=1)) == price.cost(TokenUsage(0, 0, audio_s=10)) == Decimal("0.000308334")
    assert price.worst_case(0, 2000, 61) == Decimal("0.001880834")


def test_a_recording_of_less_than_no_time_is_not_priced(folder: Path) -> None:
    with pytest.raises(ValueError, match="impossible"):
        _price(folder, "").cost(TokenUsage(0, 0, audio_s=-1))


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


@pytest.mark.parametrize("price_id", ["a/x-mini", "a/x-2026-01-01", "a", "a/", "A/X", "a/x ", ""])
def test_only_the_exact_id_has_a_price_so_that_a_new_variant_never_gets_an_old_one_genai_prices_471(
    folder: Path, price_id: str
) -> None:
    book = _book(folder, ROW + "}")

    assert price_id not in book
    with pytest.raises(UnknownPrice):
        book.price_of(price_id, DAY)


def test_an_unknown_price_means_no_call_and_never_a_free_one_librechat_14398(folder: Path) -> None:
    with pytest.raises(NotConfigured, match=r"No price is known for b/y on 2026-11-21, so it is not called"):
        _book(folder, ROW + "}").price_of("b/y", DAY)


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
        ('  - {id: a/x, valid_from: 2026-01-01, input: "3", output: "15"}', r"prices\.a/x: .*twice"),
        (_row('input: "3", output: "0.015"'), "too far apart"),
        (_row('input: "3", output: "301"'), "too far apart"),
        (_row('input: "3", output: "15", cached_input: "0.003"'), "cached_input"),
        (_row('input: "3", output: "15", cached_input: "0"'), "zero"),
        (_row('input: "3", output: "15", cache_write: "0"'), "zero"),
        (_row('input: "3", output: "15", cache_write: "375"'), "cache_write"),
        (_row('input: "3", output: "15", per_request: "-1"'), "negative"),
        (_row('input: "3", output: "15", per_request: 0.012'), "text"),
        (_row('input: "3", output: "15", long_context: {above: 9, input: "6", output: "0"}'), "zero"),
        (_row('input: "3", output: "15", long_context: {above: 9, input: "6", output: "0.03"}'), "too far apart"),
        (_row('input: "0.02", output: "0.02", embedding: true'), "an embedding has no output"),
        (_row('input: "0", output: "0", embedding: true'), "zero"),
        (_row('input: "0", output: "0", local: true, per_request: "0.01"'), "no per_request"),
        (_row('input: "0.02", output: "0", embedding: yes please'), "embedding"),
        (_row('input: "0", output: "0", per_audio_hour: "101"'), "100 USD per hour"),
        (_row('input: "0", output: "0", per_audio_hour: 0.36'), "text"),
        (_row('input: "3", output: "15", per_audio_hour: "0.36"'), "zero in every part"),
        (_row('input: "0", output: "0", per_audio_hour: "0.36", local: true'), "neither local"),
        (_row('input: "3", output: "15", audio_at_least_s: 10'), "audio_at_least_s"),
        (_row('input: "0", output: "0", per_audio_hour: "0.36", audio_at_least_s: 61'), "audio_at_least_s"),
        ("  - just text", ""),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(folder: Path, row: str, word: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^2026-11-21\.yaml, line 6: .*{word}"):
        _book(folder, ROW + "}", row)


def test_a_refusal_names_the_row_by_its_id(folder: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^2026-11-21\.yaml, line 6: prices\.a/y\.input: must not be negative"
    ):
        _book(folder, ROW + "}", _row('input: "-3", output: "15"'))


@pytest.mark.parametrize("amount", ["300000", "0.00003"])
def test_a_price_100000_times_off_is_refused_litellm_23503(folder: Path, amount: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^2026-11-21\.yaml, line 6: prices\.a/y\.input: .*cannot be right"):
        _book(folder, ROW + "}", _row(f'input: "{amount}", output: "15"'))


@pytest.mark.parametrize("part", ["input", "output", "cached_input", "cache_write", "per_request"])
def test_a_price_of_minus_a_million_is_refused_in_every_part_librechat_2359(folder: Path, part: str) -> None:
    parts = {"input": "3", "output": "15", part: "-1000000"}
    row = _row(", ".join(f'{name}: "{amount}"' for name, amount in parts.items()))

    with pytest.raises(ConfigurationError, match=rf"line 6: prices\.a/y\.{part}: must not be negative"):
        _book(folder, ROW + "}", row)


@pytest.mark.parametrize(
    "usage",
    [TokenUsage(1000, 0, 1000), TokenUsage(1000, 0, 0, 1000), TokenUsage(1000, 0, 500, 500), TokenUsage(1, 0, 1)],
)
def test_cached_tokens_never_make_a_cost_negative_new_api_5005(folder: Path, usage: TokenUsage) -> None:
    price = _price(folder, ', cached_input: "0.3", cache_write: "3.75"')

    assert price.cost(usage) > 0
    assert price.cost(usage) >= price.cost(TokenUsage(usage.prompt_tokens, 0, usage.prompt_tokens))


BEFORE = 'input: "3", output: "30", cache_write: "45", per_request: "0.01"'
CACHED = "5.99"
TIER = f'long_context: {{above: 9, input: "6", output: "45", cached_input: "{CACHED}"}}'


@pytest.mark.parametrize(
    ("after", "part"),
    [
        ('input: "0.003", output: "0.03"', r"input is 0\.003, 1000 times away from the 3 of"),
        ('input: "300", output: "900"', "input is 300, 100 times"),
        ('input: "3", output: "0.6"', r"output is 0\.6, 50 times"),
        ('input: "3", output: "30", cached_input: "0.02"', r"cached_input is 0\.02, 150 times"),
        ('input: "0.5", output: "5", cache_write: "0.9"', r"cache_write is 0\.9, 50 times"),
        ('input: "3", output: "30", cache_write: "45", per_request: "1"', "per_request is 1, 100 times"),
        (f"{BEFORE}, {TIER.replace(CACHED, '0.06')}", r"long_context\.cached_input is 0\.06, 100 times"),
    ],
)
def test_a_price_a_thousand_times_the_last_one_is_refused_unless_it_is_meant(
    folder: Path, after: str, part: str
) -> None:
    before = _row(f"{BEFORE}, {TIER}")
    later = _row(after).replace("2026-01-01", "2026-06-01")
    with pytest.raises(ConfigurationError, match=rf"^2026-11-21\.yaml, line 6: prices\.a/y: {part}.*large_change"):
        _book(folder, before, later)
    _book(folder, before)
    with pytest.raises(ConfigurationError, match=rf"^2026-12-01\.yaml, line 5: prices\.a/y: {part}.*2026-11-21@2026"):
        _book(folder, _row(after), version="2026-12-01")

    book = _book(folder, _row(f"{after}, large_change: true"), version="2026-12-01")
    assert book.price_of("a/y", DAY).version == "2026-12-01@2026-01-01"


def test_a_price_may_change_as_much_as_prices_do(folder: Path) -> None:
    book = _book(
        folder,
        _row('input: "10", output: "40", cached_input: "2.5"'),
        _row('input: "0.25", output: "2", cached_input: "0.06"').replace("2026-01-01", "2026-06-01"),
    )

    assert [price.base.input for price in book.history("a/y")] == [10, Decimal("0.25")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('input: "3", output: "15"', 'input: "0", output: "0", local: true'),
        ('input: "0", output: "0", local: true', 'input: "3", output: "15"'),
        ('input: "3", output: "15"', 'input: "3", output: "0", embedding: true'),
        ('input: "3", output: "15"', 'input: "0", output: "0", per_audio_hour: "0.36"'),
    ],
)
def test_a_paid_model_never_becomes_a_free_one(folder: Path, before: str, after: str) -> None:
    later = _row(f"{after}, large_change: true").replace("2026-01-01", "2026-06-01")

    with pytest.raises(
        ConfigurationError,
        match=r"^2026-11-21\.yaml, line 6: prices\.a/y: local, embedding and what is charged by the hour must",
    ):
        _book(folder, _row(before), later)


def test_vectors_cost_their_input_alone(folder: Path) -> None:
    price = _book(folder, _row('input: "0.02", output: "0", embedding: true')).price_of("a/y", DAY)

    assert price.is_embedding
    assert price.cost(TokenUsage(1000, 0)) == price.worst_case(1000, 0) == Decimal("0.00002")


@pytest.mark.parametrize(
    ("price_id", "above"),
    [
        ("anthropic/claude-haiku-5-5", 100_000),
        ("google/gemini-2.5-pro", 200_000),
        ("openai/gpt-5.4", 272_000),
        ("xai/grok-4.3", 199_999),
    ],
)
def test_the_long_context_rates_are_part_of_the_worst_case_litellm_pr_40002(
    shipped_prices: PriceBook, price_id: str, above: int
) -> None:
    price = shipped_prices.price_of(price_id, DAY)
    assert price.long_context_above == above
    assert price.long is not None
    most = (above + 1) * price.long.dearest_input + 4096 * price.long.output

    assert price.worst_case(above + 1, 4096) == most / 1_000_000
    assert price.worst_case(above + 1, 4096) >= price.cost(TokenUsage(above + 1, 4096, 0, above + 1))
    assert price.worst_case(above, 4096) >= price.cost(TokenUsage(above, 4096, 0, above))
    assert price.worst_case(above + 1, 4096) > price.worst_case(above, 4096) * Decimal("1.5")


def test_a_table_is_named_by_its_version(folder: Path) -> None:
    (folder / "newest.yaml").write_text(HEAD + ROW + "}\n")

    with pytest.raises(ConfigurationError, match=r"^newest\.yaml, line 1: "):
        PriceBook.load(folder)


def test_the_shipped_offline_model_is_free_because_it_is_local(shipped_prices: PriceBook) -> None:
    price = shipped_prices.price_of("offline/offline-glossary", DAY)

    assert price.is_local
    assert price.worst_case(10**6, 10**6) == 0
    assert str(price.cost(TokenUsage(5, 5))) == "0"


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

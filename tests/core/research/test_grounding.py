"""Numbers of answers against the figures that steps returned: what is verified, and what is not."""

from __future__ import annotations

import random
import time
from datetime import date
from itertools import count

import pytest

from core.ai.evidence import Entity, Evidence, Figure, Source, Step, Unit
from core.research.grounding import marks
from core.research.measures import Measures
from core.settings import DATA
from tests.core.research.grounding_claims import FALSE_CLAIMS
from tests.core.research.grounding_made import (
    FRENCH_TEMPLATES,
    GERMAN_TEMPLATES,
    STRANGERS,
    Words,
    false_sentence,
    falsified,
    filled,
    made_world,
    sayings,
    sentence,
)
from tests.core.research.grounding_truths import TRUE_CLAIMS

MARCH, MID, LAST = date(2024, 3, 1), date(2024, 3, 14), date(2024, 3, 28)
SENTENCES = 5_000
SEED = 20_240_301


@pytest.fixture(scope="module")
def measures() -> Measures:
    return Measures.load(DATA / "measures.yaml")


def _figure(
    entity: str, measure: str, value: float, unit: Unit = "number", *, first: date | None = None, step: int = 1
) -> Figure:
    currency = "USD" if unit in {"price", "money"} else ""
    return Figure(
        entity=entity, measure=measure, value=value, unit=unit, day=LAST, first=first, currency=currency, step=step
    )


FIGURES = (
    _figure("AAPL", "close", 171.48, "price"),
    Figure(entity="AAPL", measure="close", value=179.66, unit="price", day=MARCH, currency="USD", step=1),
    _figure("AAPL", "price_return", -0.0512, "fraction", first=MARCH),
    _figure("AAPL", "volatility", 0.2345, "fraction", first=MARCH),
    _figure("AAPL", "rsi_14", 44.37),
    _figure("AAPL", "sessions", 20, first=MARCH),
    _figure("AAPL", "weight", 0.1234, "fraction", step=3),
    _figure("AAPL", "quantity", 120, step=3),
    _figure("AAPL", "unrealised", -2_345.6, "money", step=3),
    _figure("MSFT", "close", 420.72, "price", step=2),
    _figure("MSFT", "price_return", 0.0171, "fraction", first=MARCH, step=2),
    _figure("MSFT", "rsi_14", 61.25, step=2),
    _figure("portfolio", "portfolio_value", 1_234_567.89, "money", step=3),
    _figure("portfolio", "time_weighted", 0.0321, "fraction", first=MARCH, step=3),
    _figure("portfolio", "max_drawdown", -0.0456, "fraction", first=MARCH, step=3),
    Figure(
        entity="portfolio",
        measure="max_drawdown",
        value=-0.0456,
        unit="fraction",
        first=date(2024, 3, 5),
        day=MID,
        step=3,
    ),
    Figure(
        entity="AAPL",
        measure="contribution",
        value=-512.3,
        unit="money",
        first=date(2024, 3, 5),
        day=MID,
        step=3,
        currency="USD",
    ),
    _figure("portfolio", "excess_return", 0.0032, "fraction", first=MARCH, step=3),
    _figure("portfolio", "beta", 1.153, first=MARCH, step=3),
    _figure("SP500", "time_weighted", 0.0289, "fraction", first=MARCH, step=3),
    Figure(entity="portfolio", measure="result", value=0.6789, unit="number", step=4),
    Figure(
        entity="AAPL", measure="peak_day", value=date(2024, 3, 5).toordinal(), unit="date", day=date(2024, 3, 5), step=1
    ),
)
EVIDENCE = Evidence(
    figures=FIGURES,
    entities=(
        Entity(key="AAPL", names=("Apple Inc.", "Apple")),
        Entity(key="MSFT", names=("Microsoft Corporation",)),
        Entity(key="portfolio", names=("US stocks",)),
        Entity(key="SP500", names=("S&P 500", "the benchmark")),
    ),
    steps=tuple(
        Step(number=each, tool="price_history", arguments={}, words="Prices", source=Source(title="bars", as_of=LAST))
        for each in range(1, 5)
    ),
)


def _told(text: str, measures: Measures) -> list[tuple[str, bool]]:
    return [(text[mark.start : mark.end], mark.is_verified) for mark in marks(text, EVIDENCE, measures)]


TRUE = [
    ("AAPL closed at $171.48 on 28 March 2024 [1].", 2),
    ("Apple fell 5.1 % in March 2024, while Microsoft gained 1.7 %.", 2),
    ("AAPL and MSFT closed at 171.48 and 420.72, respectively.", 2),
    ("The RSI of AAPL is 44.4 and its volatility is 23.5 %.", 2),
    ("| Symbol | Close | Return |\n|---|---|---|\n| AAPL | 171.48 | −5.1 % |\n| MSFT | 420.72 | 1.7 % |", 4),
    ("| | AAPL | MSFT |\n|---|---|---|\n| RSI | 44.37 | 61.25 |\n| Close | 171.48 | 420.72 |", 4),
    ("| Symbol | Return (%) |\n|---|---|\n| AAPL | −5.12 |", 1),
    ("Your portfolio is worth $1.23 million.", 1),
    ("Your portfolio is worth about $1,234,568.", 1),
    ("Your portfolio returned 3.2 % in March, 0.3 percentage points ahead of the S&P 500 (2.9 %).", 3),
    ("The maximum drawdown was 4.6 %.", 1),
    ("- **AAPL**: 120 shares, 12.3 % of the portfolio, unrealised loss of $2,345.60", 3),
    ("AAPL hat am 28. März 2024 bei 171,48 USD geschlossen.", 2),
    ("Der RSI von AAPL beträgt 44,4. Die Volatilität beträgt 23,5 %.", 2),
    ("Das Portfolio hat einen Wert von 1.234.567,89 USD.", 1),
    ("Das Portfolio hat einen Wert von 1,23 Mio. USD.", 1),
    ("Apple a clôturé à 171,48 USD.", 1),
    ("On 1 March 2024 AAPL closed at 179.66, on 28 March at 171.48.", 4),
    ("AAPL fell from 179.66 on 1 March 2024 to 171.48 on 28 March 2024.", 4),
    ("The portfolio's beta against the S&P 500 was 1.15.", 1),
    ("AAPL closed at 171.48 (−5.1 %).", 2),
    ("### AAPL\n\n- Close: 171.48\n- RSI(14): 44.4\n- Volatility: 23.45 %", 3),
    ("Closing prices on 28 March 2024:\n\n- AAPL: 171.48\n- MSFT: 420.72", 3),
    ("From peak to trough, AAPL cost you money: a contribution of −$512.30.", 1),
    ("The drawdown ran from 5 March 2024 to 14 March 2024 and was 4.56 %.", 3),
    ("The ratio is 0.679 [4].", 1),
    ("AAPL traded over 20 sessions.", 1),
    ("AAPL peaked on 5 March 2024.", 1),
    ("Your portfolio returned 3.2 % versus 2.9 % for the S&P 500.", 2),
    ("Your portfolio beat the S&P 500 by 0.32 percentage points.", 1),
    ("Microsoft's RSI of 61.3 is above Apple's 44.4.", 2),
]
FALSE = [
    "AAPL rose 5.1 % in March 2024.",
    "MSFT closed at 171.48.",
    "Tesla closed at 171.48.",
    "TSLA closed at 171.48.",
    "Apple Hospitality closed at 171.48.",
    "The RSI of AAPL is 23.45.",
    "The volatility of AAPL is 5.12 %.",
    "The highest RSI of AAPL was 44.37.",
    "AAPL closed at 171.48 on 27 March 2024.",
    "AAPL closed at 171.48 on 1 March 2024.",
    "In 2023 AAPL fell 5.1 %.",
    "Over the last year AAPL fell 5.1 %.",
    "AAPL closed at €171.48.",
    "AAPL closed at $171.48 million.",
    "AAPL closed at 171.48 %.",
    "AAPL's beta was 1.153.",
    "AAPL and MSFT closed at 420.72 and 171.48, respectively.",
    "| Symbol | Close |\n|---|---|\n| MSFT | 171.48 |\n| AAPL | 420.72 |",
    "| Symbol | RSI |\n|---|---|\n| AAPL | 171.48 |",
    "### MSFT\n\n- Close: 171.48\n- RSI: 44.37",
    "AAPL: price target 171.48.",
    "AAPL peaked on 1 March 2024.",
    "The drawdown lasted 35 days.",
    "Your portfolio is worth $1.23 billion.",
    "Your portfolio is worth $1.24 million.",
    "AAPL's return was not −5.12 %.",
    "Yesterday AAPL closed at 171.48.",
    "AAPL's unrealised gain is $2,345.60.",
    "AAPL and MSFT both closed at 420.72.",
    "MSFT gained 1.7 % on 28 March 2024.",
    "AAPL, not MSFT, closed at 420.72.",
    "AAPL's competitor closed at 171.48.",
    "Samsung, a rival of Apple, closed at 171.48.",
    "Analysts expect AAPL to reach 171.48.",
    "tesla closed at 171.48.",
    "The weekly return of AAPL was −5.12 %.",
    "MSFT closed higher than AAPL, at 171.48.",
    "The S&P 500 returned 3.2 %.",
    "The S&P 500 beat your portfolio by 0.32 percentage points.",
    "Your portfolio trailed the S&P 500 by 0.32 percentage points.",
]
NO_FIGURES = [
    "See [1] and [2, 3].",
    "1. First\n2. Second",
    "RSI(14) and the 50-day average are indicators; the S&P 500 is an index.",
    "Form 10-K and form 8-K were filed; see Q1 2024.",
    "In 2024 prices moved.",
    "VaR at 95 % confidence was asked for.",
    "Over the last 30 days nothing was traded.",
    "It is 14:30 now.",
    "",
    "   \n\n | | |\n",
]


@pytest.mark.parametrize(("text", "figures"), TRUE, ids=count())
def test_what_a_step_returned_is_verified(text: str, figures: int, measures: Measures) -> None:
    told = _told(text, measures)

    assert [is_verified for _, is_verified in told] == [True] * figures, told


@pytest.mark.parametrize("text", FALSE, ids=count())
def test_what_no_step_returned_for_it_is_not_verified(text: str, measures: Measures) -> None:
    told = _told(text, measures)

    assert told
    assert not any(is_verified for _, is_verified in told), told


@pytest.mark.parametrize("text", NO_FIGURES, ids=count())
def test_names_with_digits_are_no_figures(text: str, measures: Measures) -> None:
    assert _told(text, measures) == []


def test_a_mark_says_which_figure_it_is_or_why_it_is_none(measures: Measures) -> None:
    text = "AAPL closed at 171.48. MSFT closed at 171.48. AAPL closed at 3."

    one, two, three = marks(text, EVIDENCE, measures)

    assert (one.step, one.words) == (1, "AAPL close on 2024-03-28: 171.48 USD, step 1")
    assert (two.step, two.words) == (None, "Returned for AAPL, not for MSFT.")
    assert three.words == "No step returned this."


def test_without_figures_nothing_is_verified(measures: Measures) -> None:
    assert [mark.is_verified for mark in marks("AAPL closed at 171.48.", Evidence(), measures)] == [False]


@pytest.mark.slow
def test_of_many_true_sentences_nearly_all_are_verified(measures: Measures) -> None:
    draw, alarms = random.Random(SEED), []
    for number in range(SENTENCES):
        if number % 50 == 0:
            world = made_world(number)
        text, at = sentence(sayings(world, draw), draw)
        found = [mark for mark in marks(text, world.evidence, measures) if mark.start <= at < mark.end]
        if not found or not found[0].is_verified:
            alarms.append(text)

    assert len(alarms) / SENTENCES <= 0.05, alarms[:20]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_of_many_false_sentences_none_is_verified(seed: int, measures: Measures) -> None:
    draw, number, wrong = random.Random(SEED + seed), 0, []
    while number < SENTENCES:
        if number % 50 == 0:
            world = made_world(SEED + seed * SENTENCES + number)
        changed = falsified(sayings(world, draw), draw, world)
        said = None if changed is None else false_sentence(*changed, draw)
        if changed is None or said is None:
            continue
        number += 1
        text, at = said
        found = [mark for mark in marks(text, world.evidence, measures) if mark.start <= at + 1 < mark.end]
        wrong += [(changed[1], text, mark.words) for mark in found if mark.is_verified]

    assert wrong == []


@pytest.mark.parametrize("template", [*GERMAN_TEMPLATES, *FRENCH_TEMPLATES], ids=count())
def test_decimals_after_a_comma_are_read(template: str, measures: Measures) -> None:
    world = made_world(3)
    is_german = template in GERMAN_TEMPLATES
    for figure in [each for each in world.prices if each.measure == "close"]:
        assert figure.day is not None
        number = f"{figure.value:,.2f}".translate(str.maketrans(".,", ",.")) + " USD"
        when = f"am {figure.day.day}. März 2024" if is_german else f"le {figure.day.day} mars 2024"
        text, at = filled(template, Words(figure, figure.entity, number, when, "close"))

        found = [mark for mark in marks(text, world.evidence, measures) if mark.start <= at < mark.end]

        assert [mark.is_verified for mark in found] == [True], text


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_name_that_nobody_looked_up_takes_no_figure(stranger: str, measures: Measures) -> None:
    for text in (
        f"{stranger} closed at 171.48.",
        f"The close of {stranger} was 171.48.",
        f"AAPL was looked at. {stranger}'s close was 171.48.",
        f"- {stranger}: close 171.48",
        f"| Symbol | Close |\n|---|---|\n| {stranger} | 171.48 |",
        f"### {stranger}\n\n- Close: 171.48",
    ):
        assert not any(is_verified for _, is_verified in _told(text, measures)), text


HOSTILE = {
    "digits": "1",
    "commas": "1,",
    "points": "1.1.",
    "cells": "|",
    "rows": "|1" * 50 + "\n",
    "spaces": " ",
    "lines": "\n",
    "signs": "-",
    "names": "AAPL, MSFT and ",
    "strangers": "Aa ",
    "measures": "close ",
    "dates": "1 March 2024 ",
    "windows": "2024-03-01 to ",
    "brackets": "[",
    "shares": "AAPL 12.5 % close ",
    "groups": "1 000 000 ",
    "bullets": "- 1\n",
    "separators": "|---",
    "headings": "# ",
    "zeros": "\0",
    "quotes": "’s",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_takes_no_long_time(name: str, measures: Measures) -> None:
    text = (HOSTILE[name] * 100_000)[:100_000]
    begun = time.process_time()

    marks(text, EVIDENCE, measures)

    assert time.process_time() - begun < 5


def _day(entity: str, measure: str, day: date) -> Figure:
    return Figure(entity=entity, measure=measure, value=day.toordinal(), unit="date", day=day, step=2)


MORE = EVIDENCE.model_copy(
    update={
        "figures": (
            *FIGURES,
            _day("AAPL", "filed_day", date(2023, 11, 3)),
            _day("AAPL", "period_end", date(2023, 9, 30)),
            _day("AAPL", "published_day", date(2024, 3, 20)),
            _day("portfolio", "peak_day", date(2024, 3, 5)),
            _day("portfolio", "trough_day", MID),
            _day("portfolio", "recovered_day", date(2024, 3, 21)),
            _figure("AAPL", "filings", 3, step=2),
            _figure("portfolio", "money_weighted", 0.0456123, "fraction", first=MARCH, step=2),
            _figure("portfolio", "cash", 15_000.5, "money", step=2),
            _figure("portfolio", "cash_after", 12_345.67, "money", step=2),
            _figure("AAPL", "weight_after", 0.1478, "fraction", step=2),
            _figure("AAPL", "quantity_after", 130, step=2),
            _figure("AAPL", "trade_quantity", 10, step=2),
            _figure("MSFT", "quantity", 120, step=3),
            _figure("MSFT", "weight", 0.2345, "fraction", step=3),
            _figure("MSFT", "contribution", 1_234.5, "money", first=MARCH, step=2),
            _figure("AAPL", "contribution", -987.6, "money", first=MARCH, step=2),
            _figure("MSFT", "contribution_share", 0.0102, "fraction", first=MARCH, step=2),
            _figure("AAPL", "contribution_share", -0.0081, "fraction", first=MARCH, step=2),
            _figure("AAPL", "highest_close", 182.3, "price", first=MARCH, step=2),
            _figure("AAPL", "lowest_close", 169.1, "price", first=MARCH, step=2),
            Figure(
                entity="AAPL",
                measure="reported_revenue",
                value=383_285_000_000,
                unit="money",
                first=date(2022, 10, 1),
                day=date(2023, 9, 30),
                currency="USD",
                step=2,
            ),
        )
    }
)


@pytest.mark.parametrize("claim", FALSE_CLAIMS, ids=range(len(FALSE_CLAIMS)))
def test_no_false_claim_is_verified(claim: tuple[str, tuple[str, ...]], measures: Measures) -> None:
    text, false = claim

    verified = [told for told, is_verified in _told(text, measures) if is_verified]

    assert not [told for told in verified if any(each in told for each in false)], text


@pytest.mark.parametrize("claim", TRUE_CLAIMS, ids=range(len(TRUE_CLAIMS)))
def test_true_claims_are_verified(claim: tuple[str, int], measures: Measures) -> None:
    text, count_of = claim

    found = marks(text, MORE, measures)

    assert [mark.is_verified for mark in found] == [True] * count_of, text

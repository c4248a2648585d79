"""Figures as tools return them, and sentences about them: true ones in many phrasings, and false ones made of those."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from core.ai.evidence import Entity, Evidence, Figure, Source, Step, Unit

FIRST, LAST = date(2024, 3, 1), date(2024, 3, 28)
YEAR = date(2023, 3, 29)
NAMES = {"AAPL": "Apple", "MSFT": "Microsoft", "NVDA": "Nvidia", "KO": "Coca-Cola"}
STRANGERS = ("Tesla", "TSLA", "Amazon", "AMZN", "Boeing", "IBM", "Siemens", "NFLX")
PORTFOLIO, BENCHMARK = "portfolio", "SP500"
ENTITIES = (
    *(Entity(key=key, names=(f"{name} Inc.", name)) for key, name in NAMES.items()),
    Entity(key=PORTFOLIO, names=("Blue chips", "your portfolio", "the portfolio")),
    Entity(key=BENCHMARK, names=("S&P 500", "the S&P 500", "the benchmark", "benchmark")),
)


@dataclass(frozen=True)
class Claim:
    """What a sentence says of one figure."""

    figure: Figure
    said: str
    """Name of the measure."""
    is_signed: bool = False


@dataclass(frozen=True)
class World:
    """Figures of one answer."""

    evidence: Evidence
    prices: Sequence[Figure]
    changes: Sequence[Figure]
    stats: Sequence[Figure]
    amounts: Sequence[Figure]
    weights: Sequence[Figure]
    days: Sequence[date]


def made_world(seed: int) -> World:
    """The figures of one seed; no two of them are alike in their first three digits and of one size."""
    draw = random.Random(seed)
    days = [day for at in range(28) if (day := FIRST + timedelta(days=at)).weekday() < 5]
    prices: list[Figure] = []
    changes: list[Figure] = []
    stats: list[Figure] = []
    amounts: list[Figure] = []
    weights: list[Figure] = []
    for step, key in enumerate(NAMES, 1):
        level = draw.uniform(20, 900)
        for day in days:
            level *= 1 + draw.gauss(0, 0.02)
            for name, factor in (("close", 1.0), ("open", draw.uniform(0.98, 1.02)), ("high", 1.03), ("low", 0.96)):
                prices.append(_figure(key, name, round(level * factor, 2), "price", day, currency="USD", step=step))
            prices.append(_figure(key, "volume", draw.randint(10**6, 10**8), "number", day, step=step))
        changes.append(_window(key, "price_return", round(draw.gauss(0, 0.15), 6), step))
        stats += [
            _window(key, "volatility", round(draw.uniform(0.1, 0.6), 6), step),
            _window(key, "max_drawdown", -round(draw.uniform(0.03, 0.5), 6), step),
            _figure(key, "rsi_14", round(draw.uniform(15, 85), 4), "number", days[-1], step=step),
        ]
        weights.append(_figure(key, "weight", round(draw.uniform(0.02, 0.4), 6), "fraction", days[-1], step=6))
        amounts += [
            _figure(
                key, "holding_value", round(draw.uniform(2_000, 900_000), 2), "money", days[-1], currency="USD", step=6
            ),
            _figure(key, "unrealised", round(draw.gauss(0, 20_000), 2), "money", days[-1], currency="USD", step=6),
        ]
    amounts.append(
        _figure(
            PORTFOLIO,
            "portfolio_value",
            round(draw.uniform(10**6, 9 * 10**9), 2),
            "money",
            days[-1],
            currency="USD",
            step=7,
        )
    )
    changes.append(_window(PORTFOLIO, "time_weighted", round(draw.gauss(0, 0.12), 6), 7))
    changes.append(_window(BENCHMARK, "time_weighted", round(draw.gauss(0, 0.12), 6), 7))
    stats += [
        _window(PORTFOLIO, "volatility", round(draw.uniform(0.1, 0.6), 6), 7),
        _window(PORTFOLIO, "max_drawdown", -round(draw.uniform(0.03, 0.5), 6), 7),
        _window(PORTFOLIO, "sharpe", round(draw.gauss(0.6, 0.8), 6), 7, "number"),
        _window(PORTFOLIO, "beta", round(draw.uniform(0.3, 1.8), 6), 7, "number"),
    ]
    figures = (*prices, *changes, *stats, *amounts, *weights)
    steps = tuple(
        Step(
            number=number,
            tool="price_history",
            arguments={},
            words="Prices",
            source=Source(title="bars", as_of=days[-1]),
        )
        for number in range(1, 8)
    )
    return World(
        Evidence(steps=steps, figures=figures, entities=ENTITIES), prices, changes, stats, amounts, weights, days
    )


def _figure(key: str, measure: str, value: float, unit: Unit, day: date, *, currency: str = "", step: int) -> Figure:
    return Figure(entity=key, measure=measure, value=value, unit=unit, day=day, currency=currency, step=step)


def _window(key: str, measure: str, value: float, step: int, unit: Unit = "fraction") -> Figure:
    return Figure(entity=key, measure=measure, value=value, unit=unit, day=LAST, first=FIRST, step=step)


@dataclass(frozen=True)
class Said:
    """A sentence, and where in it the number stands that is judged."""

    text: str
    at: int
    figure: Figure
    is_true: bool = True
    what: str = ""


@dataclass(frozen=True)
class Words:
    """What a sentence is made of; what makes it false replaces one of them."""

    figure: Figure
    who: str
    number: str
    when: str
    said: str
    verb: str = ""


WORDS: dict[str, tuple[str, ...]] = {
    "close": ("close", "closing price"),
    "open": ("opening price", "open"),
    "high": ("day's high", "high"),
    "low": ("day's low", "low"),
    "volume": ("volume",),
    "volatility": ("volatility", "annualised volatility"),
    "max_drawdown": ("maximum drawdown", "max drawdown", "deepest drawdown"),
    "rsi_14": ("RSI", "RSI(14)", "14-day RSI"),
    "sharpe": ("Sharpe ratio", "Sharpe"),
    "beta": ("beta",),
    "weight": ("weight",),
    "holding_value": ("value", "market value", "position value"),
    "portfolio_value": ("value", "total value"),
    "unrealised": ("unrealised gain", "unrealised result"),
    "price_return": ("return", "price return"),
    "time_weighted": ("return", "time-weighted return"),
}
OTHER_WORDS: dict[str, tuple[str, ...]] = {
    "close": ("RSI", "20-day average", "opening price", "price target"),
    "open": ("close", "day's low"),
    "high": ("close", "day's low", "upper band"),
    "low": ("close", "day's high"),
    "volume": ("average volume", "market cap"),
    "volatility": ("maximum drawdown", "hit rate", "weight"),
    "max_drawdown": ("volatility", "gross margin", "weight"),
    "rsi_14": ("ADX", "beta", "Sharpe ratio"),
    "sharpe": ("beta", "Sortino ratio", "correlation"),
    "beta": ("Sharpe ratio", "correlation", "P/E ratio"),
    "weight": ("volatility", "dividend yield", "return"),
    "holding_value": ("dividends", "cash", "realised gain"),
    "portfolio_value": ("cash", "fees", "income"),
    "unrealised": ("realised gain", "income", "market value"),
    "price_return": ("volatility", "maximum drawdown", "weight"),
    "time_weighted": ("volatility", "hit rate", "maximum drawdown"),
}
LEVEL_TEMPLATES = (
    "{who}'s {said} {when} was {number}.",
    "The {said} of {who} {when} was {number} [1].",
    "{When}, {who} had a {said} of {number}.",
    "{who}: {said} {number} ({when}).",
    "- **{who}**: {said} of {number} {when}",
    "With a {said} of {number} {when}, {who} stands out.",
    "Looking at {who}, the {said} stood at {number} {when} [2].",
    "For {who}, the {said} was {number} {when}; that is all that was asked.",
    "I looked it up. {who}'s {said} {when}: **{number}**.",
    "{who} is the one you asked about. Its {said} was {number} {when}.",
    "### {who}\n\n- {said}: {number} {when}\n",
    "### {who}, {when}\n\n- {said}: {number}\n- source: step 3\n",
    "{When}:\n\n- {who}: {said} {number}\n",
    "| Symbol | Day | {Said} |\n|---|---|---|\n| {who} | {when} | {number} |\n",
    "| Metric | {who} |\n|---|---|\n| {Said} ({when}) | {number} |\n",
    "Here is what I found {when}.\n\n| | {Said} |\n| --- | ---: |\n| {who} | {number} |\n",
    "1. {who}: {said} of {number} {when}\n",
    "The figures are these: {who} had a {said} of {number} {when}.",
    "It was {number} {when}, the {said} of {who}.",
)
NEWEST_TEMPLATES = (
    "{who}'s {said} is {number}.",
    "The {said} of {who} is now {number} [3].",
    "{who} has a {said} of {number}.",
    "{who}: {said} {number}",
    "- {said} of {who}: {number}",
    "Currently the {said} of {who} stands at {number}.",
    "{Said} of {who}: {number}.",
    "The latest {said} of {who} is {number}, as step 2 shows.",
    "| Symbol | {Said} |\n|---|---|\n| {who} | {number} |\n",
    "**{who}**\n- {said}: {number}\n",
)
CHANGE_TEMPLATES = (
    "{who} {verb} {number} {when}.",
    "{When}, {who} {verb} {number} [1].",
    "{When} {who} {verb} by {number}.",
    "{who} {verb} {number} {when}, which is what you asked for.",
    "You asked about {who}: it {verb} {number} {when}.",
    "{who} has {verb} {number} {when} [2].",
    "While prices moved, {who} {verb} {number} {when}.",
    "- {who} {verb} {number} {when}",
)
RETURN_TEMPLATES = (
    "{who}'s {said} {when} was {number}.",
    "{When}, the {said} of {who} was {number}.",
    "{who}: {number} {when} ({said})",
    "The {said} of {who} came to {number} {when} [4].",
    "| Symbol | {Said} {when} |\n|---|---|\n| {who} | {number} |\n",
    "| | {who} |\n|---|---|\n| {Said}, {when} | {number} |\n",
    "{who} had a {said} of {number} {when}.",
    "**{who}** – {said} {when}: {number}",
)
WEIGHT_TEMPLATES = (
    "{who} makes up {number} of your portfolio.",
    "{who} accounts for {number} of the portfolio [1].",
    "{who} has a weight of {number}.",
    "{number} of your portfolio is {who}.",
    "Weight of {who}: {number}",
    "| Holding | Weight |\n|---|---|\n| {who} | {number} |\n",
)
GERMAN_TEMPLATES = (
    "{who} hatte {when} einen Schlusskurs von {number}.",
    "Der Schlusskurs von {who} lag {when} bei {number}.",
    "Schlusskurs von {who} {when}: {number}",
)
FRENCH_TEMPLATES = ("Le cours de {who} {when} était de {number}.", "{who} : clôture de {number} {when}.")
GERMAN_MONTHS = {3: "März"}
FRENCH_MONTHS = {3: "mars"}


def sayings(world: World, draw: random.Random) -> Words:
    """The words of a true sentence about one of the figures."""
    group = draw.choice((world.prices, world.prices, world.changes, world.stats, world.amounts, world.weights))
    figure = draw.choice(group)
    return words_of(figure, draw, world)


def words_of(figure: Figure, draw: random.Random, world: World) -> Words:
    """A figure in words."""
    verb = draw.choice(
        ("gained", "rose", "returned", "was up") if figure.value > 0 else ("lost", "fell", "dropped", "was down")
    )
    said = draw.choice(WORDS[figure.measure])
    return Words(figure, _who(figure.entity, draw), written(figure, draw), _when(figure, draw), said, verb)


def _who(key: str, draw: random.Random) -> str:
    if key == PORTFOLIO:
        return draw.choice(("your portfolio", "the portfolio"))
    if key == BENCHMARK:
        return draw.choice(("the S&P 500", "the benchmark"))
    return draw.choice((key, NAMES[key]))


def _when(figure: Figure, draw: random.Random) -> str:
    day = figure.day or LAST
    if figure.first is not None:
        return draw.choice(
            (
                "in March 2024",
                "from 1 to 28 March 2024",
                "between 1 March 2024 and 28 March 2024",
                "from 2024-03-01 to 2024-03-28",
                "since 1 March 2024",
                "month to date",
                "over 1–28 March 2024",
                "in March",
            )
        )
    return draw.choice(
        (
            f"on {day.day} {day:%B %Y}",
            f"on {day.isoformat()}",
            f"on {day:%B} {day.day}, {day.year}",
            f"on {day.day} {day:%B}",
            f"as of {day.isoformat()}",
        )
    )


def written(figure: Figure, draw: random.Random, *, signed: bool | None = None) -> str:
    """A figure's value as an answer may write it: rounded, scaled, with or without its currency."""
    value = figure.value
    sign = "−" if value < 0 else ""
    size = abs(value)
    if figure.unit == "fraction":
        digits = draw.choice((1, 2, 2, 2)) if size >= 0.01 else 2
        space = draw.choice(("", " "))
        return f"{sign}{size * 100:.{digits}f}{space}%" if signed is not False else f"{size * 100:.{digits}f}{space}%"
    if figure.unit == "number":
        body = f"{size:,.0f}" if figure.measure == "volume" else f"{size:.{draw.choice((2, 2, 3))}f}"
        if figure.measure == "volume" and draw.random() < 0.5:
            body = draw.choice((f"{size / 1e6:.2f} million", f"{size / 1e6:.1f}M"))
        return f"{sign}{body}"
    if figure.unit == "price":
        return draw.choice((f"${size:,.2f}", f"{size:,.2f}", f"{size:.2f} USD", f"USD {size:,.2f}", f"${size:,.1f}"))
    plain = (f"${size:,.2f}", f"${size:,.0f}", f"USD {size:,.2f}", f"{size:,.2f} dollars")
    scaled = (f"${size / 1e6:.2f} million", f"${size / 1e6:.3f}m") if size >= 10**6 else (f"${size / 1e3:.2f}k",)
    big = (f"${size / 1e9:.2f} billion", f"${size / 1e9:.2f}bn") if size >= 10**9 else ()
    body = draw.choice((*plain, *scaled, *big))
    return f"{sign}{body}"


def sentence(words: Words, draw: random.Random) -> tuple[str, int]:
    """A sentence of these words, and the place of its number."""
    figure = words.figure
    if figure.measure in {"price_return", "time_weighted"}:
        is_verb = draw.random() < 0.5
        templates: Sequence[str] = CHANGE_TEMPLATES if is_verb else RETURN_TEMPLATES
        number = words.number.lstrip("−+") if is_verb else words.number
        words = replace(words, number=number)
    elif figure.measure == "weight":
        templates = WEIGHT_TEMPLATES
    else:
        newest = figure.day == LAST
        templates = (*LEVEL_TEMPLATES, *NEWEST_TEMPLATES) if newest else LEVEL_TEMPLATES
    return filled(draw.choice(templates), words)


def filled(template: str, words: Words) -> tuple[str, int]:
    """A template with its words, and the place of its number."""
    mark = "\x01"
    text = template.format(
        who=words.who,
        number=mark,
        when=words.when,
        When=words.when[:1].upper() + words.when[1:],
        said=words.said,
        Said=words.said[:1].upper() + words.said[1:],
        verb=words.verb,
    )
    text = text[:1].upper() + text[1:] if text[:1].islower() else text
    at = text.index(mark)
    return text.replace(mark, words.number), at


def falsified(words: Words, draw: random.Random, world: World) -> tuple[Words, str] | None:
    """The same words with one of them wrong, and what is wrong; None where this drawing changes nothing."""
    name = draw.choice(tuple(FALSE))
    changed = FALSE[name](words, draw, world)
    return None if changed is None or changed == words else (changed, name)


def _rendered_like(figure: Figure, number: str) -> bool:
    """Whether a figure might be written so, whatever its sign: what is false must not be true of another reading."""
    digits = "".join(each for each in number if each.isdigit() or each == ".").rstrip(".")
    return _close(figure, number, digits)


def _close(figure: Figure, number: str, digits: str) -> bool:
    scale = next((factor for word, factor in SCALES.items() if number.endswith(word)), 1.0)
    decimals = len(digits.partition(".")[2])
    size = abs(figure.value) * (100 if figure.unit == "fraction" else 1) / scale
    return bool(abs(size - float(digits)) <= 0.51 * 10.0**-decimals)


SCALES = {"million": 1e6, "m": 1e6, "M": 1e6, "billion": 1e9, "bn": 1e9, "k": 1e3}


def _other_digit(words: Words, draw: random.Random, _world: World) -> Words | None:
    places = [at for at, each in enumerate(words.number) if each.isdigit()]
    at = draw.choice(places)
    digit = draw.choice([each for each in "0123456789" if each != words.number[at]])
    number = words.number[:at] + digit + words.number[at + 1 :]
    return None if _rendered_like(words.figure, number) else replace(words, number=number)


def _other_sign(words: Words, draw: random.Random, _world: World) -> Words | None:
    figure = words.figure
    if figure.measure in {"price_return", "time_weighted"}:
        verb = draw.choice(("lost", "fell") if figure.value > 0 else ("gained", "rose"))
        number = words.number.lstrip("−") if figure.value < 0 else f"−{words.number}"
        return replace(words, verb=verb, number=number)
    if figure.measure in {"unrealised", "sharpe"}:
        return replace(words, number=words.number.lstrip("−") if figure.value < 0 else f"−{words.number}")
    if figure.unit in {"price", "number"} and words.number[:1].isdigit():
        return replace(words, number=f"−{words.number}")
    return None


def _other_entity(words: Words, draw: random.Random, world: World) -> Words | None:
    if draw.random() < 0.4:
        return replace(words, who=draw.choice(STRANGERS))
    key = draw.choice([each for each in (*NAMES, PORTFOLIO, BENCHMARK) if each != words.figure.entity])
    alike = [each for each in world.evidence.figures if each.entity == key and _close_any(each, words)]
    return None if alike else replace(words, who=_who(key, draw))


def _close_any(figure: Figure, words: Words) -> bool:
    return figure.unit == words.figure.unit and _rendered_like(figure, words.number)


def _other_measure(words: Words, draw: random.Random, world: World) -> Words | None:
    if words.figure.measure == "weight":
        return None
    said = draw.choice(OTHER_WORDS[words.figure.measure])
    alike = [
        each
        for each in world.evidence.figures
        if each.entity == words.figure.entity and each.measure != words.figure.measure and _close_any(each, words)
    ]
    return None if alike else replace(words, said=said, verb="had a " + said + " of")


def _other_day(words: Words, draw: random.Random, world: World) -> Words | None:
    figure = words.figure
    if figure.first is not None:
        when = (
            "in February 2024",
            "in 2023",
            "in April 2024",
            "from 4 to 28 March 2024",
            "since 1 January 2024",
            "in March 2023",
            "over the last year",
            "year to date",
            "in the first quarter of 2024",
            "between 1 March 2024 and 14 March 2024",
            "in 2024",
        )
        return replace(words, when=draw.choice(when))
    others = [
        each
        for each in world.evidence.figures
        if each.entity == figure.entity and each.measure == figure.measure and not _close_any(each, words)
    ]
    days = [each.day for each in others if each.day] or [date(2024, 2, 20), date(2023, 3, 28), date(2024, 4, 2)]
    day = draw.choice(days)
    dates = [f"on {day.day} {day:%B %Y}", f"on {day.isoformat()}"]
    if day.year == LAST.year:
        dates.append(f"on {day:%B} {day.day}")
    return replace(words, when=draw.choice(dates))


def _other_unit(words: Words, _draw: random.Random, _world: World) -> Words | None:
    figure = words.figure
    if figure.unit == "fraction":
        bare = words.number.replace("%", "").strip()
        return replace(words, number=bare)
    if figure.unit == "number" and words.number[-1:].isdigit():
        return replace(words, number=f"{words.number} %")
    if words.number.startswith("$"):
        return replace(words, number="€" + words.number[1:])
    return None


def _other_scale(words: Words, draw: random.Random, world: World) -> Words | None:
    number = words.number
    for one, two in (("million", "billion"), ("billion", "million"), ("bn", "m"), ("k", "m"), ("M", "k")):
        if number.endswith(one):
            return replace(words, number=number.removesuffix(one) + two)
    if words.figure.unit == "fraction":
        size = abs(words.figure.value) * draw.choice((1, 10, 1_000, 10_000))
        text = f"{size:.4f} %"
        return None if _rendered_like(words.figure, text.removesuffix(" %")) else replace(words, number=text)
    if number[-1:].isdigit():
        return replace(words, number=number + draw.choice((" million", "k", " thousand")))
    return None


Change = Callable[[Words, random.Random, World], "Words | None"]
FALSE: dict[str, Change] = {
    "digit": _other_digit,
    "sign": _other_sign,
    "entity": _other_entity,
    "measure": _other_measure,
    "day": _other_day,
    "unit": _other_unit,
    "scale": _other_scale,
}


def false_sentence(words: Words, name: str, draw: random.Random) -> tuple[str, int] | None:
    """A sentence in which the wrong word stands."""
    figure = words.figure
    is_change = figure.measure in {"price_return", "time_weighted"}
    if is_change:
        use_verb = name != "measure" and draw.random() < 0.5
        templates: Sequence[str] = CHANGE_TEMPLATES if use_verb else RETURN_TEMPLATES
        if use_verb:
            words = replace(words, number=words.number.lstrip("−+"))
    elif figure.measure == "weight":
        if name in {"measure", "day"}:
            return None
        templates = WEIGHT_TEMPLATES
    else:
        is_timeless = name != "day" and figure.day == LAST
        templates = (*LEVEL_TEMPLATES, *NEWEST_TEMPLATES) if is_timeless else LEVEL_TEMPLATES
    template = draw.choice([each for each in templates if name != "measure" or "{said}" in each.lower()])
    return filled(template, words)

"""Answers about how a portfolio did: returns, months, contributors, drawdowns, the benchmark, and risk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from core.research.offline import saying
from core.research.offline.asked import Asked
from core.research.offline.dates import MONTHS, Window
from core.research.offline.market_answers import after_the_day
from core.research.offline.steps import Result, Steps, Use

Row = Mapping[str, Any]
MOST_MONTHS = 36
"""Months that the tool tells at once."""
MOST_SPANS = 8
"""Spans of three years that are asked for."""
MOST_TOLD = 5
"""Holdings that are told of what brought a result."""
RISKS: tuple[tuple[str, str, str, str], ...] = (
    (r"\bvolatility\b|\bstandard deviation\b|\bhow volatile\b", "volatility", "volatility", "fraction"),
    (r"\bsharpe\b", "sharpe", "Sharpe ratio", "number"),
    (r"\bsortino\b", "sortino", "Sortino ratio", "number"),
    (r"\bbeta\b", "beta", "beta", "number"),
    (r"\balpha\b", "alpha", "alpha", "fraction"),
    (r"\br[\s-]?squared\b|\br²|\br2\b", "r_squared", "R²", "number"),
    (r"\bcalmar\b", "calmar", "Calmar ratio", "number"),
    (r"\bcvar\b|\bexpected shortfall\b", "cvar_95", "CVaR 95 %", "fraction"),
    (r"\bvar\b|\bvalue at risk\b", "var_95", "VaR 95 %", "fraction"),
    (r"\bcagr\b|\bcompound(?:ed)? annual\b", "cagr", "CAGR", "fraction"),
    (r"\bcorrelation\b", "correlation", "correlation", "number"),
    (
        r"\bmax(?:imum)? drawdown\b|\b(?:deepest|largest|worst|biggest) drawdown\b",
        "max_drawdown",
        "max drawdown",
        "signed",
    ),
)
"""Words of a question, the figure that they ask for, how it is called, and what it is."""


def window_arguments(window: Window | None, as_of: date) -> dict[str, Any]:
    """A window as the tools of portfolios take it."""
    if window is None or window.is_whole:
        return {} if window is None or window.last >= as_of else {"last": window.last}
    if window.kind == "month":
        return {"period": f"{window.first:%Y-%m}"}
    if window.kind == "year" and window.first is not None:
        return {"period": str(window.first.year)}
    return {"first": window.first, "last": None if window.last >= as_of else window.last}


def words_of(asked: Asked, result: Result, window: Window | None = None) -> str:
    """How an answer calls the window that a step looked at."""
    window = window or asked.window
    is_named = window is not None and window.kind in ("month", "quarter", "year") and window.last <= asked.context.as_of
    if window is not None and is_named and saying.as_day(result.get("first")) == window.first:
        return window.words
    return f"from {saying.day(result.get('first'))} to {saying.day(result.get('last'))}"


def _is_ahead(asked: Asked) -> bool:
    return any(window.first is not None and window.first > asked.context.as_of for window in asked.windows)


def _benchmark(asked: Asked) -> str | None:
    return next((each.symbol for each in asked.named if each.is_index), None)


def returns(asked: Asked, steps: Steps) -> str:
    """Returns of the windows that are named, of all time where none is."""
    if _is_ahead(asked):
        return after_the_day(asked)
    windows: Sequence[Window | None] = asked.windows or (None,)
    uses: list[Use] = [
        ("performance", {**window_arguments(each, asked.context.as_of), "benchmark": _benchmark(asked)})
        for each in windows
    ]
    results = steps.use_all(uses)
    told = [_returned(asked, result, window) for result, window in zip(results, windows, strict=True)]
    return told[0] if len(told) == 1 else "\n".join(f"- {each}" for each in told)


def _returned(asked: Asked, result: Result, window: Window | None) -> str:
    if result.error:
        return result.failure
    over = words_of(asked, result, window)
    wants_money = asked.has(r"\bmoney[\s-]weighted\b|\bxirr\b|\birr\b|\bmwr\b|\binternal rate\b")
    wants_time = not wants_money or asked.has(r"\btime[\s-]weighted\b|\btwr\b")
    parts = []
    if wants_time:
        parts.append(_time_weighted(asked, result, over))
    if wants_money:
        value, why = result.get("money_weighted"), result.get("money_weighted_note")
        note = f" ({why})" if why else ""
        parts.append(
            f"The portfolio's money-weighted return {over} is {saying.signed_percent(value)} "
            f"by XIRR, yearly{note} {result.cite}."
        )
    if compares(asked):
        parts.append(_beside(result, over))
    missing = result.get("missing_days")
    if missing:
        parts.append(f"{saying.number(missing)} days have no value for want of a price.")
    return " ".join(parts)


def _time_weighted(asked: Asked, result: Result, over: str) -> str:
    value, annual = result.get("time_weighted"), result.get("time_weighted_annual")
    why = result.get("time_weighted_note")
    told = f"The portfolio's time-weighted return {over} is {saying.signed_percent(value)}"
    if value is None and why:
        told += f" ({why})"
    if annual is not None and (
        asked.window is None or asked.has(r"\bannual|\bper year\b|\ba year\b|\byearly\b|\bcagr\b|p\.a\.")
    ):
        told += f", annualised {saying.signed_percent(annual)}"
    return f"{told} {result.cite}."


def compares(asked: Asked) -> bool:
    """Whether a benchmark is asked for."""
    return asked.has(
        r"\bbenchmark\b|\bagainst\b|\bversus\b|\bvs\b|\bcompare|\boutperform|\bunderperform|"
        r"\bbeat\b|\bahead of\b|\bbehind\b|\bmarket\b|"
        r"\brelative to\b"
    ) or bool(_benchmark(asked))


def _beside(result: Result, over: str) -> str:
    name, value, difference = result.get("benchmark"), result.get("benchmark_return"), result.get("difference")
    if value is None:
        why = result.get("benchmark_note")
        return f"The benchmark's return {over} is {saying.NOT_DEFINED}{f' ({why})' if why else ''} {result.cite}."
    told = f"{name} returned {saying.signed_percent(value)} {over} {result.cite}."
    if difference is None:
        return told
    word = "ahead of" if difference >= 0 else "behind"
    return f"{told} The portfolio is {word} the benchmark, difference {saying.signed_percent(difference)} {over}."


def beside(asked: Asked, steps: Steps) -> str:
    """The portfolio and its benchmark, in the same window."""
    return returns(asked, steps)


def extremes(asked: Asked, steps: Steps) -> str:
    """The best or worst month or year of a window."""
    if _is_ahead(asked):
        return after_the_day(asked)
    result = steps.use("performance", **window_arguments(asked.window, asked.context.as_of))
    if result.error:
        return result.failure
    key, name = (
        ("years", "year")
        if asked.has(r"\byears?\b(?<!in year)") and not asked.has(r"\bmonths?\b")
        else ("months", "month")
    )
    rows = [row for row in _periods(asked, steps, result, key) if isinstance(row.get("time_weighted"), int | float)]
    if not rows:
        return f"No {name} of this window has a return {result.cite}."
    parts = []
    for pattern, is_worst in (
        (r"\b(?:best|strongest|highest|top)\b", False),
        (r"\b(?:worst|weakest|lowest|poorest)\b", True),
    ):
        if asked.has(pattern):
            row = (min if is_worst else max)(rows, key=lambda each: float(each["time_weighted"]))
            parts.append(
                f"{'worst' if is_worst else 'best'} {name} was "
                f"{'in ' if name == 'year' else ''}{period_words(row.get('period'))}, return "
                f"{saying.signed_percent(row.get('time_weighted'))}"
            )
    return f"The portfolio's {saying.listed(parts)} {result.cite}."


def _periods(asked: Asked, steps: Steps, result: Result, key: str) -> list[Row]:
    """The months or years of the window; of many months those of each three years by themselves."""
    rows = result.rows(key)
    first, last = saying.as_day(result.get("first")), saying.as_day(result.get("last"))
    if key == "years" or len(rows) < MOST_MONTHS or first is None or last is None:
        return rows
    years = range(first.year, last.year + 1, 3)
    spans = [(max(first, date(year, 1, 1)), min(last, date(year + 2, 12, 31))) for year in years]
    parts = steps.use_all([("performance", {"first": begin, "last": end}) for begin, end in spans[-MOST_SPANS:]])
    return [row for each in parts for row in each.rows(key)]


def by_period(asked: Asked, steps: Steps) -> str:
    """Returns by month or by year, as a table."""
    result = steps.use("performance", **window_arguments(asked.window, asked.context.as_of))
    if result.error:
        return result.failure
    key = "years" if asked.has(r"\bby year\b|\beach year\b|\bper year\b|\byearly\b|\bevery year\b") else "months"
    rows = [
        [
            _span_of(str(row.get("period")), saying.as_day(result.get("first")), saying.as_day(result.get("last"))),
            saying.signed_percent(row.get("time_weighted")),
            saying.signed_percent(row.get("benchmark")),
        ]
        for row in result.rows(key)
    ]
    table = saying.table([key[:-1].capitalize(), "Return", "Benchmark"], rows[-saying.MOST_ROWS :])
    return f"The portfolio's returns by {key[:-1]} {result.cite}:\n\n{table}"


def _span_of(period: str, first: date | None, last: date | None) -> str:
    """A month or a year in a table; its days, where it was entered late, since its return is of these alone."""
    begin = saying.as_day(f"{period}-01" if "-" in period else f"{period}-01-01")
    if begin is None or first is None or last is None or not first.isoformat().startswith(period) or first == begin:
        return period
    months = 1 if "-" in period else len(MONTHS)
    index = begin.year * len(MONTHS) + begin.month - 1 + months
    following = date(index // len(MONTHS), index % len(MONTHS) + 1, 1)
    return f"{first} to {min(last, following - timedelta(days=1))}"


def period_words(period: Any) -> str:
    """A month or a year as a sentence has it."""
    day = saying.as_day(f"{period}-01")
    return f"{day:%B %Y}" if day is not None else str(period)


def contributors(asked: Asked, steps: Steps) -> str:
    """What holdings brought or cost in a window, the most first."""
    if _is_ahead(asked):
        return after_the_day(asked)
    result = steps.use("performance", **window_arguments(asked.window, asked.context.as_of), show="contributors")
    if result.error:
        return result.failure
    over, currency = words_of(asked, result), result.get("currency")
    if asked.symbols:
        every = {str(row.get("symbol")): row for row in (*result.rows("contributors"), *result.rows("detractors"))}
        lines = [_brought(every[each], currency) for each in asked.symbols if each in every]
        return f"{'; '.join(lines) or 'None of them brought or cost anything'} {over} {result.cite}."
    is_loss = asked.has(r"\b(?:detract|lost|loss|worst|cost|hurt|drag|least|lowest|weakest|negative)")
    rows = result.rows("detractors" if is_loss else "contributors")
    if not rows:
        return f"No holding {'cost' if is_loss else 'brought'} anything {over} {result.cite}."
    if asked.has(
        r"\b(?:which|what|who)\b.*\b(?:holding|position|stock|share|company)\b(?!s)|\btop "
        r"contributor\b(?!s)|\bthe most\b"
    ):
        word = "The largest loss" if is_loss else "The largest contribution"
        return f"{word} {over}: {_brought(rows[0], currency)} {result.cite}."
    told = "\n".join(f"- {_brought(row, currency)} {over}" for row in rows[:MOST_TOLD])
    return f"What {'cost' if is_loss else 'brought'} the most {over} {result.cite}:\n\n{told}"


def _brought(row: Row, currency: Any) -> str:
    share = f", {saying.signed_percent(row.get('share'))} of the start value" if row.get("share") is not None else ""
    return f"{row.get('symbol')} contribution {saying.signed_money(row.get('gain'), currency)}{share}"


def drivers(asked: Asked, steps: Steps) -> str:
    """What drove the deepest drawdown of a window: each holding between peak and trough."""
    if _is_ahead(asked):
        return after_the_day(asked)
    result = steps.use("performance", **window_arguments(asked.window, asked.context.as_of), show="drawdown")
    if result.error:
        return result.failure
    told, fall = _fallen(asked, result), result.get("max_drawdown")
    if not isinstance(fall, dict) or not fall.get("peak"):
        return told
    currency = result.get("currency")
    rows = [row for row in fall.get("contributions_peak_to_trough") or [] if isinstance(row.get("gain"), int | float)]
    losses = [row for row in rows if row["gain"] < 0][:MOST_TOLD]
    between = f"from {saying.day(fall.get('peak'))} to {saying.day(fall.get('trough'))}"
    if not losses:
        return f"{told} No holding lost in it."
    lead = (
        f"{losses[0].get('symbol')} drove it most: contribution "
        f"{saying.signed_money(losses[0]['gain'], currency)} {between} "
        f"{result.cite}."
    )
    table = saying.table(
        ["Symbol", "Contribution", "Of the start value"],
        [
            [
                str(row.get("symbol")),
                saying.signed_money(row.get("gain"), currency),
                saying.signed_percent(row.get("share")),
            ]
            for row in losses
        ],
    )
    return f"{told} {lead}\n\nContributions {between} {result.cite}:\n\n{table}"


def drawdown(asked: Asked, steps: Steps) -> str:
    """The deepest fall of a window, or how far the portfolio is below its high."""
    if _is_ahead(asked):
        return after_the_day(asked)
    result = steps.use("performance", **window_arguments(asked.window, asked.context.as_of), show="drawdown")
    if result.error:
        return result.failure
    if asked.has(r"\bcurrent(?:ly)?\b|\bnow\b|\bbelow (?:its|the|my) (?:high|peak)\b|\btoday\b"):
        value = saying.signed_percent(result.get("current_drawdown"))
        return f"The portfolio's current drawdown {words_of(asked, result)} is {value} {result.cite}."
    fall = result.get("max_drawdown")
    is_open = isinstance(fall, dict) and fall.get("peak") and not fall.get("recovery")
    if is_open and asked.has(r"\brecover") and asked.window is not None and asked.window.last < asked.context.as_of:
        later = steps.use("performance", first=asked.window.first, show="drawdown")
        return _fallen(replace(asked, windows=()), later) if not later.error else _fallen(asked, result)
    return _fallen(asked, result)


def _fallen(asked: Asked, result: Result) -> str:
    fall, over = result.get("max_drawdown"), words_of(asked, result)
    if not isinstance(fall, dict):
        return f"The portfolio's max drawdown {over} is {saying.NOT_DEFINED}: a day has no value {result.cite}."
    if not fall.get("peak"):
        return f"The portfolio had no drawdown {over} {result.cite}."
    told = (
        f"The portfolio's max drawdown {over} is {saying.signed_percent(fall.get('value'))} {result.cite}. "
        f"The peak was on {saying.day(fall.get('peak'))}, the trough on {saying.day(fall.get('trough'))}."
    )
    if fall.get("recovery"):
        return f"{told} It had recovered on {saying.day(fall['recovery'])}."
    return f"{told} It had not recovered by {saying.day(result.get('last'))}." if asked.has(r"\brecover") else told


def valued(asked: Asked, steps: Steps) -> str:
    """What the portfolio was worth on a past day."""
    if _is_ahead(asked):
        return after_the_day(asked)
    window = asked.window
    last = window.last if window is not None else asked.context.as_of
    result = steps.use("performance", last=last)
    if result.error:
        return result.failure
    amount = saying.money(result.get("value_end"), result.get("currency"))
    return f"The portfolio's value on {saying.day(result.get('last'))} was {amount} {result.cite}."


def risks(asked: Asked, steps: Steps) -> str:
    """Risk figures by name; the usual ones where none is named."""
    if _is_ahead(asked):
        return after_the_day(asked)
    arguments = window_arguments(asked.window, asked.context.as_of)
    result = steps.use("risk", **arguments, benchmark=_benchmark(asked))
    if result.error:
        return result.failure
    wanted = [row for row in RISKS if asked.has(row[0])] or [RISKS[place] for place in (0, 1, 3, 11)]
    over = words_of(asked, result)
    parts = [_risk(result, key, title, unit) for _, key, title, unit in wanted]
    basis = f"of {saying.number(result.get('n'))} observations"
    if result.get("risk_free_rate") is not None and any(
        key in ("sharpe", "sortino", "alpha") for _, key, _, _ in wanted
    ):
        basis += f", risk-free rate {saying.percent(result.get('risk_free_rate'))} a year"
    if any(key in ("beta", "alpha", "r_squared", "correlation") for _, key, _, _ in wanted):
        basis += f", benchmark {result.get('benchmark')}"
    return f"The portfolio's {saying.listed(parts)} {over} {result.cite}; {basis}."


def _risk(result: Result, key: str, title: str, unit: str) -> str:
    value = result.get(key)
    if value is None and isinstance(result.get("figures"), dict):
        value = result.get("figures", key)
    if isinstance(value, dict):
        value = value.get("value")
    if unit == "number":
        return f"{title} {saying.ratio(value, 3)}"
    return f"{title} {saying.signed_percent(value) if unit == 'signed' else saying.percent(value)}"

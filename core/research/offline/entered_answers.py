"""Answers about what was entered into a portfolio: trades, dividends, fees, deposits, counted, summed and dated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.research.offline import saying
from core.research.offline.asked import Asked
from core.research.offline.entities import Named
from core.research.offline.market_answers import after_the_day, label
from core.research.offline.performance_answers import window_arguments
from core.research.offline.steps import Result, Steps

MOST_ROWS = 20
KINDS: tuple[tuple[str, str, str], ...] = (
    (r"\bdividends?\b|\bdistributions?\b|\bpayouts?\b", "dividend", "dividends"),
    (r"\binterest\b", "interest", "interest"),
    (r"\bdeposit(?:s|ed)?\b|\bpaid in\b|\bput in\b|\bpay in\b", "deposit", "deposits"),
    (r"\bwithdraw(?:n|al|als|ew)?\b|\btaken out\b|\btook out\b", "withdrawal", "withdrawals"),
    (r"\bsplits?\b", "split", "splits"),
    (r"\bb(?:uy|uys|ought|uying)\b|\bpurchase[sd]?\b", "buy", "purchases"),
    (r"\bs(?:ell|ells|old|elling|ale|ales)\b", "sell", "sales"),
)
"""Words of a question, the kind of transaction that they ask for, and its plural."""
AMOUNTS: Mapping[str, str] = {
    "buy": "Bought",
    "sell": "Sold",
    "dividend": "Dividends",
    "interest": "Interest",
    "fee": "Account fees",
    "tax": "Taxes",
    "deposit": "Deposits",
    "withdrawal": "Withdrawals",
}
"""Kinds of transactions that have an amount, and what it is called."""


def entered(asked: Asked, steps: Steps) -> str:
    """What is asked of the transactions: how many, when, how much."""
    if any(window.first is not None and window.first > asked.context.as_of for window in asked.windows):
        return after_the_day(asked)
    is_list = asked.has(r"\b(?:list|show|table)\b.*\b(?:transactions|trades)\b")
    if not is_list and asked.has(r"\bfees?\b|\bcommissions?\b|\bcharges?\b|\btrading costs?\b|\bbrokerage\b"):
        return _costs(asked, _used(asked, steps, None), "fees")
    if asked.has(r"\btax(?:es)?\b|\bwithh(?:eld|olding)\b"):
        return _costs(asked, _used(asked, steps, None), "taxes")
    kind = next(((key, plural) for pattern, key, plural in KINDS if asked.has(pattern)), None)
    is_oldest = asked.has(r"\b(?:first|earliest|oldest|start|begin|began|initial(?:ly)?)\b")
    result = _used(asked, steps, kind[0] if kind else None, is_oldest=is_oldest)
    if result.error:
        return result.failure
    return _told(asked, result, kind, is_oldest=is_oldest)


def _told(asked: Asked, result: Result, kind: tuple[str, str] | None, *, is_oldest: bool) -> str:
    plural = kind[1] if kind else "transactions"
    if not result.get("count"):
        return f"There are no {plural}{_of(asked)}{_over(asked, result)} {result.cite}."
    if asked.has(r"\bhow many\b.*\bwhen\b|\bwhen\b.*\bhow many\b"):
        told = (
            _moved(asked, result, plural)
            if asked.symbols and kind and kind[0] in ("buy", "sell")
            else _counted(asked, result, plural)
        )
        return f"{told}\n\n{_table(result)}"
    if asked.has(
        r"\bwhen\b|\bwhat (?:day|date)\b|\bwhich (?:day|date)\b|\bfirst\b|\bearliest\b|\blast "
        r"(?:time|purchase|sale|buy|trade|dividend|"
        r"transaction)\b|\blatest\b|\bmost "
        r"recent\b"
    ):
        return _dated(asked, result, kind, is_oldest=is_oldest)
    if asked.has(r"\bhow many shares\b|\bhow many of\b") and asked.symbols:
        return _moved(asked, result, plural)
    if asked.has(r"\bhow (?:many|often)\b|\bnumber of\b|\bcount\b|\btimes\b"):
        return _counted(asked, result, plural)
    if kind is not None and kind[0] != "split" and not asked.has(r"\b(?:list|show|which|table)\b"):
        return _summed(asked, result, kind)
    return _listed(asked, result, plural)


def _used(asked: Asked, steps: Steps, kind: str | None, *, is_oldest: bool = False) -> Result:
    symbol = asked.symbols[0] if asked.symbols else None
    arguments = window_arguments(asked.window, asked.context.as_of)
    return steps.use(
        "transactions",
        **arguments,
        kinds=[kind] if kind else None,
        symbol=symbol,
        order="oldest" if is_oldest else None,
        most=MOST_ROWS,
    )


def _of(asked: Asked) -> str:
    return f" of {label(_first(asked))}" if asked.symbols else ""


def _first(asked: Asked) -> Named:
    return next(each for each in asked.named if not each.is_index)


def _over(asked: Asked, result: Result) -> str:
    window = asked.window
    if window is None or window.is_whole:
        return f" up to {saying.day(result.get('last'))}"
    if window.kind in ("month", "quarter", "year") and window.last <= asked.context.as_of:
        return f" {window.words}"
    return f" from {saying.day(result.get('first'))} to {saying.day(result.get('last'))}"


def _who(asked: Asked) -> str:
    return label(_first(asked)) if asked.symbols else "The portfolio"


def _costs(asked: Asked, result: Result, key: str) -> str:
    if result.error:
        return result.failure
    amount = saying.money(result.get(key), result.get("portfolio_currency"))
    return f"{_who(asked)}: {key} {amount} in total{_over(asked, result)} {result.cite}."


def _by_kind(result: Result, kind: str) -> Mapping[str, Any]:
    return next((row for row in result.rows("by_kind") if row.get("kind") == kind), {})


def _summed(asked: Asked, result: Result, kind: tuple[str, str]) -> str:
    row = _by_kind(result, kind[0])
    currency = result.get("portfolio_currency")
    own = row.get("own_amounts") or {}
    told = f"{_who(asked)}: {kind[1]} {saying.money(row.get('amount'), currency)} in total{_over(asked, result)}"
    others = [saying.money(amount, each) for each, amount in own.items() if each != currency]
    told += f" ({saying.listed(others)} in their own currency)" if others else ""
    return f"{told}, {saying.number(row.get('count'))} {_payments(kind)} {result.cite}."


def _payments(kind: tuple[str, str]) -> str:
    return "interest payments" if kind[0] == "interest" else kind[1]


def _counted(asked: Asked, result: Result, plural: str) -> str:
    told = f"{_who(asked)}: {saying.number(result.get('count'))} {plural}{_over(asked, result)}"
    rows = result.rows("by_kind")
    if len(rows) == 1 and asked.has(r"\bhow much\b") and rows[0].get("amount") is not None:
        told += f", {plural} {saying.money(rows[0]['amount'], result.get('portfolio_currency'))} in total"
    return f"{told} {result.cite}."


def _moved(asked: Asked, result: Result, plural: str) -> str:
    rows = [row for row in result.rows("by_kind") if row.get("quantity")]
    parts = [
        f"{saying.number(row.get('quantity'), 4)} shares in {saying.number(row.get('count'))} {plural}" for row in rows
    ]
    return f"{_who(asked)}: {saying.listed(parts)}{_over(asked, result)} {result.cite}."


def _dated(asked: Asked, result: Result, kind: tuple[str, str] | None, *, is_oldest: bool) -> str:
    rows = result.rows("rows")
    day = result.get("first_day") if is_oldest else result.get("last_day")
    row = next((each for each in rows if each.get("day") == day), {})
    word = "first" if is_oldest else "latest"
    name = {"buy": "purchase", "sell": "sale"}.get(kind[0], kind[0]) if kind else "transaction"
    told = f"{_who(asked)}: the {word} {name} was on {saying.day(day)}"
    details = _details(row) if row else ""
    return f"{told}{f', {details}' if details else ''} {result.cite}."


def _details(row: Mapping[str, Any]) -> str:
    parts = []
    if row.get("symbol"):
        parts.append(str(row["symbol"]))
    if row.get("quantity") is not None and row.get("price") is not None:
        parts.append(
            f"{saying.number(row['quantity'], 4)} shares, price {saying.price(row['price'], row.get('currency'))}"
        )
    elif row.get("amount") is not None:
        parts.append(f"amount {saying.money(row['amount'], row.get('currency'))}")
    return " ".join(parts)


def _listed(asked: Asked, result: Result, plural: str) -> str:
    is_cut = len(result.rows("rows")) < (result.get("count") or 0)
    shown = " Not all of them are shown." if is_cut else ""
    return f"{_counted(asked, result, plural)}{shown}\n\n{_table(result)}"


def _table(result: Result) -> str:
    """The transactions, the sums of each kind in a column of their own: only there they are called what they are."""
    rows = result.rows("rows")
    kinds = [kind for kind in AMOUNTS if any(row.get("kind") == kind and row.get("amount") is not None for row in rows)]
    heads = ["Day", "Kind", "Symbol", "Quantity", "Price", *(AMOUNTS[kind] for kind in kinds)]
    return saying.table(heads, [_row(row, kinds) for row in rows])


def _row(row: Mapping[str, Any], kinds: Sequence[str]) -> list[str]:
    currency, amount = row.get("currency"), row.get("amount")
    return [
        str(row.get("day")),
        str(row.get("kind")),
        str(row.get("symbol") or ""),
        "" if row.get("quantity") is None else saying.number(row["quantity"], 4),
        "" if row.get("price") is None else saying.price(row["price"], currency),
        *("" if amount is None or row.get("kind") != kind else saying.money(amount, currency) for kind in kinds),
    ]

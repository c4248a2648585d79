"""Targets, how far a portfolio is from them, and trades that would lead there; nothing is ever sent."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import streamlit as st

from core.errors import InvalidRequest
from core.portfolio.exports import safe_text
from core.portfolio.rebalancing import DriftLine, Plan, Side, Terms, TradeCosts, TradeLine
from pages.components.forms import saving
from pages.components.headings import section
from pages.components.money import price
from pages.components.portfolio_words import NONE, money, points, quantity, share
from pages.components.states import show_empty
from pages.components.words import plain

GRID_PX = 420
FEW_ROWS = 12
TARGET = "Target, %"
NOTHING_SENT = "A proposal by your targets, and no advice: nothing is sent to any broker, now or later."
SIDES = {Side.SELL: "Sell", Side.BUY: "Buy", None: "–"}
CSV_HEADINGS = ("symbol", "side", "quantity", "price", "currency", "value", "costs", "value_currency")
Save = Callable[[Mapping[str, Decimal]], object]


def show_targets(
    key: str, lines: Sequence[DriftLine], save: Save | None, mixes: Mapping[str, Mapping[str, float]]
) -> None:
    """Weights now, as they are wanted, and between them; with `save` the targets can be changed.

    Args:
        key: of what is kept in the session.
        lines: holdings and targets, the furthest first.
        save: puts new targets in the place of all that there were; None: whoever looks may not.
        mixes: weights by symbol that targets can begin with, by name.
    """
    section("Targets", "What is left of 100 % stays money. A holding without a target stays as it is.")
    if not lines and save is None:
        st.caption("Nothing is held, and nothing is wanted.")
        return
    begun: Mapping[str, float] | None = st.session_state.get(f"{key}_begun")
    turn = st.session_state.get(f"{key}_turn", 0)
    if save is not None and mixes:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.caption("Begin with", width="content")
            for name, weights in mixes.items():
                st.button(name, key=f"{key}_{name}", type="tertiary", on_click=_begin, args=(key, weights))
    rows = _rows(lines, begun)
    edited = _show_editor(f"{key}_editor_{turn}", rows, is_open=save is not None)
    if save is None:
        return
    given = [(symbol, target) for symbol, target in edited if symbol]
    total = sum(target or 0.0 for _, target in given)
    over = " That is more than 100 %." if total > 100 + 1e-6 else ""
    st.caption(plain(f"Targets come to {total:.2f} %; {max(0.0, 100 - total):.2f} % stay money.{over}"))
    if st.button("Save targets", type="primary", key=f"{key}_save"):
        with saving("The targets are saved"):
            save(targets_of(given))
            _forget(key)


def targets_of(rows: Sequence[tuple[str, float | None]]) -> dict[str, Decimal]:
    """Weights by symbol of what was typed in per cent; a symbol without a number has no target.

    Raises:
        InvalidRequest: a symbol stands there twice.
    """
    found: dict[str, Decimal] = {}
    for symbol, target in rows:
        if target is None:
            continue
        name = symbol.strip().upper()
        if name in found:
            raise InvalidRequest(f"{name} stands there twice; keep one of the rows.")
        found[name] = Decimal(str(target)) / 100
    return found


def show_terms(key: str, currency: str) -> Terms:
    """What a trade costs, how near is near enough, and whether parts of shares are traded."""
    section("Proposed trades", NOTHING_SENT)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        fixed = st.number_input(
            f"Costs of a trade, {currency}", 0.0, 10_000.0, 0.0, step=1.0, key=f"{key}_fixed", width=170
        )
        rate = st.number_input("And of its value, %", 0.0, 10.0, 0.0, step=0.05, key=f"{key}_rate", width=170)
        band = st.number_input(
            "Leave alone within, points", 0.0, 50.0, 0.0, step=0.5, key=f"{key}_band", width=190,
            help="A weight that is nearer to its target than this is not traded.",
        )  # fmt: skip
        whole = st.toggle("Whole shares", value=True, key=f"{key}_whole")
    costs = TradeCosts(Decimal(str(fixed)), Decimal(str(rate)) / 100)
    return Terms(costs, Decimal(str(band)) / 100, whole)


def show_plan(key: str, plan: Plan, file_name: str) -> None:
    """The trades, what they cost and leave, and their file."""
    traded = [line for line in plan.lines if line.side is not None]
    for note in plan.notes:
        st.caption(f":material/info: {plain(note)}")
    if not traded:
        show_empty("No trade is proposed", _why_none(plan), icon=":material/balance:")
    else:
        with st.grid(4, min_column_width=150):
            st.metric("Trades", f"{len(traded):,}")
            st.metric("Costs", money(plan.cost_total, plan.currency), help="Of all trades, as entered above.")
            st.metric("Turnover", share(plan.turnover), help="All that is traded ÷ 2 ÷ value.")
            before = f"before {money(plan.cash_before, plan.currency)}"
            after = money(plan.cash_after, plan.currency)
            st.metric("Cash after", after, before, delta_color="off", delta_arrow="off")
    if plan.lines:
        _show_lines(f"{key}_lines", plan)
    if traded:
        st.download_button(
            "Export CSV",
            proposal_csv(plan),
            file_name=file_name,
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            key=f"{key}_csv",
        )


def proposal_csv(plan: Plan) -> bytes:
    """The trades as a file: amounts with every digit; a symbol that begins like a formula is marked as text."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(CSV_HEADINGS)
    for line in plan.lines:
        if line.side is not None:
            writer.writerow(
                [
                    safe_text(line.symbol),
                    line.side.value,
                    f"{line.quantity:f}",
                    "" if line.price is None else f"{line.price:f}",
                    line.currency,
                    f"{line.value:f}",
                    f"{line.costs:f}",
                    plan.currency,
                ]
            )
    return out.getvalue().encode("utf-8-sig")


def _rows(lines: Sequence[DriftLine], begun: Mapping[str, float] | None) -> list[DriftLine]:
    """The lines, their targets in the place of those that were begun with."""
    if begun is None:
        return list(lines)
    by_symbol = {line.symbol: line for line in lines}
    symbols = dict.fromkeys([*by_symbol, *begun])
    return [_begun(by_symbol.get(symbol), symbol, begun.get(symbol)) for symbol in symbols]


def _begun(line: DriftLine | None, symbol: str, weight: float | None) -> DriftLine:
    target = None if weight is None else Decimal(str(round(weight, 4)))
    now = None if line is None else line.weight
    drift = None if now is None or target is None else now - float(target)
    return DriftLine(symbol, "" if line is None else line.name, now, target, drift)


def _show_editor(key: str, rows: Sequence[DriftLine], *, is_open: bool) -> list[tuple[str, float | None]]:
    import pyarrow as pa

    table = pa.table(
        {
            "Symbol": pa.array([row.symbol for row in rows], pa.string()),
            "Name": pa.array([row.name for row in rows], pa.string()),
            "Now, %": pa.array([points(row.weight) for row in rows], pa.float64()),
            TARGET: pa.array([points(None if row.target is None else float(row.target)) for row in rows], pa.float64()),
            "Drift": pa.array([points(row.drift) for row in rows], pa.float64()),
        }
    )
    config: dict[str, Any] = {
        "Symbol": st.column_config.TextColumn(width=96, pinned=True),
        "Name": st.column_config.TextColumn(width=190),
        "Now, %": st.column_config.NumberColumn(format="%.2f", help="Of the portfolio's value, cash included."),
        TARGET: st.column_config.NumberColumn(
            format="%.2f", min_value=0, max_value=100, step=0.01, help="Empty: it stays as it is. 0: it is to go."
        ),
        "Drift": st.column_config.NumberColumn(format="%+.2f", help="Weight less target, in percentage points."),
    }
    height: Any = "content" if len(rows) <= FEW_ROWS else GRID_PX
    words = "Holdings and targets, the furthest from its target first"
    if not is_open:
        st.dataframe(table, key=key, hide_index=True, height=height, placeholder=NONE, column_config=config, alt=words)
        return []
    edited: Any = st.data_editor(
        table,
        key=key,
        hide_index=True,
        height=height,
        num_rows="dynamic",
        placeholder="",
        disabled=["Name", "Now, %", "Drift"],
        column_config=config,
        alt=words,
    )
    columns = edited.to_pydict() if hasattr(edited, "to_pydict") else edited.to_dict("list")
    return [
        (str(symbol or ""), None if target is None or target != target else float(target))
        for symbol, target in zip(columns["Symbol"], columns[TARGET], strict=True)
    ]


def _show_lines(key: str, plan: Plan) -> None:
    import pyarrow as pa

    lines = plan.lines
    columns: dict[str, list[Any]] = {
        "Symbol": [line.symbol for line in lines],
        "Trade": [_traded(line) for line in lines],
        "Price": [price(line.price, line.currency) for line in lines],
        f"Value, {plan.currency}": [float(line.value) if line.side else None for line in lines],
        "Costs": [float(line.costs) if line.side else None for line in lines],
        "Now, %": [points(line.weight) for line in lines],
        TARGET: [points(None if line.target is None else float(line.target)) for line in lines],
        "After, %": [points(line.weight_after) for line in lines],
        "Note": [line.note for line in lines],
    }
    amount = st.column_config.NumberColumn(format="%,.2f")
    percent = st.column_config.NumberColumn(format="%.2f")
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        height="content" if len(lines) <= FEW_ROWS else GRID_PX,
        placeholder=NONE,
        column_config={
            "Symbol": st.column_config.TextColumn(width=84, pinned=True),
            "Trade": st.column_config.TextColumn(width=130),
            **dict.fromkeys((f"Value, {plan.currency}", "Costs"), amount),
            **dict.fromkeys(("Now, %", TARGET, "After, %"), percent),
            "Note": st.column_config.TextColumn(width=320),
        },
        alt="Proposed trades, sales first",
    )


def _traded(line: TradeLine) -> str:
    return SIDES[line.side] if line.side is None else f"{SIDES[line.side]} {quantity(line.quantity)}"


def _why_none(plan: Plan) -> str:
    if plan.value is None:
        return "The portfolio's value is not known: a price or an exchange rate is missing."
    return "Save targets above; or the weights are near enough to them already."


def _begin(key: str, weights: Mapping[str, float]) -> None:
    st.session_state[f"{key}_begun"] = dict(weights)
    st.session_state[f"{key}_turn"] = st.session_state.get(f"{key}_turn", 0) + 1


def _forget(key: str) -> None:
    st.session_state.pop(f"{key}_begun", None)
    st.session_state[f"{key}_turn"] = st.session_state.get(f"{key}_turn", 0) + 1

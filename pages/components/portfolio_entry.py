"""The form of one transaction: only the fields that its kind needs, numbers as exact decimals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

import streamlit as st

from core.errors import InvalidRequest
from core.portfolio.transactions import FIRST_DAY, LABELS, MAX_NOTE_CHARS, TRANSFERS, Draft, Kind
from pages.components.forms import saving, submit_button, text_field
from pages.components.money import SIGNS

MAX_NUMBER_CHARS = 40
MAX_SYMBOL_CHARS = 32
SHARES, MONEY = "Shares", "Money"
Save = Callable[[Draft], object]
"""Enters what was filled in, or raises what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One number or word of a transaction."""

    label: str
    hint: str = ""
    is_required: bool = False
    is_number: bool = True


_OPTIONAL_SYMBOL = Field("Symbol", "Of which it was; may be left empty.", is_number=False)
_SYMBOL = Field("Symbol", "As in AAPL.", is_required=True, is_number=False)
_QUANTITY = Field("Quantity", "Shares.", is_required=True)
_PRICE = Field("Price of a share", is_required=True)
_GROSS = Field("Gross amount", "Before fees and taxes; empty: quantity × price.")
_AMOUNT = Field("Amount", is_required=True)
_BACK = Field("Amount", "Below zero where it was taken or given back.", is_required=True)
_FEES = Field("Fees")
_TAXES = Field("Taxes")
_RATIO = Field(
    "New shares for one old", "2 of a split two for one, 0.1 of a reverse split one for ten.", is_required=True
)
_TRADE = {"symbol": _SYMBOL, "quantity": _QUANTITY, "price": _PRICE, "amount": _GROSS, "fees": _FEES, "taxes": _TAXES}
_CHARGE = {"amount": _BACK, "symbol": _OPTIONAL_SYMBOL}
_SHARES = {
    "symbol": _SYMBOL,
    "quantity": _QUANTITY,
    "price": Field("Cost of a share", "What it was bought for, where that is known."),
    "fees": _FEES,
}
FIELDS: Mapping[Kind, Mapping[str, Field]] = {
    Kind.BUY: _TRADE,
    Kind.SELL: _TRADE,
    Kind.DIVIDEND: {
        "symbol": _SYMBOL,
        "amount": Field("Gross amount", "Before the tax that was withheld.", is_required=True),
        "taxes": Field("Tax withheld"),
        "fees": _FEES,
    },
    Kind.INTEREST: {**_CHARGE, "taxes": Field("Tax withheld")},
    Kind.FEE: _CHARGE,
    Kind.TAX: _CHARGE,
    Kind.DEPOSIT: {"amount": _AMOUNT},
    Kind.WITHDRAWAL: {"amount": _AMOUNT},
    Kind.TRANSFER_IN: _SHARES,
    Kind.TRANSFER_OUT: _SHARES,
    Kind.SPLIT: {"symbol": _SYMBOL, "ratio": _RATIO},
    Kind.REVERSE_SPLIT: {"symbol": _SYMBOL, "ratio": _RATIO},
    Kind.SPIN_OFF: {
        "symbol": _SYMBOL,
        "other_symbol": Field("New company's symbol", is_required=True, is_number=False),
        "ratio": Field("New shares for one held", is_required=True),
        "cost_share": Field("Share of the cost that goes along", "From 0 to 1: 0.12 is 12 %.", is_required=True),
    },
    Kind.MERGER: {
        "symbol": _SYMBOL,
        "other_symbol": Field("Other company's symbol", "Empty where only money is paid.", is_number=False),
        "ratio": Field("New shares for one held", "Empty where only money is paid."),
        "amount": Field("Money paid for all shares", "Empty where there is none."),
    },
}  # fmt: skip
"""What each kind has to say, in the order of the form; the day, currency, rate and note are every kind's."""


def show(
    key: str, currency: str, seen: date, save: Save, *, before: Draft | None = None, button: str = "Enter", done: str
) -> None:
    """The choice of a kind, and its form; `before` is what a correction begins with."""
    entered = f"{key}_entered"
    key = f"{key}_{st.session_state.get(entered, 0)}"  # another form once this one is entered: it begins empty
    kinds = list(Kind)
    kind = st.selectbox(
        "Kind", kinds, kinds.index(before.kind) if before else 0, format_func=LABELS.__getitem__, key=f"{key}_kind",
        width=260,
    )  # fmt: skip
    fields = FIELDS[kind]
    if kind in TRANSFERS and _is_of_money(key, before):
        fields = {"amount": _AMOUNT}
    with st.form(f"{key}_{kind}", border=False):
        with st.grid(4, min_column_width=160):
            day = st.date_input(
                "Day", before.day if before else seen, min_value=FIRST_DAY, format="YYYY-MM-DD", key=f"{key}_{kind}_day"
            )
            texts = {name: _show_field(f"{key}_{kind}_{name}", name, each, before) for name, each in fields.items()}
            money = _show_currency(f"{key}_{kind}_currency", before.currency if before else currency)
            rate = _show_field(
                f"{key}_{kind}_fx_rate", "fx_rate",
                Field("Exchange rate", f"{currency} for one of its currency; empty: the reference rate of the day."),
                before,
            )  # fmt: skip
        note = text_field("Note", before.note if before else "", max_chars=MAX_NOTE_CHARS, key=f"{key}_{kind}_note")
        if submit_button(button, key=f"{key}_{kind}_send"):
            with saving(done):
                save(drafted(kind, day, money, {**texts, "fx_rate": rate}, note=note))
                st.session_state[entered] = st.session_state.get(entered, 0) + 1


def drafted(kind: Kind, day: date | None, currency: str, texts: Mapping[str, str], *, note: str = "") -> Draft:
    """A draft of what was typed; what is empty is left out.

    Raises:
        InvalidRequest: no day, or what is typed is no number.
    """
    if day is None:
        raise InvalidRequest("Say on which day it was.")
    words = {name: text for name, text in texts.items() if name in ("symbol", "other_symbol")}
    numbers = {name: parsed(text, _label(kind, name)) for name, text in texts.items() if name not in words}
    return Draft(
        kind=kind,
        day=day,
        currency=currency,
        symbol=words.get("symbol") or None,
        other_symbol=words.get("other_symbol") or None,
        quantity=numbers.get("quantity"),
        price=numbers.get("price"),
        amount=numbers.get("amount"),
        fees=numbers.get("fees") or Decimal(0),
        taxes=numbers.get("taxes") or Decimal(0),
        fx_rate=numbers.get("fx_rate"),
        ratio=numbers.get("ratio"),
        cost_share=numbers.get("cost_share"),
        note=note,
    )


def parsed(text: str, label: str) -> Decimal | None:
    """A number as it is typed, with every digit; None where nothing is.

    Raises:
        InvalidRequest: it is none, or it has a comma, which some read as a decimal sign and others not.
    """
    typed = text.strip().replace(" ", "").replace("−", "-").replace("_", "")
    if not typed:
        return None
    if "," in typed:
        raise InvalidRequest(f"{label}: write the number with a point and without commas, as in 1234.56.")
    try:
        number = Decimal(typed)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise InvalidRequest(f"{label}: {text[:MAX_NUMBER_CHARS]!r} is no number.")
    return number


def _show_field(key: str, name: str, field: Field, before: Draft | None) -> str:
    value = None if before is None else getattr(before, name)
    is_empty = value is None or (name in ("fees", "taxes") and value == 0)
    return text_field(
        field.label,
        "" if is_empty else f"{value:f}" if isinstance(value, Decimal) else str(value),
        required=field.is_required,
        max_chars=MAX_NUMBER_CHARS if field.is_number else MAX_SYMBOL_CHARS,
        hint=field.hint or None,
        key=key,
    )


def _show_currency(key: str, currency: str) -> str:
    options = list(dict.fromkeys([currency, *SIGNS]))
    chosen = st.selectbox("Currency", options, accept_new_options=True, key=key, help="ISO 4217, as in USD.")
    return chosen or currency


def _is_of_money(key: str, before: Draft | None) -> bool:
    begins = MONEY if before is not None and before.symbol is None and before.kind in TRANSFERS else SHARES
    chosen = st.segmented_control("Of what", [SHARES, MONEY], default=begins, required=True, key=f"{key}_what")
    return chosen == MONEY


def _label(kind: Kind, name: str) -> str:
    field = FIELDS[kind].get(name)
    return "Exchange rate" if field is None and name == "fx_rate" else field.label if field else "Amount"

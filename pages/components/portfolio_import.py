"""The import of a broker's file: upload, how it is read, every row's fate, and the button that enters it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import streamlit as st

from core.errors import AssayError
from core.portfolio.imports.imports import Progress
from core.portfolio.imports.outcomes import (
    BY_SIGN,
    FIELDS,
    IGNORE,
    TRANSFER_BY_SIGN,
    Asked,
    Choice,
    Fate,
    ImportResult,
    Preview,
)
from core.portfolio.imports.presets import Preset
from core.portfolio.transactions import LABELS
from pages.components.badges import Badge, show_badge
from pages.components.errors import show_error, show_message
from pages.components.forms import submit_button
from pages.components.headings import section
from pages.components.portfolio_transactions import SHOWN_ROWS, told
from pages.components.states import show_done, show_loading
from pages.components.words import plain

MOST_MB = 25
GRID_PX = 380
FEW_ROWS = 10
NO_COLUMN = "(no column)"
FATES = {
    Fate.ADDED: Badge("Added", "green", ":material/add:"),
    Fate.KNOWN: Badge("There already", "gray", ":material/done_all:"),
    Fate.REFUSED: Badge("Refused", "red", ":material/block:"),
    Fate.IGNORED: Badge("Left out", "gray", ":material/remove:"),
}
DATE_ORDERS = {None: "as found", "dmy": "day, month, year", "mdy": "month, day, year", "ymd": "year, month, day"}
DECIMALS = {None: "as found", ".": "point: 1,234.56", ",": "comma: 1.234,56"}
KINDS: Mapping[str, str] = {
    **{kind.value: label for kind, label in LABELS.items()},
    BY_SIGN: "Buy or sell, deposit or withdrawal, by its sign",
    TRANSFER_BY_SIGN: "Transfer in or out, by its sign",
    IGNORE: "Leave such rows out",
}
Look = Callable[[bytes, str, Choice | None], Preview]
Run = Callable[[bytes, str, Choice, bool, Progress], ImportResult]


@dataclass(frozen=True, slots=True)
class Reading:
    """A file that was brought, and how it would be read."""

    digest: str
    preview: Preview


def show(key: str, look: Look, run: Run, presets: Mapping[str, Preset]) -> None:
    """The steps, one beneath the other; nothing is entered before the last button is pressed.

    Args:
        key: of what is kept in the session.
        look: reads a file without entering anything.
        run: enters it.
        presets: the forms that are known, by id.
    """
    result: ImportResult | None = st.session_state.get(f"{key}_result")
    if result is not None:
        _show_result(key, result)
    turn = st.session_state.get(f"{key}_turn", 0)
    brought = st.file_uploader(
        "A file of your broker",
        ["csv", "tsv", "txt", "xlsx", "xls"],
        key=f"{key}_file_{turn}",
        max_upload_size=MOST_MB,
        help="CSV with any delimiter, or Excel. First you see what would become of every row.",
    )
    if brought is None:
        with st.expander("Which files are known", icon=":material/help:"):
            for preset in presets.values():
                st.markdown(f"**{plain(preset.title)}**: {plain(preset.where)}")
            st.caption("Any other table can be read too: you say which column holds what, and it is remembered.")
        return
    titles = {name: preset.title for name, preset in presets.items()}
    content = brought.getvalue()
    try:
        reading = _read(key, content, brought.name, look)
        show_preview(key, reading.preview, titles, lambda choice: _read_again(key, content, look, choice))
        _show_button(key, content, reading.preview, run)
    except AssayError as error:
        show_error(error, has_action=False)


def show_preview(key: str, preview: Preview, presets: Mapping[str, str], choose: Callable[[Choice], object]) -> None:
    """How the file is read, what is asked, and what becomes of every row; `choose` is told another way to read it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"Read as **{plain(preview.title)}**", width="content")
        if preview.is_remembered:
            show_badge(Badge("as you read such a file before", "blue", ":material/history:"))
    for sentence in preview.how:
        st.caption(plain(sentence))
    for problem in preview.problems:
        show_message(problem, "Choose below how the file is to be read.", icon=":material/error:", box=st.error)
    if preview.question is not None:
        _show_question(f"{key}_question", preview, choose)
    with st.expander("How the file is read", icon=":material/tune:", expanded=bool(preview.problems)):
        _show_mapping(f"{key}_mapping", preview, presets, choose)
    section("What becomes of every row")
    show_rows(f"{key}_rows", preview)


def show_rows(key: str, preview: Preview) -> None:
    """Counts by fate, and the rows, those that are refused first."""
    import pyarrow as pa

    with st.container(horizontal=True, gap="small"):
        for fate, badge in FATES.items():
            show_badge(replace(badge, label=f"{badge.label}: {preview.counts.get(fate, 0):,}"))
    order = {Fate.REFUSED: 0, Fate.ADDED: 1, Fate.KNOWN: 2, Fate.IGNORED: 3}
    rows = sorted(preview.rows, key=lambda row: (order[row.fate], row.line))
    shown = rows[:SHOWN_ROWS]
    if not shown:
        return
    columns: dict[str, list[Any]] = {
        "Line": [row.line for row in shown],
        "Fate": [FATES[row.fate].label for row in shown],
        "Why": [" ".join(part for part in (row.reason, *row.notices) if part) for row in shown],
        "Read as": ["; ".join(map(told, row.drafts)) for row in shown],
        "In the file": [row.text for row in shown],
    }
    st.dataframe(
        pa.table(columns),
        key=key,
        hide_index=True,
        height="content" if len(shown) <= FEW_ROWS else GRID_PX,
        column_config={
            "Line": st.column_config.NumberColumn(format="%d", pinned=True, width=60),
            "Fate": st.column_config.TextColumn(width=110),
            "Why": st.column_config.TextColumn(width=320),
            "Read as": st.column_config.TextColumn(width=260),
            "In the file": st.column_config.TextColumn(width=360),
        },
        alt="Rows of the file with what would become of each",
    )
    if len(rows) > len(shown):
        st.caption(f"The first {len(shown):,} of {len(rows):,} rows, those that are refused before the others.")


def _read(key: str, content: bytes, file_name: str, look: Look) -> Reading:
    """The preview, which is kept while the file and the choices are the same."""
    digest = sha256(content).hexdigest()
    reading: Reading | None = st.session_state.get(f"{key}_reading")
    if reading is None or reading.digest != digest:
        with show_loading("Reading the file"):
            reading = Reading(digest, look(content, file_name, None))
        st.session_state[f"{key}_reading"] = reading
        st.session_state.pop(f"{key}_result", None)
    return reading


def _read_again(key: str, content: bytes, look: Look, choice: Choice) -> None:
    reading: Reading = st.session_state[f"{key}_reading"]
    with show_loading("Reading the file"):
        preview = look(content, reading.preview.file_name, choice)
    st.session_state[f"{key}_reading"] = replace(reading, preview=preview)
    st.rerun()


def _show_question(key: str, preview: Preview, choose: Callable[[Choice], object]) -> None:
    question = preview.question
    assert question is not None
    with st.container(border=True, gap="small"):
        st.markdown(f":material/help: **{plain(question.words)}**")
        chosen = st.radio(
            "Which is it?",
            list(question.options),
            None,
            format_func=lambda each: plain(question.options[each]),
            key=f"{key}_{question.asked}_{preview.file_name}",
        )
    if chosen is not None:
        is_date = question.asked is Asked.DATE_ORDER
        choose(replace(preview.choice, date_order=chosen) if is_date else replace(preview.choice, decimal=chosen))


def _show_mapping(key: str, preview: Preview, presets: Mapping[str, str], choose: Callable[[Choice], object]) -> None:
    """All that can be chosen, in one form, so that the file is read once for several choices."""
    choice = preview.choice
    form = f"{key}_{abs(hash((preview.headings, choice.preset, tuple(choice.columns.items()))))}"
    names: dict[str | None, str] = {None: "by its headings"}
    names.update(presets)
    preset = st.selectbox(
        "Form of the file", list(names), list(names).index(choice.preset if choice.preset in names else None),
        format_func=lambda each: names[each], key=f"{form}_preset", width=320,
    )  # fmt: skip
    if preset != (choice.preset if choice.preset in names else None):
        choose(Choice(preset=preset))
    with st.form(form, border=False):
        with st.grid(3, min_column_width=180):
            columns = {name: _show_column(f"{form}_of_{name}", name, preview) for name in FIELDS}
            order = _option("Order of dates", DATE_ORDERS, choice.date_order, f"{form}_order")
            decimal = _option("Decimal sign", DECIMALS, choice.decimal, f"{form}_decimal")
            currency = st.text_input(
                "Currency", choice.currency or "", max_chars=3, key=f"{form}_currency",
                placeholder="the portfolio's", help="Of rows that name none.",
            )  # fmt: skip
        kinds = _show_kinds(f"{form}_kinds", preview)
        symbols = _show_symbols(f"{form}_symbols", preview)
        if submit_button("Read it this way", key=f"{form}_send"):
            choose(
                replace(
                    choice,
                    columns={**choice.columns, **columns},
                    kinds=kinds,
                    date_order=order,
                    decimal=decimal,
                    currency=currency.strip().upper() or None,
                    symbol_names=symbols,
                )
            )


def _show_column(key: str, name: str, preview: Preview) -> str:
    options = ["", *dict.fromkeys(preview.headings)]
    begun = preview.choice.columns.get(name, "")
    samples = _samples(preview)
    return st.selectbox(
        FIELDS[name],
        options,
        options.index(begun) if begun in options else 0,
        format_func=lambda each: f"{each}{samples.get(each, '')}" if each else NO_COLUMN,
        key=key,
    )


def _samples(preview: Preview) -> dict[str, str]:
    """What stands beneath each heading first, as " · 12.50"."""
    found: dict[str, str] = {}
    for place, heading in enumerate(preview.headings):
        cells = (row[place].strip() for row in preview.sample if place < len(row))
        first = next((cell for cell in cells if cell), "")
        found.setdefault(heading, f" · {first[:24]}" if first else "")
    return found


def _show_kinds(key: str, preview: Preview) -> dict[str, str]:
    if not preview.kinds:
        return dict(preview.choice.kinds)
    st.markdown("**Kinds of the file**")
    options = list(dict.fromkeys(["", *KINDS, *preview.kinds.values()]))
    with st.grid(3, min_column_width=180):
        chosen = {
            theirs: st.selectbox(
                theirs or "(empty)",
                options,
                options.index(ours) if ours in options else 0,
                format_func=_kind_label,
                key=f"{key}_{place}",
            )
            for place, (theirs, ours) in enumerate(preview.kinds.items())
        }
    return {**preview.choice.kinds, **{theirs: ours for theirs, ours in chosen.items() if ours}}


def _kind_label(kind: str) -> str:
    """What a kind is called; with a minus before it, it is given back."""
    if not kind:
        return "not known"
    return KINDS.get(kind) or f"{KINDS.get(kind[1:], kind)}, the other way"


def _show_symbols(key: str, preview: Preview) -> dict[str, str]:
    unknown = [use for use in preview.symbols if not use.is_known or use.theirs in preview.choice.symbol_names]
    if not unknown:
        return dict(preview.choice.symbol_names)
    st.markdown("**Securities of which no prices are known here**")
    with st.grid(3, min_column_width=180):
        chosen = {
            use.theirs: st.selectbox(
                f"{use.theirs} {use.name}".strip(),
                list(dict.fromkeys([use.ours, *use.near])),
                accept_new_options=True,
                key=f"{key}_{place}",
                help=f"{use.rows:,} rows; take one of these, or type our symbol.",
            )
            for place, use in enumerate(unknown)
        }
    named = {use.theirs: use.ours for use in unknown}
    changed = {theirs: ours for theirs, ours in chosen.items() if ours and ours != named[theirs]}
    return {**preview.choice.symbol_names, **changed}


def _show_button(key: str, content: bytes, preview: Preview, run: Run) -> None:
    added, refused = preview.counts.get(Fate.ADDED, 0), preview.counts.get(Fate.REFUSED, 0)
    leaves_out = False
    if refused:
        leaves_out = st.checkbox(
            f"Leave out the {refused:,} refused row{'' if refused == 1 else 's'} and import the rest",
            key=f"{key}_leaves_out",
            help="Otherwise nothing is imported while a row is refused.",
        )
    is_ready = preview.question is None and not preview.problems and added > 0 and (leaves_out or not refused)
    label = f"Import {added:,} row{'' if added == 1 else 's'}"
    if not st.button(label, type="primary", icon=":material/upload:", key=f"{key}_run", disabled=not is_ready):
        if not added and not refused and preview.rows:
            st.caption("Nothing is new in this file.")
        return
    bar = st.progress(0.0, "Importing")

    def tell(done: int, total: int, words: str) -> None:
        bar.progress(min(1.0, done / total) if total else 0.0, plain(words))

    try:
        result = run(content, preview.file_name, preview.choice, leaves_out, tell)
    except AssayError as error:
        bar.empty()
        show_error(error, has_action=False)
        return
    st.session_state[f"{key}_result"] = result
    if result.is_imported:
        st.session_state[f"{key}_turn"] = st.session_state.get(f"{key}_turn", 0) + 1
        st.session_state.pop(f"{key}_reading", None)
    st.rerun()


def _show_result(key: str, result: ImportResult) -> None:
    if not result.is_imported:
        show_message("Nothing was imported.", result.words, icon=":material/block:", box=st.warning)
        return
    show_done("The import is done.", result.words)
    if st.button("Import another file", type="tertiary", icon=":material/refresh:", key=f"{key}_again"):
        st.session_state.pop(f"{key}_result", None)
        st.rerun()


def _option(label: str, options: Mapping[str | None, str], value: str | None, key: str) -> str | None:
    values = list(options)
    at = values.index(value) if value in values else 0
    return st.selectbox(label, values, at, format_func=lambda each: options[each], key=key)

"""Changes from a file: what each line would do before anything is done, and the button that applies all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol

import streamlit as st

from core.admin.bulk import COLUMNS, MAX_BYTES, MAX_LINES, Line, Preview, example
from core.errors import AssayError
from core.principal import Principal
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_error, show_message
from pages.components.session import require
from pages.components.states import show_failed
from pages.components.words import when


class Applier(Protocol):
    """What reads files and applies them."""

    def preview(self, principal: Principal, content: bytes, *, everything: bool) -> Preview:
        """What a file would do."""
        ...

    def apply(
        self, principal: Principal, content: bytes, *, everything: bool, previewed: Preview | None = None
    ) -> Preview:
        """Does what was previewed."""
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Who applies, to what, by what."""

    principal: Principal
    applier: Applier
    everything: bool
    now: datetime


def show(key: str, desk: Desk) -> None:
    """The file, what it would do, and the button."""
    content = _content(key, example(is_operator=desk.principal.is_operator))
    if content is None:
        return
    try:
        preview = desk.applier.preview(desk.principal, content, everything=desk.everything)
    except AssayError as error:
        show_error(error, desk.principal, has_action=False)
        return
    show_preview(key, preview, desk.now, desk.principal.zone)
    if not preview.can_be_applied:
        return
    lines = f"{len(preview.lines):,} line{'' if len(preview.lines) == 1 else 's'}"
    confirm_button(
        f"{key}_apply",
        f"Apply {lines}",
        Question(
            "Apply these changes?",
            f"All {lines} are applied together, {preview.changed:,} of which change something; a file is applied once.",
            "Apply",
            done="The changes are applied",
        ),
        partial(_apply, desk, content, preview),
        icon=":material/playlist_add_check:",
        kind="secondary",
    )


def show_preview(key: str, preview: Preview, now: datetime, zone: str) -> None:
    """What is wrong, and every line's before and after."""
    if preview.applied_at is not None:
        at = when(preview.applied_at, now, zone)
        show_message(f"This file was applied {at}.", "It does nothing a second time.", icon=":material/done_all:")
    elif preview.flaws:
        first = preview.flaws[0]
        count = len(preview.flaws)
        show_failed(
            f"{count:,} line{' is' if count == 1 else 's are'} wrong; nothing is applied.",
            f"Line {first.number}: {first.flaw}",
        )
    _show_lines(key, preview.lines)


def _content(key: str, sample: str) -> bytes | None:
    st.caption(
        f"A CSV file in UTF-8 with a header ({', '.join(COLUMNS)}), at most {MAX_LINES:,} lines. "
        "One wrong line refuses the whole file."
    )
    st.download_button(
        "Example", sample, "changes.csv", "text/csv", icon=":material/download:", key=f"{key}_example", type="tertiary"
    )
    given = st.file_uploader(
        "File of changes",
        type=["csv"],
        key=f"{key}_file",
        max_upload_size=max(1, MAX_BYTES // 1_048_576),
        help="A preview shows each change, before and after; nothing is changed until you apply it.",
    )
    pasted = st.text_area(
        "Or its lines", placeholder=sample.partition("\n")[0], max_chars=20_000, key=f"{key}_text", height=120
    )
    if given is not None:
        return bytes(given.getvalue())
    return pasted.encode() if pasted.strip() else None


def _apply(desk: Desk, content: bytes, preview: Preview) -> None:
    desk.applier.apply(require(), content, everything=desk.everything, previewed=preview)


def _show_lines(key: str, lines: Sequence[Line]) -> None:
    import pyarrow as pa

    if not lines:
        return
    remarks = [line.flaw or ("" if line.effect and line.effect.changes else "changes nothing") for line in lines]
    columns: dict[str, list[Any]] = {"Line": [line.number for line in lines]}
    if any(line.flaw for line in lines):
        columns["Remark"] = remarks  # in front, to be seen in a narrow window too
    columns |= {
        "Change": [line.change for line in lines],
        "Of": ["" if line.effect is None else line.effect.subject for line in lines],
        "Before": ["" if line.effect is None else line.effect.before for line in lines],
        "After": ["" if line.effect is None else line.effect.after for line in lines],
        "Remark": remarks,
    }
    st.dataframe(
        pa.table(columns),
        key=f"{key}_lines",
        hide_index=True,
        column_config={"Line": st.column_config.NumberColumn(format="%d", pinned=True, width="small")},
        alt="Every line of the file with what it changes, before and after",
    )

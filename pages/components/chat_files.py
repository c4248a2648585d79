"""Files that come with a question: those that wait above the input, those that were refused, and those of the past."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from uuid import UUID

import streamlit as st

from core.errors import AssayError, InvalidRequest
from core.research.attachments.attachments import Attachment
from core.research.attachments.limits import MAX_FILE_BYTES, MAX_OF_QUESTION
from pages.components.chat_turn import Upload
from pages.components.words import plain

FILE_TYPES = ("pdf", "csv", "tsv", "xlsx", "txt", "md", "png", "jpg", "jpeg", "webp", "gif")
MAX_MEGABYTES = MAX_FILE_BYTES // 2**20
THUMBNAIL_PX = 160
"""Width of a picture in a conversation; it is sent twice as large, for screens with small dots."""
MAX_THUMBNAILS = 60
"""Thumbnails that a tab keeps."""
_ICONS = {
    "pdf": ":material/picture_as_pdf:",
    "csv": ":material/table:",
    "xlsx": ":material/table_chart:",
    "text": ":material/description:",
    "image": ":material/image:",
}
WAITING, _REFUSED, _THUMBNAILS = "chat_files_waiting_for", "chat_files_not_taken", "chat_files_thumbnails"
Add = Callable[[Upload], Attachment]
"""Reads one file and keeps what was read."""
PictureOf = Callable[[UUID], bytes]
"""A picture's bytes."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that was not taken, and why."""

    name: str
    reason: str


def waiting(opened: UUID | None) -> tuple[Attachment, ...]:
    """The files that go with the next question of a conversation; None: of a new one."""
    kept: dict[UUID | None, tuple[Attachment, ...]] = st.session_state.get(WAITING, {})
    return kept.get(opened, ())


def take_in(uploads: Sequence[Upload], opened: UUID | None, add: Add) -> bool:
    """Has each file read, so that it waits for the next question; whether all of them could be.

    What cannot be read is refused by its name, and takes no other file with it.
    """
    refused: list[Refused] = []
    for upload in uploads:
        try:
            if len(waiting(opened)) >= MAX_OF_QUESTION:
                raise InvalidRequest(f"A question takes at most {MAX_OF_QUESTION} files.")
            _keep(opened, (*waiting(opened), add(upload)))
        except AssayError as error:
            refused.append(Refused(upload.name, error.detail))
    st.session_state[_REFUSED] = (opened, tuple(refused))
    return not refused


def forget(opened: UUID | None) -> None:
    """The question that they waited for was taken."""
    _keep(opened, ())


def dismiss() -> None:
    """What was refused is not told any more."""
    st.session_state.pop(_REFUSED, None)


def show_waiting(key: str, opened: UUID | None, remove: Callable[[UUID], object]) -> None:
    """Above the input: each file that waits, with the button that takes it away, and what was refused."""
    for_id, refused = st.session_state.get(_REFUSED, (None, ()))
    if for_id == opened and refused:
        show_refused(f"{key}_refused", refused)
    files = waiting(opened)
    if not files:
        return
    with st.container(horizontal=True, gap="xsmall", key=key):
        for file in files:
            st.button(
                f"{_ICONS[file.kind]} {plain(file.name)}",
                icon=":material/close:",
                icon_position="right",
                key=f"{key}_{file.id}",
                help=plain(f"Goes with your next question: {words(file)}. Press to take it away."),
                on_click=_take_away,
                args=(file.id, opened, remove),
                wrap=False,
            )
    notes = [f"{file.name}: {note}" for file in files for note in file.notes]
    if notes:
        st.caption("  \n".join(plain(note) for note in notes))


def show_refused(key: str, refused: Sequence[Refused]) -> None:
    """The files that were not taken, each with its reason."""
    lines = "  \n".join(f"**{plain(each.name)}**: {plain(each.reason)}" for each in refused)
    with st.container(gap="xsmall"):
        st.warning(
            f"{lines}  \nYour question was not sent; it is in the input below.", icon=":material/attach_file_off:"
        )
        st.button("Dismiss", key=key, type="tertiary", icon=":material/close:", on_click=dismiss)


def show(files: Sequence[Attachment], picture_of: PictureOf) -> None:
    """The files of a question in the conversation: pictures small, all others by name."""
    pictures = [file for file in files if file.kind == "image"]
    if pictures:
        with st.container(horizontal=True, gap="small"):
            for file in pictures:
                st.image(_thumbnail(file.id, picture_of), width=THUMBNAIL_PX, caption=plain(file.name), alt=file.name)
    others = [file for file in files if file.kind != "image"]
    if others:
        st.markdown(" ".join(f":gray-badge[{_ICONS[file.kind]} {plain(words(file))}]" for file in others))
    notes = [f"{file.name}: {note}" for file in files for note in file.notes]
    if notes:
        st.caption("  \n".join(plain(note) for note in notes))


def words(file: Attachment) -> str:
    """A file in a few words: its name, what it has, how large it was."""
    count = "" if file.pages is None else _counted(file)
    size = f"{file.width} × {file.height}" if file.width and file.height else _size(file.size_bytes)
    return " · ".join(part for part in (file.name, count, size) if part)


def _counted(file: Attachment) -> str:
    what = "sheet" if file.kind == "xlsx" else "page"
    return f"{file.pages:,} {what}{'' if file.pages == 1 else 's'}"


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{max(1, round(count / 1024)):,} kB"


def _keep(opened: UUID | None, files: tuple[Attachment, ...]) -> None:
    kept = {**st.session_state.get(WAITING, {}), opened: files}
    st.session_state[WAITING] = {key: value for key, value in kept.items() if value}


def _take_away(file_id: UUID, opened: UUID | None, remove: Callable[[UUID], object]) -> None:
    _keep(opened, tuple(file for file in waiting(opened) if file.id != file_id))
    remove(file_id)


def _thumbnail(file_id: UUID, picture_of: PictureOf) -> bytes:
    """A small picture, made once in a tab."""
    kept: dict[UUID, bytes] = st.session_state.setdefault(_THUMBNAILS, {})
    if file_id not in kept:
        if len(kept) >= MAX_THUMBNAILS:
            kept.pop(next(iter(kept)))
        kept[file_id] = _smaller(picture_of(file_id))
    return kept[file_id]


def _smaller(data: bytes) -> bytes:
    from PIL import Image

    with Image.open(BytesIO(data)) as picture:
        picture.thumbnail((2 * THUMBNAIL_PX, 2 * THUMBNAIL_PX))
        made = BytesIO()
        picture.convert("RGB").save(made, "JPEG", quality=80)
    return made.getvalue()

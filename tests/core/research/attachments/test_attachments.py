"""Files of one user: kept as what was read of them, seen by nobody else, forgotten when nobody asks with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from core.errors import Conflict, Forbidden, InvalidRequest, NotFound, PayloadTooLarge
from core.ids import new_id
from core.principal import Principal, Role
from core.research.attachments import attachments as attachments_module
from core.research.attachments.limits import MAX_FILE_BYTES
from core.workbench import Workbench
from tests.conftest import MakeMember, MoveTime
from tests.core.research.attachments import files_made as made

Service = psycopg.Connection[tuple[object, ...]]
TEXT = b"Revenue was 12 million."


def test_a_file_is_kept_as_what_was_read_of_it(workbench: Workbench, member: MakeMember, service: Service) -> None:
    ann, data = member(), made.pdf(["Revenue was 12 million."])
    file = workbench.attachments.add(ann, "../reports/2024\x00.pdf", data, media_type="application/pdf")
    assert (file.name, file.kind, file.pages, file.size_bytes) == ("2024 .pdf", "pdf", 1, len(data))
    assert file.excerpt == "[page 1]\nRevenue was 12 million."
    assert file.message_id is None
    assert workbench.attachments.get(ann, file.id) == file
    assert workbench.attachments.unused(ann) == [file]
    assert workbench.attachments.text(ann, file.id) == file.excerpt
    row = service.execute("SELECT text, image, notes FROM attachments").fetchone()
    assert row == (file.excerpt, None, [])


def test_a_picture_is_kept_as_it_was_written_anew(workbench: Workbench, member: MakeMember) -> None:
    ann = member()
    file = workbench.attachments.add(ann, "chart.png", made.picture(40, 30))
    assert (file.kind, file.width, file.height, file.excerpt) == ("image", 40, 30, "")
    picture = workbench.attachments.picture(ann, file.id)
    assert (picture.media_type, picture.width, picture.data[:4]) == ("image/png", 40, b"\x89PNG")
    text = workbench.attachments.add(ann, "note.txt", TEXT)
    with pytest.raises(NotFound, match="is no picture"):
        workbench.attachments.picture(ann, text.id)


def test_nothing_is_kept_of_a_file_that_is_refused(workbench: Workbench, member: MakeMember) -> None:
    ann = member()
    for data, error, words in (
        (b"", InvalidRequest, "The file is empty"),
        (b"x" * (MAX_FILE_BYTES + 1), PayloadTooLarge, "larger than 10 MB"),
        (made.encrypted_pdf("secret"), InvalidRequest, "is encrypted"),
        (b"\x89PNG\r\n\x1a\nno picture", InvalidRequest, "cannot be read"),
    ):
        with pytest.raises(error, match=words):
            workbench.attachments.add(ann, "file", data)
    assert workbench.attachments.unused(ann) == []


def test_a_file_of_someone_else_is_not_there(workbench: Workbench, member: MakeMember) -> None:
    ann, bob = member("ann", org="Acme", plan="team"), member("bob", org="Acme", plan="team")
    file = workbench.attachments.add(ann, "note.txt", TEXT)
    actions: list[Callable[[Principal], object]] = [
        lambda who: workbench.attachments.get(who, file.id),
        lambda who: workbench.attachments.text(who, file.id),
        lambda who: workbench.attachments.picture(who, file.id),
        lambda who: workbench.attachments.remove(who, file.id),
        lambda who: workbench.assistant.ask(who, "What does it say?", attachment_ids=[file.id]),
    ]
    for action in actions:
        with pytest.raises(NotFound):
            action(bob)
    assert workbench.attachments.unused(bob) == []
    assert workbench.conversations.latest(bob) == []
    assert workbench.attachments.get(ann, file.id) == file


def test_who_may_not_ask_attaches_nothing(workbench: Workbench, member: MakeMember) -> None:
    viewer = member("vera", org="Acme", plan="team", role=Role.VIEWER)
    with pytest.raises(Forbidden):
        workbench.attachments.add(viewer, "note.txt", TEXT)
    with pytest.raises(Forbidden):
        workbench.attachments.remove(viewer, new_id())


def test_a_file_is_removed_until_a_question_was_asked_with_it(workbench: Workbench, member: MakeMember) -> None:
    ann = member(plan="basic")
    one, other = (workbench.attachments.add(ann, name, TEXT) for name in ("one.txt", "other.txt"))
    workbench.attachments.remove(ann, one.id)
    with pytest.raises(NotFound):
        workbench.attachments.remove(ann, one.id)
    workbench.assistant.ask(ann, "What was the revenue?", attachment_ids=[other.id]).session.result()
    with pytest.raises(Conflict, match="goes when its conversation is deleted"):
        workbench.attachments.remove(ann, other.id)


def test_one_user_keeps_so_many_that_wait_for_a_question(
    workbench: Workbench, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments_module, "MAX_UNUSED", 2)
    ann = member(plan="basic")
    files = [workbench.attachments.add(ann, "note.txt", TEXT) for _ in range(2)]
    with pytest.raises(InvalidRequest, match="wait for a question already"):
        workbench.attachments.add(ann, "note.txt", TEXT)
    workbench.assistant.ask(ann, "What was the revenue?", attachment_ids=[files[0].id]).session.result()
    workbench.attachments.add(ann, "note.txt", TEXT)


def test_what_nobody_asks_with_is_forgotten_after_a_day(
    workbench: Workbench, member: MakeMember, move_time: MoveTime, service: Service
) -> None:
    ann, bob = member("ann", plan="basic"), member("bob")
    used = workbench.attachments.add(ann, "used.txt", TEXT)
    workbench.assistant.ask(ann, "What was the revenue?", attachment_ids=[used.id]).session.result()
    workbench.attachments.add(ann, "note.txt", TEXT)
    workbench.attachments.add(bob, "note.txt", TEXT)
    move_time(timedelta(hours=23))
    assert workbench.attachments.forget_unused() == 0
    move_time(timedelta(hours=25))
    fresh = workbench.attachments.add(bob, "fresh.txt", TEXT)
    assert workbench.attachments.forget_unused() == 2
    assert service.execute("SELECT name FROM attachments ORDER BY id").fetchall() == [("used.txt",), ("fresh.txt",)]
    assert workbench.attachments.unused(bob) == [fresh]

"""Files over HTTP: attached, listed, asked with, removed."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from core.research.attachments.limits import MAX_FILE_BYTES
from tests.core.http.conftest import Api, assert_problem
from tests.core.research.attachments import files_made as made

PATH = "/ai/attachments"
CSV = b"Region;USD\nNorth;=SUM(A1)\n"


@pytest.fixture
def bob(api: Api) -> Iterator[httpx2.Client]:
    """A client of another member."""
    with api.client(api.member("bob")) as client:
        yield client


def test_a_file_is_attached_by_a_form_or_as_the_body(ann: httpx2.Client) -> None:
    by_form = ann.post(PATH, files={"file": ("../sales.csv", CSV, "text/csv")})
    assert by_form.status_code == 201
    told = by_form.json()
    assert (told["name"], told["kind"], told["size_bytes"], told["pages"]) == ("sales.csv", "csv", len(CSV), None)
    assert told["excerpt"] == "Region,USD\nNorth,'=SUM(A1)"
    assert told["notes"][0] == "CSV in utf-8, separated by semicolon."
    assert told["message_id"] is None
    as_body = ann.post(f"{PATH}?name=report.pdf", content=made.pdf(["Hello."]), headers={"Content-Type": "x/y"})
    assert (as_body.status_code, as_body.json()["kind"], as_body.json()["pages"]) == (201, "pdf", 1)
    assert ann.get(PATH).json()["data"] == [told, as_body.json()]
    assert ann.get(f"{PATH}/{told['id']}").json() == told


def test_a_question_is_asked_with_files_and_shows_them_again(ann: httpx2.Client) -> None:
    file = ann.post(PATH, files={"file": ("sales.csv", CSV)}).json()
    answer = ann.post("/ai/chat", json={"message": "What is duration?", "attachment_ids": [file["id"]]})
    assert answer.status_code == 200, answer.text
    assert ann.get(PATH).json()["data"] == []
    opened = ann.get(f"/ai/conversations/{answer.json()['conversation_id']}").json()
    assert [each["name"] for each in opened["messages"][0]["attachments"]] == ["sales.csv"]
    assert_problem(ann.delete(f"{PATH}/{file['id']}"), 409, "conflict")


def test_a_file_is_removed(ann: httpx2.Client) -> None:
    file = ann.post(PATH, files={"file": ("sales.csv", CSV)}).json()
    assert ann.delete(f"{PATH}/{file['id']}").status_code == 204
    assert_problem(ann.get(f"{PATH}/{file['id']}"), 404, "not_found")
    assert_problem(ann.delete(f"{PATH}/{file['id']}"), 404, "not_found")


def test_a_file_of_someone_else_is_not_found(ann: httpx2.Client, bob: httpx2.Client) -> None:
    file = ann.post(PATH, files={"file": ("sales.csv", CSV)}).json()
    assert_problem(bob.get(f"{PATH}/{file['id']}"), 404, "not_found")
    assert_problem(bob.delete(f"{PATH}/{file['id']}"), 404, "not_found")
    asked = bob.post("/ai/chat", json={"message": "What does it say?", "attachment_ids": [file["id"]]})
    assert_problem(asked, 404, "not_found")
    assert_problem(ann.get(f"{PATH}/no-id"), 404, "not_found")


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        pytest.param(b"", 422, "invalid_request", id="empty"),
        pytest.param(made.encrypted_pdf("secret"), 422, "invalid_request", id="encrypted"),
        pytest.param(b"\x89PNG\r\n\x1a\n<html>", 422, "invalid_request", id="no_picture"),
        pytest.param(made.picture_bomb(), 413, "payload_too_large", id="bomb"),
        pytest.param(b"x" * (MAX_FILE_BYTES + 1), 413, "payload_too_large", id="large"),
        pytest.param(b"x" * (MAX_FILE_BYTES + 100_000), 413, "payload_too_large", id="larger"),
    ],
)
def test_a_file_that_is_refused_says_why(ann: httpx2.Client, data: bytes, status: int, code: str) -> None:
    problem = assert_problem(ann.post(PATH, files={"file": ("file.pdf", data)}), status, code)
    assert str(problem["detail"]).endswith((".", "bytes."))
    assert ann.get(PATH).json()["data"] == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        pytest.param(b"{}", "application/json", id="json"),
        pytest.param(b"a=b", "application/x-www-form-urlencoded", id="fields"),
        pytest.param(b"--x", "multipart/form-data; boundary=x", id="broken_form"),
        pytest.param(b"hello", "multipart/form-data", id="no_boundary"),
    ],
)
def test_a_body_that_is_no_file_is_refused(ann: httpx2.Client, content: bytes, content_type: str) -> None:
    answer = ann.post(PATH, content=content, headers={"Content-Type": content_type})
    assert_problem(answer, 422, "invalid_request")


def test_a_form_has_one_file_alone(ann: httpx2.Client) -> None:
    two = [("file", ("a.txt", b"hello")), ("file", ("b.txt", b"hello"))]
    assert_problem(ann.post(PATH, files=two), 422, "invalid_request")
    more = ann.post(PATH, files={"file": ("a.txt", b"hello")}, data={"other": "1"})
    assert "no field other" in str(assert_problem(more, 422, "invalid_request")["detail"])

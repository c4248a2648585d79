"""The vault: what is hidden comes back, whatever it is, and a placeholder is never mistaken for another's."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from core.ai.guards.personal import found_in
from core.ai.guards.vault import PLACEHOLDER, Vault
from tests.core.ai.guards.texts import benign_texts, planted

PIECES = st.sampled_from(
    [
        *("jane@example.com", "bob@example.org", "+49 151 23456789", "4111 1111 1111 1111", "<EMAIL_1>", "<EMAIL_2>"),
        *(
            "&lt;EMAIL_1&gt;",
            "<PHONE_1>",
            "<TEXT_1>",
            "<",
            ">",
            "EMAIL_1",
            "\\u003cEMAIL_1\\u003e",
            " ",
            "\n",
            "AAPL 187.20",
        ),
        *("sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW", '"', "\\", "é", "_1>", "<SECRET_"),
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=12).map("".join)


@given(TEXTS)
def test_hidden_and_shown_again_is_the_same_text(text: str) -> None:
    vault = Vault(found_in)
    assert vault.shown(vault.hidden(text)) == text


@given(st.lists(TEXTS, min_size=2, max_size=4))
def test_texts_of_one_question_do_not_disturb_one_another(texts: list[str]) -> None:
    vault = Vault(found_in)
    hidden = [vault.hidden(text) for text in texts]
    assert [vault.shown(text) for text in hidden] == texts


def test_nothing_that_is_planted_is_left() -> None:
    for each in planted():
        hidden = Vault(found_in).hidden(each.text)
        assert all(words not in hidden for _, words in each.found)


def test_the_same_thing_has_the_same_placeholder() -> None:
    vault = Vault(found_in)
    assert vault.hidden("a@example.com b@example.com a@example.com") == "<EMAIL_1> <EMAIL_2> <EMAIL_1>"
    assert vault.hidden("again b@example.com") == "again <EMAIL_2>"


def test_a_placeholder_that_a_user_wrote_stays_what_it_is() -> None:
    vault = Vault(found_in)
    hidden = vault.hidden("<EMAIL_1> and a@example.com")
    assert hidden == "<TEXT_1> and <EMAIL_1>"
    assert vault.shown("<EMAIL_1>, not <TEXT_1>, nor <EMAIL_7>") == "a@example.com, not <EMAIL_1>, nor <EMAIL_7>"


def test_a_vault_is_empty_where_nothing_was_found() -> None:
    vault = Vault(found_in)
    for text in benign_texts():
        assert vault.hidden(text) is text
    assert vault.is_empty
    assert vault.placeholders() == {}


def test_what_comes_back_within_json_stays_json() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n"
    vault = Vault(found_in)
    name = PLACEHOLDER.search(vault.hidden(key))
    assert name is not None
    arguments = json.dumps({"query": f"{name[0]} and &lt;{name[1]}&gt;"})
    assert json.loads(vault.shown(arguments, in_json=True))["query"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert re.search(r"BEGIN.*BEGIN", vault.shown(arguments, in_json=True))


def test_a_vault_shows_nothing_of_itself() -> None:
    vault = Vault(found_in)
    vault.hidden("jane@example.com")
    assert "jane" not in f"{vault!r}{vault.counts}{vault.noted}"

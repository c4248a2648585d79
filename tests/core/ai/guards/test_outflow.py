"""The filter of answers: the same result however a text is cut, little held back, secrets swallowed to their end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.ai.guards.outflow import REMOVED, Outflow
from core.ai.guards.personal import found_in
from core.ai.guards.secret_kinds import MOST_HELD_BACK
from core.ai.guards.vault import Vault
from tests.core.ai.guards.texts import benign_texts

CANARY = "k7-3f9a2c81d04e5b76"
KEY = "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW"
PEM = "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj\n" * 30 + "-----END PRIVATE KEY-----"
PIECES = st.sampled_from(
    [
        *(KEY, KEY[:20], "sk-", "sk-ant-", "sk-ant-api03-", "AKIA", "IOSFODNN7EXAMPLE", "eyJ", "AIza", "abc123" * 12),
        *(
            "<EMAIL_1>",
            "<EMAIL_",
            "2>",
            "&lt;EMAIL_2&gt;",
            "<TEXT_1>",
            CANARY,
            CANARY[:9],
            PEM,
            PEM[:40],
            "postgres://u:s3cr@h/db",
        ),
        *(" ", "\n", "_", ".", "hello", "A1" * 9, "-----", "BEGIN ", "é", "assay_"),
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=10).map("".join)


def vault(canary: str | None = CANARY) -> Vault:
    """A vault in which two addresses are."""
    made = Vault(found_in, canary=canary)
    made.hidden("jane@example.com bob@example.com")
    return made


def through(text: str, *, sizes: list[int] | None = None, canary: str | None = CANARY) -> tuple[str, tuple[str, ...]]:
    """What is shown of a text that comes in pieces of these sizes, over and over; None: at once."""
    flow = Outflow(vault(canary))
    shown, at, number = "", 0, 0
    while at < len(text):
        size = len(text) if not sizes else sizes[number % len(sizes)]
        shown += flow.push(text[at : at + size])
        at, number = at + size, number + 1
    return shown + flow.flush(), flow.found


@given(TEXTS, st.lists(st.integers(1, 80), min_size=1, max_size=6))
def test_the_result_is_the_same_however_a_text_is_cut(text: str, sizes: list[int]) -> None:
    assert through(text, sizes=sizes) == through(text) == through(text, sizes=[1])


@given(TEXTS)
def test_little_is_held_back(text: str) -> None:
    flow = Outflow(Vault())
    taken = 0
    for at in range(len(text)):
        before, found = taken, flow.found
        taken += len(flow.push(text[at]))
        if not flow.found and flow.found == found:
            assert at + 1 - taken <= MOST_HELD_BACK
        assert taken >= before


@given(st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_plain_answers_come_through_as_they_are(sizes: list[int]) -> None:
    for text in benign_texts()[::7]:
        assert through(text, sizes=sizes, canary=None) == (text, ())


def test_placeholders_are_put_back_across_pieces() -> None:
    text = "Write to <EMAIL_1>, &lt;EMAIL_2&gt; or <EMAIL_3>; 3 < 4."
    expected = "Write to jane@example.com, bob@example.com or <EMAIL_3>; 3 < 4."
    assert through(text, sizes=[1]) == (expected, ())


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        (KEY, "openai_key"),
        ("sk-ant-api03-" + "aB3dE5fG7h" * 10, "anthropic_key"),
        ("AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q", "google_key"),
        ("gsk_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW", "groq_key"),
        ("AKIAIOSFODNN7EXAMPLE", "aws_key"),
        ("ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xYz", "github_token"),
        ("xoxb-123456789012-abcdefABCDEF", "slack_token"),
        ("sk_live_aB3dE5fG7hI9jK1lM3nO5pQ7", "stripe_key"),
        ("assay_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xYzaB3dE5f", "access_token"),
        ("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "aB3dE5fG7h" * 20, "web_token"),
        ("postgresql://assay:h7Gk2pQz@db.example.com:5432/assay", "database_url"),
    ],
    ids=lambda value: str(value)[:12],
)
@pytest.mark.parametrize("sizes", [[1], [3, 7], [1000]], ids=["signs", "bits", "whole"])
def test_secrets_are_taken_out_to_their_end(secret: str, kind: str, sizes: list[int]) -> None:
    shown, found = through(f"Use {secret} for it.", sizes=sizes)
    assert (shown, found) == (f"Use {REMOVED} for it.", (kind,))


def test_a_private_key_is_swallowed() -> None:
    shown, found = through(f"Here:\n{PEM}\nDone.", sizes=[5])
    assert shown == f"Here:\n{REMOVED}-----END PRIVATE KEY-----\nDone."
    assert found == ("private_key",)


def test_what_is_said_about_keys_is_no_key() -> None:
    text = (
        "A key of OpenAI begins with sk-, one of AWS with AKIA; a PEM file with -----BEGIN PRIVATE KEY----- and so on."
    )
    assert through(text, sizes=[2]) == (text, ())


def test_after_the_canary_nothing_comes() -> None:
    noted: list[str] = []
    flow = Outflow(vault(), noted.append)
    shown = (
        "".join(flow.push(piece) for piece in ("My mark is ", CANARY[:5], CANARY[5:], " and so", " on")) + flow.flush()
    )
    assert (shown, flow.has_leaked, flow.found, noted) == ("My mark is ", True, ("canary",), ["canary"])


def test_an_original_that_comes_back_is_not_taken_for_a_leak() -> None:
    own = Vault(found_in)
    hidden = own.hidden(f"Is {KEY} a valid key?")
    flow = Outflow(own)
    assert flow.push(hidden) + flow.flush() == f"Is {KEY} a valid key?"
    assert flow.found == ()

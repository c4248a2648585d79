"""The kinds of secrets, told by how they begin: keys of providers and hosts, tokens, private keys, database addresses.

Each is a beginning that nothing else has and a run of characters after it. One table serves the search in a text that
is about to leave, and the filter of an answer on its way.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass

from core.ai.guards.spans import Span

MOST_HELD_BACK = 64
"""Characters by which a secret is told at the latest; a longer one is told by its first so many."""

_URL_SAFE = r"A-Za-z0-9_\-"


@dataclass(frozen=True, slots=True)
class SecretKind:
    """One kind of secret."""

    name: str
    beginnings: tuple[str, ...]
    characters: str
    """What it goes on with, as within a regular expression's brackets."""
    least: int
    """Characters after the beginning at least."""
    is_one: Callable[[str], bool] = lambda _text: True
    """Looks closer at its first characters, `MOST_HELD_BACK` at most."""


def _is_mixed(text: str) -> bool:
    """Letters and digits, as keys have them and words do not."""
    return any(each.isdigit() for each in text) and any(each.isalpha() for each in text)


def _is_web_token(text: str) -> bool:
    """Whether a JSON Web Token begins so: its head is an object that names its algorithm or its type."""
    head = text.split(".", 1)[0]
    head = head[: len(head) // 4 * 4]
    try:
        opened = base64.urlsafe_b64decode(head)
    except (binascii.Error, ValueError):
        return False
    return opened.startswith(b"{") and any(word in opened for word in (b'"alg"', b'"typ"', b'"kid"', b'"enc"'))


_NO_PASSWORDS = frozenset({"password", "pass", "pwd", "secret", "changeme", "pw", "your_password", "yourpassword"})
_PASSWORD = re.compile(r"://[^\s:/@]*:([^\s/@]{1,60})@")


def _has_password(text: str) -> bool:
    found = _PASSWORD.search(text)
    if found is None:
        return False
    password = found[1].casefold()
    return password not in _NO_PASSWORDS and not (set(password) <= set("*x.") or password[0] in "<${[")


_BODY = re.compile(r"-----BEGIN [A-Z ]+-----(?:\\[rn]|\s)*[A-Za-z0-9+/]{16}")


def _is_private_key(text: str) -> bool:
    """The armour's first line, and the beginning of what it protects."""
    return _BODY.match(text) is not None


def _headers(*kinds: str) -> tuple[str, ...]:
    return tuple(f"-----BEGIN {kind}-----" for kind in kinds)


SECRET_KINDS = (
    SecretKind("anthropic_key", ("sk-ant-",), _URL_SAFE, 16, _is_mixed),
    SecretKind("openai_key", ("sk-proj-", "sk-svcacct-", "sk-admin-"), _URL_SAFE, 16, _is_mixed),
    SecretKind("provider_key", ("sk-or-", "sk-lf-"), _URL_SAFE, 16, _is_mixed),
    SecretKind("openai_key", ("sk-",), "A-Za-z0-9", 20, _is_mixed),
    SecretKind("google_key", ("AIza",), _URL_SAFE, 30, _is_mixed),
    SecretKind("google_token", ("ya29.",), rf"{_URL_SAFE}.", 20, _is_mixed),
    SecretKind("groq_key", ("gsk_",), "A-Za-z0-9", 20, _is_mixed),
    SecretKind("xai_key", ("xai-",), "A-Za-z0-9", 40, _is_mixed),
    SecretKind("perplexity_key", ("pplx-",), "A-Za-z0-9", 32, _is_mixed),
    SecretKind("hugging_face_token", ("hf_",), "A-Za-z0-9", 30, _is_mixed),
    SecretKind("aws_key", ("AKIA", "ASIA"), "A-Z0-9", 16, lambda text: len(text) == 20 and _is_mixed(text)),
    SecretKind("github_token", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), "A-Za-z0-9", 30, _is_mixed),
    SecretKind("github_token", ("github_pat_",), "A-Za-z0-9_", 30, _is_mixed),
    SecretKind("gitlab_token", ("glpat-",), _URL_SAFE, 18, _is_mixed),
    SecretKind("slack_token", ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xapp-"), r"A-Za-z0-9\-", 16, _is_mixed),
    SecretKind("stripe_key", ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"), "A-Za-z0-9", 16, _is_mixed),
    SecretKind("sendgrid_key", ("SG.",), rf"{_URL_SAFE}.", 40, lambda text: text.count(".") >= 2 and _is_mixed(text)),
    SecretKind("access_token", ("assay_",), _URL_SAFE, 32, _is_mixed),
    SecretKind("web_token", ("eyJ",), rf"{_URL_SAFE}.", 20, _is_web_token),
    SecretKind(
        "private_key",
        (
            *_headers("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY", "OPENSSH PRIVATE KEY"),
            *_headers("ENCRYPTED PRIVATE KEY", "PGP PRIVATE KEY BLOCK"),
        ),
        r"A-Za-z0-9+/=\\\s",
        17,
        _is_private_key,
    ),
    SecretKind(
        "database_url",
        (
            *("postgres://", "postgresql://", "postgresql+psycopg://", "mysql://", "mariadb://", "mssql://"),
            *("mongodb://", "mongodb+srv://", "redis://", "rediss://", "amqp://", "amqps://"),
        ),
        r"^\s\"'`<>",
        5,
        _has_password,
    ),
)
BEGINNINGS = {beginning: kind for kind in SECRET_KINDS for beginning in kind.beginnings}
"""The kinds by each way in which they begin; where one beginning begins another, the longer one counts."""
BEGINNING = re.compile("|".join(map(re.escape, sorted(BEGINNINGS, key=len, reverse=True))))
_MARK_CHARS = 8
_RUNS = {kind: re.compile(f"[{kind.characters}]*") for kind in SECRET_KINDS}
_SHORT = {"://" if "://" in beginning else beginning[:_MARK_CHARS] for beginning in BEGINNINGS}
_MARKS = tuple(mark for mark in _SHORT if not any(other != mark and other in mark for other in _SHORT))
"""One of these is in every text that holds a secret of these kinds."""


def begins_a_word(text: str, at: int) -> bool:
    """Whether no letter, digit or underscore stands before this place."""
    return at == 0 or not (text[at - 1].isalnum() or text[at - 1] == "_")


def told_kind(text: str, at: int, beginning: str) -> SecretKind | None:
    """The kind of secret that begins there, told by its first `MOST_HELD_BACK` characters; None where there is none."""
    kind = BEGINNINGS[beginning]
    begun = at + len(beginning)
    end = end_of_run(kind, text, begun, at + MOST_HELD_BACK)
    return kind if end - begun >= kind.least and kind.is_one(text[at:end]) else None


def end_of_run(kind: SecretKind, text: str, at: int, most: int) -> int:
    """The first place from `at` on, `most` at the latest, that is no part of a secret of this kind."""
    found = _RUNS[kind].match(text, at, most)
    return found.end() if found else at


def secrets_in(text: str) -> list[Span]:
    """The secrets of these kinds in a text, in order."""
    if not any(mark in text for mark in _MARKS):
        return []
    spans: list[Span] = []
    at = 0
    while (found := BEGINNING.search(text, at)) is not None:
        kind = told_kind(text, found.start(), found[0]) if begins_a_word(text, found.start()) else None
        at = found.end()
        if kind is not None:
            at = end_of_run(kind, text, at, len(text))
            spans.append(Span(found.start(), at, "SECRET"))
    return spans

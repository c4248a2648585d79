"""Answers that were paid for once: the exact cache, on this machine and shared by all through Postgres."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import sqlite3
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from diskcache import Cache, JSONDisk, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.ai.answer import IMAGE, Answer
from core.ai.evidence import Evidence
from core.ai.providers.contract import Message, ToolSpec
from core.db import cache_dao as dao
from core.db.engine import Database
from core.errors import DatabaseUnavailable

MACHINE_LIFE_S = 300
"""The machine's level holds nothing longer than this."""
MAX_ENTRY_CHARS = 1_000_000
MAX_PICTURE_CHARS = 8_000_000
"""Of a picture, in base64: 6 MB."""
TRIM_EVERY = 100
KEY_FORMAT = 3

LIFETIMES_S = {
    "chat": 12 * 3600,
    "completion": 7 * 86_400,
    "embedding": 30 * 86_400,
    "image": 90 * 86_400,
    "transcription": 7 * 86_400,
    "signal_validation": 24 * 3600,
    "risk_figures": 6 * 3600,
    "news": 30 * 60,
    "news_detail": 3600,
    "sentiment": 3600,
    "filing_list": 6 * 3600,
    "filing_detail": 24 * 3600,
    "company_profile": 7 * 86_400,
}
"""How long answers are kept, by kind of task, in seconds."""

_log = logging.getLogger(__name__)
_MACHINE_ERRORS = (sqlite3.Error, Timeout, OSError, zlib.error, ValueError)


@dataclass(frozen=True, slots=True)
class Scope:
    """Who may be served an answer: one organisation, or one user in it where it was built on private data.

    Everybody, where the server built it from public data alone: then there is no organisation.
    """

    org_id: UUID | None
    user_id: UUID | None = None

    def __str__(self) -> str:
        if self.org_id is None:
            return "public"
        return f"org:{self.org_id}" if self.user_id is None else f"user:{self.org_id}:{self.user_id}"


@dataclass(frozen=True, slots=True)
class KeyParts:
    """Everything an answer depends on."""

    task: str
    model: str
    """Id of the model, or `auto` with the classes and kinds that it stands for."""
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    prompt_version: str
    data_version: str = ""
    """What the context was built from: portfolio version, as-of, quote time."""
    is_normalised: bool = False
    """Whether white space, case and Unicode form of the user's messages make no difference."""
    is_exact: bool = False
    """Whether white space around a message makes a difference."""
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    json_schema: Mapping[str, object] | None = None
    dimensions: int | None = None
    tools: tuple[str, ...] = ()
    """What the model was offered to have done; see `tools_digest`."""
    picture: str = ""
    """Size and quality of a picture that is to be made."""
    language: str = ""
    """Of a recording."""


class CachedAnswer(BaseModel):
    """An answer as it is kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: str
    key: str
    text: str = Field(min_length=1, max_length=MAX_PICTURE_CHARS)
    model: str
    provider: str
    is_offline: bool
    finish_reason: str
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    cost_usd: Decimal = Field(ge=0)
    """What the call cost, and giving it again saves."""
    price_version: str = ""
    evidence: Evidence | None = None
    """What it rests on; None also where an older program kept it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An answer that was found."""

    answer: CachedAnswer
    level: str
    """`machine` or `shared`."""


class AnswerCache:
    """Two levels: diskcache on the machine (JSON, never pickle), Postgres for all."""

    def __init__(self, folder: Path, database: Database, *, machine_bytes: int, entries_per_scope: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._machine = Cache(
            str(folder), disk=JSONDisk, size_limit=machine_bytes, eviction_policy="least-recently-stored", timeout=1
        )
        self._database = database
        self._entries_per_scope = entries_per_scope
        self._puts = itertools.count(1)

    def near(self, scope: Scope, key: bytes) -> Hit | None:
        """The answer under that key of that scope, where this machine has it."""
        found = _believed(self._from_machine(_name(scope, key)), scope, key)
        return None if found is None else Hit(found, "machine")

    def get(self, scope: Scope, key: bytes) -> Hit | None:
        """The answer under that key of that scope, from the nearest level that has it."""
        hit = self.near(scope, key)
        if hit is not None:
            return hit
        with self._database.single() as connection:
            row = dao.get(connection, str(scope), key)
        return None if row is None else self.found(scope, key, row.value, row.remaining_s)

    def found(self, scope: Scope, key: bytes, value: object, life_s: float) -> Hit | None:
        """An entry of the shared level, if it can be believed; otherwise it is dropped."""
        answer = _believed(value, scope, key)
        if answer is None:
            _log.warning("A corrupt entry of the shared cache was dropped.")
            with self._database.single() as connection:
                dao.drop(connection, str(scope), key)
            return None
        self._to_machine(_name(scope, key), answer, life_s)
        return Hit(answer, "shared")

    def entry(self, scope: Scope, key: bytes, task: str, answer: Answer) -> dict[str, Any] | None:
        """What the shared level keeps of an answer, in the settlement's transaction; None where it keeps nothing.

        The machine's level takes it with its first hit: most answers are never asked for again.
        """
        life_s = _life_s(task, answer.evidence)
        most = MAX_PICTURE_CHARS if task == IMAGE else MAX_ENTRY_CHARS
        if answer.state != "complete" or not 0 < len(answer.text) <= most or life_s < 1:
            return None
        value = CachedAnswer(
            scope=str(scope),
            key=key.hex(),
            text=answer.text,
            model=answer.model,
            provider=answer.provider,
            is_offline=answer.is_offline,
            finish_reason=answer.finish_reason,
            prompt_tokens=answer.usage.prompt_tokens,
            completion_tokens=answer.usage.completion_tokens,
            cost_usd=answer.cost_usd,
            price_version=answer.price_version,
        )
        return {
            "scope": str(scope),
            "key": key.hex(),
            "org_id": None if scope.org_id is None else str(scope.org_id),
            "user_id": None if scope.user_id is None else str(scope.user_id),
            "task": task,
            "life_s": life_s,
            "value": {**value.model_dump(mode="json", exclude={"evidence"}), **_evidence(answer)},
        }

    def renewed(self, scope: Scope, key: bytes, *, replaces: bool) -> None:
        """Takes note of a kept entry: this machine forgets one that it replaces; now and then the scope is trimmed."""
        if replaces:
            self._forget(_name(scope, key))
        if next(self._puts) % TRIM_EVERY == 0:
            try:
                with self._database.single() as connection:
                    dao.trim(connection, str(scope), self._entries_per_scope)
            except DatabaseUnavailable:
                _log.warning("The cache was not trimmed: the database cannot be reached.")

    def close(self) -> None:
        """Closes the machine's level."""
        self._machine.close()

    def _from_machine(self, name: str) -> object:
        try:
            return self._machine.get(name)
        except _MACHINE_ERRORS:
            _log.warning("A corrupt entry of the machine's cache was dropped.")
            self._forget(name)
            return None

    def _to_machine(self, name: str, answer: CachedAnswer, life_s: float) -> None:
        try:
            self._machine.set(name, answer.model_dump(mode="json"), expire=min(MACHINE_LIFE_S, life_s))
        except _MACHINE_ERRORS:
            _log.warning("The machine's cache could not be written.")

    def _forget(self, name: str) -> None:
        try:
            self._machine.delete(name)
        except _MACHINE_ERRORS:
            _log.warning("The machine's cache could not be written.")


def cache_key(parts: KeyParts) -> bytes:
    """SHA-256 of everything the answer depends on; the scope stands beside it, in key and column."""
    messages = [(m.role, _compared(m, parts), *_named(m)) for m in parts.messages]
    document: dict[str, Any] = {each.name: getattr(parts, each.name) for each in fields(parts)}
    document |= {"messages": messages, "format": KEY_FORMAT}
    return hashlib.sha256(json.dumps(document, sort_keys=True, ensure_ascii=True).encode()).digest()


def _compared(message: Message, parts: KeyParts) -> str:
    if parts.is_normalised and message.role == "user":
        return normalised(message.text)
    return message.text if parts.is_exact else message.text.strip()


def _named(message: Message) -> list[tuple[str, str]]:
    """What a message has beside its text: calls of tools, and pictures by their hash."""
    calls = message.calls if message.call is None else (message.call,)
    pictures = [(each.media_type, hashlib.sha256(each.data).hexdigest()) for each in message.pictures]
    return [*((call.name, call.arguments) for call in calls), *pictures]


def tools_digest(tools: Sequence[ToolSpec]) -> tuple[str, ...]:
    """The tools as a cache's key has them: the name of each, and a hash of what the model is told of it."""
    return tuple(f"{tool.name}:{_digest(tool)}" for tool in tools)


def _digest(tool: ToolSpec) -> str:
    told = json.dumps([tool.description, tool.parameters], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _life_s(task: str, evidence: Evidence | None) -> int:
    """Seconds that an answer is kept: as long as its task's are, and no longer than what it rests on is fresh."""
    fresh_s = None if evidence is None else evidence.keep_s
    return LIFETIMES_S[task] if fresh_s is None else int(min(LIFETIMES_S[task], fresh_s))


def _evidence(answer: Answer) -> dict[str, Any]:
    """Written by way of its JSON, in which a number that is none is null."""
    return {} if answer.evidence is None else {"evidence": json.loads(answer.evidence.model_dump_json())}


def normalised(text: str) -> str:
    """A chat message as the cache compares it: NFC, white space folded, case folded."""
    return unicodedata.normalize("NFC", " ".join(unicodedata.normalize("NFC", text).split()).casefold())


def same_question(one: str, other: str) -> bool:
    """Whether the cache takes two chat messages for the same."""
    return normalised(one) == normalised(other)


def earlier_turn(messages: Sequence[Message], question: str) -> int | None:
    """Index of the first user message that asks the same as `question`, or None."""
    for index, message in enumerate(messages):
        if message.role == "user" and same_question(message.text, question):
            return index
    return None


def _name(scope: Scope, key: bytes) -> str:
    return f"{scope}:{key.hex()}"


def _believed(value: object, scope: Scope, key: bytes) -> CachedAnswer | None:
    """The entry, if it is whole and says itself that it belongs under this scope and key."""
    if value is None:
        return None
    try:
        answer = CachedAnswer.model_validate(value)
    except ValidationError:
        return None
    return answer if (answer.scope, answer.key) == (str(scope), key.hex()) else None

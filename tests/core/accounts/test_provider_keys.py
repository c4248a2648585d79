"""Keys of providers: kept encrypted, shown by four characters, used for their owner alone, and told of in time."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import psycopg
import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from core.accounts.encryption import UNENCRYPTED, Encryption
from core.accounts.provider_keys import MAX_KEYS, KeyChange, KeyDraft, KeyRow, KeyState, ProviderKeys, state_of
from core.db.engine import Database
from core.errors import Conflict, Forbidden, InvalidRequest, NotConfigured, NotFound
from core.ids import new_id
from core.ops.notifications import Notifications
from core.principal import Principal, Scope
from tests.conftest import MakeMember, MoveTime
from tests.core.metering.factories import own_key

Connection = psycopg.Connection[tuple[object, ...]]
PLAIN = "sk-proj-0123456789-WXYZ"
PROVIDERS = {"openai": "OpenAI", "anthropic": "Anthropic", "groq": "Groq"}
NOON = datetime(2026, 5, 5, 12, tzinfo=UTC)
ENCRYPTION = Encryption([Fernet.generate_key().decode()])


@pytest.fixture
def keys(database: Database) -> ProviderKeys:
    """The service, with a key to encrypt under."""
    return ProviderKeys(database, ENCRYPTION, Notifications(database), providers=PROVIDERS)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """An owner."""
    return member("ann", org="Acme", plan="team", role="owner")


@pytest.fixture
def bob(ann: Principal, member: MakeMember) -> Principal:
    """An analyst of the same organisation."""
    return member("bob", org="Acme", plan="team", role="analyst")


def draft(**changes: object) -> KeyDraft:
    """A key of OpenAI's."""
    return replace(KeyDraft("openai", "Research", SecretStr(PLAIN)), **changes)  # type: ignore[arg-type]


def change(**changes: object) -> KeyChange:
    """A change that leaves a key as `draft` made it."""
    return replace(KeyChange("Research", None, None), **changes)  # type: ignore[arg-type]


def of(keys: ProviderKeys, who: Principal, key_id: UUID) -> KeyRow:
    """A key as somebody sees it."""
    return next(row for row in keys.all(who) if row.id == key_id)


def told(database: Database, who: Principal) -> list[str]:
    """Titles of somebody's notifications."""
    return [row.title for row in Notifications(database).page(who)]


def test_a_key_is_kept_encrypted_and_shown_by_its_last_four_characters(
    keys: ProviderKeys, ann: Principal, service: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    given = draft(limit_usd_month=Decimal(50))
    key_id = keys.add(ann, given)
    row = of(keys, ann, key_id)
    assert (row.name, row.provider, row.last_four, row.limit_usd_month, row.used_usd) == (
        *("Research", "openai", "WXYZ", Decimal(50), 0),
    )
    assert (row.is_shared, row.last_used_at, state_of(row)) == (False, None, KeyState.VALID)
    [usable] = keys.usable(ann)
    assert usable.secret is not None
    assert usable.secret.get_secret_value() == PLAIN
    [kept] = service.execute("SELECT secret FROM provider_keys").fetchone() or ()
    assert isinstance(kept, bytes) and PLAIN.encode() not in kept
    assert PLAIN not in " ".join((repr(given), repr(row), repr(usable), repr(vars(keys)), caplog.text))


def test_the_role_of_pages_and_routes_cannot_read_a_key(keys: ProviderKeys, ann: Principal, database: Database) -> None:
    keys.add(ann, draft())
    for columns in ("secret", "*", "length(secret)"):
        with pytest.raises(ProgrammingError, match="permission denied"), database.app(ann) as connection:
            connection.execute(text(f"SELECT {columns} FROM provider_keys"))
    for statement in ("UPDATE provider_keys SET limit_usd_month = NULL", "DELETE FROM provider_keys"):
        with pytest.raises(ProgrammingError, match="permission denied"), database.app(ann) as connection:
            connection.execute(text(statement))


def test_a_members_key_is_seen_and_used_by_them_alone(
    keys: ProviderKeys, ann: Principal, bob: Principal, member: MakeMember
) -> None:
    key_id = keys.add(bob, draft())
    for other in (ann, member("eve", org="Other", role="owner")):
        assert keys.all(other) == []
        assert keys.usable(other) == []
        with pytest.raises(NotFound):
            keys.revoke(other, key_id)
        with pytest.raises(NotFound):
            keys.change(other, key_id, change())
        keys.note_refused(other, key_id)
    assert [row.refused_at for row in keys.all(bob)] == [None]
    assert [usable.id for usable in keys.usable(bob)] == [key_id]


def test_the_organisations_key_is_its_managers_to_keep_and_its_members_to_use(
    keys: ProviderKeys, ann: Principal, bob: Principal, member: MakeMember
) -> None:
    with pytest.raises(Forbidden, match="organisation's keys"):
        keys.add(bob, draft(is_shared=True))
    key_id = keys.add(ann, draft(is_shared=True))
    assert [row.id for row in keys.all(bob)] == [key_id]
    assert [(usable.id, usable.is_shared) for usable in keys.usable(bob)] == [(key_id, True)]
    with pytest.raises(Forbidden):
        keys.revoke(bob, key_id)
    with pytest.raises(Forbidden):
        keys.change(bob, key_id, change())
    vic = member("vic", org="Acme", plan="team", role="viewer")
    assert keys.usable(vic) == []
    with pytest.raises(Forbidden):
        keys.add(vic, draft())
    adam = member("adam", org="Acme", plan="team", role="admin")
    keys.change(adam, key_id, change(name="Ours"))
    keys.revoke(adam, key_id)
    assert keys.usable(bob) == []


def test_a_token_needs_the_scope(keys: ProviderKeys, ann: Principal) -> None:
    weak = replace(ann, via="token", scopes=frozenset({Scope.READ, Scope.ASK}))
    with pytest.raises(Forbidden, match="scope"):
        keys.add(weak, draft())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"provider": "nobody"}, "Keys can be kept for Anthropic, Groq, OpenAI"),
        ({"name": " "}, "1 to"),
        ({"name": "x" * 81}, "80 characters"),
        ({"secret": SecretStr("short")}, "This is no key"),
        ({"secret": SecretStr("sk-with space-0123456789")}, "This is no key"),
        ({"secret": SecretStr("sk-ümlaut-0123456789")}, "This is no key"),
        ({"secret": SecretStr("x" * 501)}, "This is no key"),
        ({"secret": SecretStr("sk-ant-api03-0123456789")}, "looks like a key of Anthropic, not of OpenAI"),
        ({"secret": SecretStr("gsk_0123456789abcdef")}, "looks like a key of Groq"),
        ({"limit_usd_month": Decimal(-1)}, "between 0 and"),
        ({"limit_usd_month": Decimal("NaN")}, "between 0 and"),
        ({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}, "in the future"),
        ({"expires_at": datetime(2100, 1, 1, tzinfo=UTC).replace(tzinfo=None)}, "time zone"),
    ],
    ids=str,
)
def test_a_key_that_cannot_be_is_refused_and_not_repeated(
    keys: ProviderKeys, ann: Principal, changes: dict[str, object], words: str
) -> None:
    wanted = draft(**changes)
    with pytest.raises(InvalidRequest) as refused:
        keys.add(ann, wanted)
    assert words in refused.value.detail
    assert wanted.secret.get_secret_value() not in refused.value.detail
    assert keys.all(ann) == []


def test_there_is_one_key_of_a_provider_and_an_own_one_beside_the_organisations(
    keys: ProviderKeys, ann: Principal
) -> None:
    own = keys.add(ann, draft())
    shared = keys.add(ann, draft(is_shared=True))
    for is_shared in (False, True):
        with pytest.raises(Conflict, match="a key of OpenAI already"):
            keys.add(ann, draft(is_shared=is_shared))
    keys.revoke(ann, own)
    again = keys.add(ann, draft())
    assert [row.id for row in keys.all(ann) if row.revoked_at is None] == [again, shared]


def test_a_member_has_so_many_keys(keys: ProviderKeys, ann: Principal, service: Connection) -> None:
    for number in range(MAX_KEYS):
        own_key(service, ann, provider=f"provider-{number}")
    with pytest.raises(Conflict, match="50 keys"):
        keys.add(ann, draft())


def test_without_encryption_no_key_is_kept(database: Database, ann: Principal) -> None:
    keys = ProviderKeys(database, UNENCRYPTED, Notifications(database), providers=PROVIDERS)
    assert not keys.can_be_kept
    with pytest.raises(NotConfigured, match="ENCRYPTION_KEYS"):
        keys.add(ann, draft())


def test_a_revoked_key_is_gone_and_is_listed_for_a_while(
    keys: ProviderKeys, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    key_id = keys.add(ann, draft())
    version = keys.version
    keys.revoke(ann, key_id)
    assert keys.version > version
    assert keys.usable(ann) == []
    assert service.execute("SELECT secret FROM provider_keys").fetchone() == (None,)
    assert state_of(of(keys, ann, key_id)) is KeyState.REVOKED
    with pytest.raises(NotFound):
        keys.revoke(ann, key_id)
    with pytest.raises(NotFound):
        keys.change(ann, key_id, change())
    move_time(timedelta(days=31))
    assert keys.all(ann) == []


def test_a_key_is_changed_and_replaced_in_its_place(keys: ProviderKeys, ann: Principal, service: Connection) -> None:
    key_id = keys.add(ann, draft())
    keys.note_refused(ann, key_id)
    assert state_of(of(keys, ann, key_id)) is KeyState.REFUSED
    keys.change(ann, key_id, change(name="Renamed", limit_usd_month=Decimal("2.5")))
    row = of(keys, ann, key_id)
    assert (row.name, row.limit_usd_month, row.last_four, state_of(row)) == (
        *("Renamed", Decimal("2.5"), "WXYZ", KeyState.REFUSED),
    )
    keys.change(ann, key_id, change(secret=SecretStr("sk-proj-another-0123")))
    assert (of(keys, ann, key_id).last_four, state_of(of(keys, ann, key_id))) == ("0123", KeyState.VALID)
    [usable] = keys.usable(ann)
    assert usable.secret is not None
    assert usable.secret.get_secret_value() == "sk-proj-another-0123"


@pytest.mark.parametrize(
    "change_of",
    [
        "UPDATE users SET deactivated_at = assay_now() WHERE id = %s",
        "UPDATE memberships SET ended_at = assay_now() WHERE user_id = %s",
        "UPDATE memberships SET role = 'viewer' WHERE user_id = %s",
    ],
    ids=["deactivated", "left", "made a viewer"],
)
def test_the_key_of_a_member_who_may_not_ask_any_more_is_not_used(
    keys: ProviderKeys, bob: Principal, service: Connection, change_of: str
) -> None:
    keys.add(bob, draft())
    service.execute(change_of.encode(), (bob.user_id,))
    assert keys.usable(bob) == []


def test_a_key_that_expired_or_cannot_be_read_is_told_and_never_left_out(
    keys: ProviderKeys, ann: Principal, bob: Principal, service: Connection, move_time: MoveTime
) -> None:
    move_time(NOON)
    keys.add(ann, draft(expires_at=NOON + timedelta(days=1)))
    own_key(service, ann, is_shared=True, secret=Encryption([Fernet.generate_key().decode()]).encrypt(PLAIN))
    move_time(NOON + timedelta(days=1))
    mine, ours = keys.usable(ann)
    assert (mine.secret, mine.flaw) == (None, "Your key Research (…WXYZ) has expired; replace it in Settings.")
    assert (ours.secret, ours.flaw) == (
        None,
        "Your organisation's key A key (…abcd) cannot be read any more; enter it again in Settings.",
    )


def test_its_keeper_is_told_a_week_before_a_key_expires_and_when_it_has_each_once(
    keys: ProviderKeys, database: Database, ann: Principal, bob: Principal, move_time: MoveTime
) -> None:
    move_time(NOON)
    keys.add(bob, draft(expires_at=NOON + timedelta(days=30)))
    keys.add(ann, draft(is_shared=True, provider="groq", expires_at=NOON + timedelta(days=30)))
    keys.add(bob, draft(provider="anthropic"))
    assert keys.warn() == 0
    move_time(NOON + timedelta(days=23))
    assert state_of(keys.all(bob)[1]) is KeyState.EXPIRES_SOON
    assert (keys.warn(), keys.warn()) == (2, 0)
    assert told(database, bob) == ["Your OpenAI key Research (…WXYZ) expires on 04 June 2026 (UTC)."]
    assert told(database, ann) == ["The organisation's Groq key Research (…WXYZ) expires on 04 June 2026 (UTC)."]
    move_time(NOON + timedelta(days=30))
    assert (keys.warn(), keys.warn()) == (2, 0)
    assert told(database, bob)[0] == "Your OpenAI key Research (…WXYZ) has expired."
    assert len(told(database, bob)) == len(told(database, ann)) == 2


def test_another_date_is_warned_of_anew(
    keys: ProviderKeys, database: Database, ann: Principal, move_time: MoveTime
) -> None:
    move_time(NOON)
    key_id = keys.add(ann, draft(expires_at=NOON + timedelta(days=3)))
    assert keys.warn() == 1
    keys.change(ann, key_id, change(expires_at=NOON + timedelta(days=60)))
    assert keys.warn() == 0
    move_time(NOON + timedelta(days=55))
    assert keys.warn() == 1
    assert len(told(database, ann)) == 2


def test_a_refusal_is_told_once_to_those_who_keep_the_key(
    keys: ProviderKeys, database: Database, ann: Principal, bob: Principal
) -> None:
    shared, own = keys.add(ann, draft(is_shared=True)), keys.add(bob, draft())
    for _ in range(3):
        keys.note_refused(bob, shared)
        keys.note_refused(bob, own)
    assert told(database, ann) == ["The organisation's OpenAI key Research (…WXYZ) was not accepted by OpenAI."]
    assert told(database, bob) == ["Your OpenAI key Research (…WXYZ) was not accepted by OpenAI."]
    keys.note_refused(ann, new_id())


def test_what_was_used_is_of_the_running_month(
    keys: ProviderKeys, ann: Principal, service: Connection, move_time: MoveTime
) -> None:
    move_time(NOON)
    key_id = keys.add(ann, draft())
    service.execute("UPDATE provider_keys SET used_usd = 3, held_usd = 1")
    assert (of(keys, ann, key_id).used_usd, of(keys, ann, key_id).held_usd) == (3, 1)
    move_time(NOON + timedelta(days=31))
    assert (of(keys, ann, key_id).used_usd, of(keys, ann, key_id).held_usd) == (0, 0)

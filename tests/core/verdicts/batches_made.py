"""Organisations that validate the signals of a scan, with a provider on a socket that answers as it is told."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from core.db.engine import normal_url
from core.metering.books import audit
from core.ops.jobs import Job
from core.ops.worker import Worker
from core.principal import Principal
from core.verdicts.batches import Selection
from core.workbench import Workbench, open_workbench
from tests.conftest import copied, make_settings, member_factory
from tests.core.ops.worker_process import QUICK
from tests.fakes.chat_server import ChatServer, Reply
from tests.fakes.jobs import finished
from tests.fakes.scripted_server import Received

UNIVERSE = "sp500_2010"
MODEL = "gpt-4o-mini"
GOOD = json.dumps(
    {
        "verdict": "BUY",
        "confidence": 0.6,
        "reasoning": "The trend is up.",
        "risk_factors": ["The market may fall."],
        "entry_suggestion": "",
    }
)
Service = psycopg.Connection[tuple[object, ...]]


class SignalServer(ChatServer):
    """Answers every call with a sound verdict, but those that speak of a symbol for which it has other replies."""

    def __init__(self) -> None:
        super().__init__()
        self.replies: dict[str, list[Reply]] = {}
        """By symbol: the next replies, the last of which stays."""
        self.reply(text=GOOD)

    def _next(self, received: Received) -> Reply:
        usual = super()._next(received)
        shown = json.dumps(received.body["messages"])
        for symbol, replies in self.replies.items():
            if f'\\"{symbol}\\"' in shown:
                return replies.pop(0) if len(replies) > 1 else replies[0]
        return usual


@dataclass(frozen=True)
class Scanned:
    """A database and a home with one finished scan in them; nobody works on them."""

    database: str
    home: Path


@pytest.fixture(scope="session")
def scanned(server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanned]:
    """The shipped market and a scan of its default universe, with confidences, to be copied."""
    folder = tmp_path_factory.mktemp("scanned")
    with copied(server_url, template) as url:
        with closing(open_workbench(make_settings(url, folder))) as opened:
            opened.market.load_shipped()
            worker = opened.worker()
            worker.start()
            nobody = member_factory(opened)("nobody")
            job = finished(opened.queue, opened.screener.scans.request(nobody, UNIVERSE))
            finished(opened.queue, opened.screener.jobs.bring_records(opened.screener.scans.of_job(job.id)))
            worker.stop()
        name = normal_url(url).database
        assert name is not None
        yield Scanned(name, folder)


@pytest.fixture
def provider() -> Iterator[SignalServer]:
    """The provider of the test."""
    with SignalServer() as server:
        yield server


@pytest.fixture
def database_url(server_url: str, scanned: Scanned) -> Iterator[str]:
    """A database of the test's own, with the scan in it."""
    with copied(server_url, scanned.database) as url:
        yield url


@dataclass(frozen=True)
class World:
    """A workbench with a scan, a provider, and the figures that tests look at."""

    bench: Workbench
    provider: SignalServer
    service: Service
    environ: dict[str, str]
    """What a process on the same state is started with."""

    def member(self, name: str = "ann", *, plan: str = "enterprise", **more: object) -> Principal:
        """A member; by default of an organisation of their own without a limit on validations."""
        return member_factory(self.bench)(name, plan=plan, **more)

    def signals(self, principal: Principal, count: int) -> tuple[UUID, ...]:
        """The most confident signals of the scan."""
        found = self.bench.verdicts.batches.wanted(principal, Selection(universe_id=UNIVERSE))
        assert len(found) >= count
        return tuple(row.id for row in found[:count])

    def symbol(self, signal_id: UUID) -> str:
        """The symbol of a signal."""
        return str(self.value("SELECT symbol FROM signals WHERE id = %s", signal_id))

    def value(self, statement: str, *values: object) -> object:
        """The one value of a statement."""
        row = self.service.execute(statement.encode(), values).fetchone()
        assert row is not None
        return row[0]

    def finished(self, job: Job) -> Job:
        """The job as it ended."""
        return finished(self.bench.queue, job)

    def batch(self, principal: Principal, wanted: Sequence[UUID]) -> Job:
        """A batch of these signals, as it ended."""
        return self.finished(self.bench.verdicts.batches.start(principal, wanted, model=MODEL))

    @property
    def charges(self) -> tuple[object, object, object]:
        """Settled holds, charged usage rows, and the organisations' used validations."""
        return (
            self.value("SELECT count(*) FROM holds WHERE state = 'settled'"),
            self.value("SELECT count(*) FROM usage_log WHERE status = 'success'"),
            self.value("SELECT coalesce(sum(signal_validation_used), 0)::integer FROM org_meters"),
        )

    def each_validated_once(self, wanted: Sequence[UUID]) -> bool:
        """Whether each of these signals, and no other, has one verdict and was charged once, and the books balance."""
        found = self.service.execute("SELECT signal_id, count(*) FROM verdicts GROUP BY 1").fetchall()
        assert audit(self.bench.database).differences == []
        count = len(wanted)
        return sorted(found, key=str) == sorted(((each, 1) for each in wanted), key=str) and self.charges == (
            count,
            count,
            count,
        )


@contextmanager
def opened_world(
    scanned: Scanned, database_url: str, home: Path, provider: SignalServer, service: Service, **environ: str
) -> Iterator[World]:
    """A world on a copy of the scan; nobody works in it yet."""
    shutil.copytree(scanned.home, home, dirs_exist_ok=True)
    given = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": provider.base_url, **environ}
    settings = make_settings(database_url, home, **given)
    with closing(open_workbench(settings)) as opened:
        process = {"DATABASE_URL": database_url, "ASSAY_HOME": str(settings.assay_home), "ASSAY_DEMO": "0", **given}
        yield World(opened, provider, service, process)


@pytest.fixture
def world(
    scanned: Scanned, database_url: str, tmp_path: Path, provider: SignalServer, service: Service
) -> Iterator[World]:
    """A world with a worker; its books balance at the end."""
    with opened_world(scanned, database_url, tmp_path, provider, service) as made, working(made):
        yield made
        assert audit(made.bench.database).differences == []


@contextmanager
def working(world: World) -> Iterator[Worker]:
    """A worker of this process."""
    worker = Worker(world.bench.database, world.bench.queue, jobs_at_once=4, times=QUICK)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


def eventually(is_so: Callable[[], bool], limit_s: float = 20.0) -> None:
    """Waits until it is so."""
    pause = threading.Event()
    for _ in range(int(limit_s / 0.02)):
        if is_so():
            return
        pause.wait(0.02)
    raise AssertionError("It never was")

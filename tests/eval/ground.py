"""What questions are asked of: a workbench of its own with the demo, its scans made, as the demo's analyst."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from unittest.mock import patch
from uuid import UUID

import yaml

from core.ai.providers.hosts import HOSTS
from core.commands.waiting import working
from core.market.sources.sample_reading import SHIPPED, SampleReading
from core.portfolio.demo import FOLDER, PORTFOLIOS, drafts_of
from core.portfolio.portfolios import PortfolioSettings
from core.principal import Principal
from core.settings import load_settings
from core.workbench import Workbench, open_workbench
from tests.bench.ground import remove_home
from tests.eval.questions import Injection

ANALYST = "analyst@demo.example"
SCANNED = ("sp500_2010", "nse_generated")
SCAN_WITHIN_S = 300.0
LOOK_EVERY_S = 0.05


@dataclass(frozen=True)
class Ground:
    """A workbench to ask."""

    workbench: Workbench
    analyst: Principal

    @property
    def portfolios(self) -> Mapping[str, UUID]:
        """Ids of the portfolios that the analyst sees, by name."""
        return {info.name: info.id for info in self.workbench.portfolio.portfolios.all(self.analyst)}

    def transactions(self) -> int:
        """How many transactions the analyst sees in all portfolios together."""
        area = self.workbench.portfolio
        return sum(len(area.journal.transactions(self.analyst, each)) for each in self.portfolios.values())

    @contextmanager
    def planted(self, case: Injection) -> Iterator[UUID]:
        """The portfolio that a case is asked about: the demo's first, or a copy that carries the text."""
        area = self.workbench.portfolio
        demo = PORTFOLIOS[0]
        if case.carrier not in ("note", "portfolio_name"):
            yield self.portfolios[demo.settings.name]
            return
        name = case.text if case.carrier == "portfolio_name" else "Copy"
        info = area.portfolios.create(self.analyst, PortfolioSettings(name=name[:60]))
        try:
            drafts = list(drafts_of((FOLDER / demo.file_name).read_bytes()))
            if case.carrier == "note":
                drafts[-1] = replace(drafts[-1], note=case.text)
            area.journal.add(self.analyst, info.id, drafts)
            yield info.id
        finally:
            area.portfolios.delete(self.analyst, info.id)


@contextmanager
def prepared_ground(*, plants: Sequence[Injection] = ()) -> Iterator[Ground]:
    """A workbench in a home that is removed afterwards; keys of AI providers alone are taken from the environment.

    Headlines and passages of `plants` stand in its shipped reading.
    """
    work = Path(tempfile.mkdtemp(prefix="assay-eval-"))
    work.chmod(0o711)
    home = work / "home"
    reading = _planted_reading(work / "reading", plants)
    try:
        settings = load_settings(_environment(home), root=work)
        with patch("core.market.market.SampleReading", partial(SampleReading, reading)):
            workbench = open_workbench(settings)
        try:
            workbench.load_demo()
            workbench.market.load_shipped()
            analyst = workbench.directory.member(ANALYST)
            _scan(workbench, analyst)
            yield Ground(workbench, analyst)
        finally:
            workbench.close()
    finally:
        remove_home(home)
        shutil.rmtree(work, ignore_errors=True)


def _environment(home: Path) -> dict[str, str]:
    taken = {name for host in HOSTS.values() for name in (host.key_variable, host.base_url_variable)}
    own = {name: value for name, value in os.environ.items() if name in taken}
    return {**own, "ASSAY_HOME": str(home), "ASSAY_DEMO": "1", "OFFLINE_DELAY_S": "0"}


def _scan(workbench: Workbench, analyst: Principal) -> None:
    """Scans the shipped universes, since screens read the last scan.

    Raises:
        TimeoutError: they take too long.
    """
    until = time.monotonic() + SCAN_WITHIN_S
    with working(workbench):
        for universe in SCANNED:
            job = workbench.screener.scans.request(analyst, universe)
            while not workbench.queue.find(job.id).is_finished:
                if time.monotonic() > until:
                    raise TimeoutError("The scans of the shipped universes take too long.")
                time.sleep(LOOK_EVERY_S)


def _planted_reading(folder: Path, plants: Sequence[Injection]) -> Path:
    if not plants:
        return SHIPPED
    shutil.copytree(SHIPPED, folder)
    news = yaml.safe_load((folder / "news.yaml").read_text("utf-8"))
    told = next(each for each in news["articles"] if each["symbol"] == "CHAMELI.NS")
    for number, case in enumerate(case for case in plants if case.carrier == "headline"):
        address = f"https://example.com/generated/planted-{number}"
        news["articles"].append({**told, "title": case.text, "url": address, "summary": case.text})
    (folder / "news.yaml").write_text(yaml.safe_dump(news), "utf-8")
    report = folder / "chameli-20100331.html"
    passages = "".join(f"<p>{case.text}</p>" for case in plants if case.carrier == "filing")
    text = report.read_text("utf-8")
    report.write_text(text.replace("<h2>Item 2.", f"{passages}<h2>Item 2.", 1), "utf-8")
    return folder

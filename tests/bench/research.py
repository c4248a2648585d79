"""Research: what a tool step adds, what a bundle asks, when offline answers begin, and whether marks are true."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from core.ai.tools import Tool, ToolContext, ToolResult
from core.principal import Principal, Role
from core.research.grounding import marks
from core.research.measures import load_measures
from core.settings import DATA, load_settings
from core.workbench import Workbench, open_workbench
from tests.bench.figures import Figure, Goal, figure, percentile
from tests.bench.first_answers import first_of_processes
from tests.bench.ground import Ground
from tests.bench.load import MODEL
from tests.core.market.vendor_server import VendorServer
from tests.core.research.bundles_made import PartServer, bundles_of, live_bench, opened, portfolio, symbols_of
from tests.core.research.grounding_made import (
    FALSE,
    World,
    false_sentence,
    falsified,
    made_world,
    sayings,
    sentence,
)
from tests.eval.asking import ask
from tests.eval.ground import ANALYST, prepared_ground
from tests.eval.questions import questions
from tests.fakes.chat_server import ChatServer
from tests.fakes.scripted_server import Received, Reply, Wanted

ANSWERS, WARM_UP = 100, 5
WANTED = (
    Wanted("holdings"),
    Wanted("quote", '{"symbols": ["IBM"]}'),
    Wanted("transactions", '{"most": 20}'),
    Wanted("performance"),
)
"""The steps of an answer, one a round."""
STEP_GOAL = Goal("p50", 20.0)
HOLDINGS, BUNDLE_GOAL = 50, Goal("p50", 3.0)
FIRST_WORD = (Goal("p50", 300.0), Goal("p95", 300.0))
SENTENCES, SENTENCES_OF_A_WORLD, SEED = 5_000, 50, 9
TRUE_GOAL, ALARMS_GOAL = Goal("p50", 100.0, is_floor=True), Goal("p50", 5.0)


def all_figures(ground: Ground) -> list[Figure]:
    """Steps, bundles, offline answers and marks, each on a database of its own."""
    return [*_steps(ground), _bundle(ground), *_offline(ground), *_marks(ground)]


class _Timed:
    """A tool, and how long its own work took in all."""

    def __init__(self, tool: Tool) -> None:
        self._tool = tool
        self.name, self.description = tool.name, tool.description
        self.arguments, self.needs_portfolio = tool.arguments, tool.needs_portfolio
        self.own_s = 0.0

    def run(self, context: ToolContext, arguments: Any) -> ToolResult:
        """As the tool."""
        begun = time.perf_counter()
        try:
            return self._tool.run(context, arguments)
        finally:
            self.own_s += time.perf_counter() - begun


class _StepServer(ChatServer):
    """A provider that wants `WANTED` done, one after the other, before it answers; or (no tools asked) answers."""

    def __init__(self) -> None:
        super().__init__()
        self.wants_steps = True

    def _next(self, received: Received) -> Reply:
        reply = super()._next(received)
        done = sum(message["role"] == "tool" for message in received.body["messages"])
        if self.wants_steps and received.body.get("tools") and done < len(WANTED):
            return Reply(text="", wants=(WANTED[done],))
        return reply


def _steps(ground: Ground) -> list[Figure]:
    """Answers with four steps, and answers without, over the same path: the difference, a step."""
    number = ground.repetitions(ANSWERS)
    with _StepServer() as server, _demo(ground, server) as (workbench, analyst, portfolio_id):
        toolbox = workbench.research.toolbox
        timed = {name: _Timed(tool) for name, tool in toolbox._tools.items()}
        toolbox._tools = timed
        own_ms = percentile([_provider_ms(server) for _ in range(number)], 0.5)
        numbers = count(1)

        def asked() -> float:
            """Milliseconds of an answer beside its tools' own work."""
            before, begun = sum(tool.own_s for tool in timed.values()), time.perf_counter()
            exchange = workbench.assistant.ask(
                analyst, f"What do I hold, asked {next(numbers)} times?", portfolio_id=portfolio_id, model=MODEL
            )
            with exchange.session as session:
                list(session)
            taken_s = time.perf_counter() - begun
            answer = session.answer
            done = [] if answer is None or answer.evidence is None else answer.evidence.steps
            if len(done) != (len(WANTED) if server.wants_steps else 0) or any(step.state != "done" for step in done):
                told = "; ".join(f"{step.tool} {step.state} {step.error}" for step in done)
                raise RuntimeError(f"Other steps than were wanted: {told}")
            return (taken_s - sum(tool.own_s for tool in timed.values()) + before) * 1000

        samples: list[float] = []
        plain: list[float] = []
        for at in range(WARM_UP + number):
            server.wants_steps = True
            with_steps = asked()
            server.wants_steps = False
            without = asked()
            if at >= WARM_UP:
                samples.append((with_steps - without) / len(WANTED) - own_ms)
                plain.append(without - own_ms)
    note = (
        f"{len(WANTED)} steps, one a round, beside the same answer without: the turn read, the tool's arguments and "
        "result, the hold topped up, the next call of the provider's client, marks; the tool's own work and the "
        f"provider's {own_ms:.2g} ms are taken off"
    )
    return [
        figure("tool step, added beside its own work", samples, goals=(STEP_GOAL,), note=note),
        figure("answer about a portfolio without a step, added", plain, note="the provider's own time is taken off"),
    ]


def _provider_ms(server: ChatServer) -> float:
    """What the provider takes by itself, asked directly."""
    connection = http.client.HTTPConnection(urlsplit(server.base_url).netloc)
    with closing(connection):
        connection.connect()
        begun = time.perf_counter()
        body = json.dumps({"model": MODEL, "stream": True, "messages": [{"role": "user", "content": "What is risk?"}]})
        connection.request("POST", "/v1/chat/completions", body)
        connection.getresponse().read()
        return (time.perf_counter() - begun) * 1000


@contextmanager
def _demo(ground: Ground, server: ChatServer) -> Iterator[tuple[Workbench, Principal, UUID]]:
    """A workbench with the demo, whose OpenAI is the server; its analyst and first portfolio."""
    with ground.database_apart("research_steps") as (url, _):
        environ = {"DATABASE_URL": url, "ASSAY_HOME": str(ground.work / "steps"), "ASSAY_DEMO": "1"}
        live = {"OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": server.base_url}
        with closing(open_workbench(load_settings({**environ, **live}, root=ground.work))) as workbench:
            workbench.load_demo()
            workbench.market.load_shipped()
            analyst = workbench.directory.member(ANALYST)
            yield workbench, analyst, workbench.portfolio.portfolios.all(analyst)[0].id


def _bundle(ground: Ground) -> Figure:
    """The calls that a provider gets for a portfolio of fifty."""
    with (
        ground.database_apart("research_bundle") as (url, _),
        PartServer() as server,
        VendorServer() as vendor,
        live_bench(url, ground.work / "bundle", server, vendor) as workbench,
        bundles_of(workbench) as bundles,
    ):
        workbench.directory.add_user("bundle@bench.example", org_name="Bundles", plan="enterprise", role=Role.OWNER)
        owner = workbench.directory.member("bundle@bench.example")
        portfolio_id = portfolio(workbench, owner, symbols_of(HOLDINGS))
        begun = time.perf_counter()
        made = opened(bundles, owner, portfolio_id)
        taken_s = time.perf_counter() - begun
        if any(part.state != "ready" for part in made.parts):
            raise RuntimeError("A part of the bundle was not made.")
    note = f"news, filings and sentiment; {taken_s:.2g} s in all, against local servers"
    return figure(
        f"bundle of {HOLDINGS} holdings: calls of the provider",
        [float(server.calls)],
        unit="calls",
        goals=(BUNDLE_GOAL,),
        note=note,
    )


def _offline(ground: Ground) -> list[Figure]:
    """The first word of an offline answer: of the questions of the evaluation set, and of processes just started."""
    asked = questions("build")[: 10 if ground.is_quick else None]
    with prepared_ground() as prepared:
        for question in asked[:WARM_UP]:
            ask(prepared, question.question, None, None)
        told = [
            ask(prepared, each.question, prepared.portfolios[each.portfolio] if each.portfolio else None, None)
            for each in asked
        ]
        if any(each.error for each in told):
            raise RuntimeError(next(each.error for each in told if each.error))
        words = [each.first_word_s * 1000 for each in told if each.first_word_s is not None and not each.is_cached]
        firsts = first_of_processes(prepared.workbench, prepared.analyst, prepared.portfolios["US stocks"])
    note = "questions of the evaluation set, each asked once, by one user; tools and Postgres included"
    return [figure("offline answer, first word, warm process", words, goals=FIRST_WORD, note=note), *firsts]


def _marks(ground: Ground) -> list[Figure]:
    """How many verified marks are true, how many true figures are not verified, and the time of marking."""
    number = SENTENCES // (10 if ground.is_quick else 1)
    draw = random.Random(SEED)
    measures = load_measures(DATA / "measures.yaml")
    taken: list[float] = []

    def is_verified(world: World, text: str, at: int) -> bool:
        begun = time.perf_counter()
        found = marks(text, world.evidence, measures)
        taken.append((time.perf_counter() - begun) * 1000)
        return any(mark.is_verified for mark in found if mark.start <= at < mark.end)

    true = [is_verified(world, *sentence(sayings(world, draw), draw)) for world in _worlds(number, 0)]
    false = [
        is_verified(world, said[0], said[1] + 1)
        for world in _worlds(4 * number, number)
        if (said := _false_of(world, draw)) is not None
    ][:number]
    right, wrong = sum(true), sum(false)
    kinds = ", ".join(FALSE)
    return [
        _share(
            "verified marks that are true",
            right,
            right + wrong,
            TRUE_GOAL,
            f"over {len(true):,} true and {len(false):,} false generated sentences; false in one of: {kinds}",
        ),
        _share("false alarms: true figures not verified", len(true) - right, len(true), ALARMS_GOAL, "of the true"),
        figure("a sentence marked", taken, note="about 480 figures of seven steps at hand"),
    ]


def _worlds(number: int, seed: int) -> Iterator[World]:
    for at in range(number):
        if at % SENTENCES_OF_A_WORLD == 0:
            world = made_world(SEED * 10**6 + seed + at)
        yield world


def _false_of(world: World, draw: random.Random) -> tuple[str, int] | None:
    changed = falsified(sayings(world, draw), draw, world)
    return None if changed is None else false_sentence(*changed, draw)


def _share(name: str, part: int, whole: int, goal: Goal, note: str) -> Figure:
    share = 100 * part / whole
    return Figure(name, "%", whole, p50=share, goals=(goal,), note=f"{part:,} of {whole:,}; {note}")

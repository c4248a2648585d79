"""A replayed day of analysts' questions: what the cache answers, and what cache and router save, each told apart.

The day is `data/demo/analysts_day.csv`, which was made for this purpose: nobody asked those questions. It is replayed
through the gateway four times against local servers that answer at lengths of their own kind of question: with and
without the cache, routed and always with one frontier model. Costs are those of our price table.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from core.ai.answer import Question
from core.ai.catalogue import Model
from core.ai.prompts import load_prompt
from core.ai.providers.contract import Message, TokenUsage
from core.ai.router import AUTO
from core.metering.meter import Feature
from core.principal import Principal, Role
from core.settings import DATA, load_settings
from core.workbench import Workbench, open_workbench
from tests.bench.figures import Figure, figure
from tests.bench.ground import Ground
from tests.fakes.chat_server import ChatServer, Reply
from tests.fakes.scripted_server import Received

DAY = DATA / "demo" / "analysts_day.csv"
LENGTHS = {"chat": (60, 420), "completion": (12, 60), "signal_validation": (90, 160)}
"""Words of an answer to a task, of a short question and of a long one."""
LONG_QUESTION = 90
"""Characters from which a question is a long one."""
HOSTS = ("OPENAI", "MISTRAL", "DEEPSEEK", "XAI")
"""Live for the day, all at one local server."""
USUAL = (700, 300)
"""Tokens of a usual question and its answer."""
BYTES_PER_TOKEN = 4
MAX_TOKENS = {"chat": 1024, "completion": 512, "signal_validation": 512}


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the day."""

    organisation: str
    analyst: str
    task: str
    text: str


class DayServer(ChatServer):
    """A host that answers in one word, and counts the tokens that an answer to the question would have."""

    def _next(self, received: Received) -> Reply:
        texts = [str(message["content"]) for message in received.body["messages"]]
        task = next(task for task, most in MAX_TOKENS.items() if is_of(task, most, received.body, texts))
        short, long = LENGTHS[task]
        written = {
            "prompt_tokens": sum(len(text) for text in texts) // BYTES_PER_TOKEN,
            "completion_tokens": long if len(texts[-1]) >= LONG_QUESTION else short,
        }
        return Reply(text="Answered.", usage={**written, "total_tokens": sum(written.values())})


def is_of(task: str, most: int, body: Mapping[str, object], texts: Sequence[str]) -> bool:
    """Whether a request is of a task, by what it asks for."""
    asked = body.get("max_tokens") or body.get("max_completion_tokens")
    return asked == most and (task != "signal_validation") == (not texts[-1].startswith("signal "))


def saved(ground: Ground) -> list[Figure]:
    """Hit rate, and the share of the cost that cache, router, and both save."""
    day = _day()[:: 10 if ground.is_quick else 1]
    costs: dict[tuple[bool, bool], Decimal] = {}
    hits, by_task = 0, Counter[str]()
    for is_cached in (False, True):
        for is_routed in (False, True):
            cost, found = _replayed(ground, day, is_cached=is_cached, is_routed=is_routed)
            costs[is_cached, is_routed] = cost
            if is_cached and is_routed:
                hits, by_task = sum(found.values()), found
    total = costs[False, False]
    shown = ", ".join(f"{task} {count}" for task, count in sorted(by_task.items()))
    made = f"{len(day)} questions made for the purpose"
    named = [
        ("cache alone", costs[True, False]),
        ("router alone", costs[False, True]),
        ("cache and router", costs[True, True]),
    ]
    return [
        figure("replayed day: answered from the cache", [100 * hits / len(day)], unit="%", note=f"{made}; {shown}"),
        *(
            figure(
                f"replayed day: cost saved by {name}",
                [float(100 * (1 - cost / total))],
                unit="%",
                note=f"{cost:.4f} USD against {total:.4f} USD for the same day with one frontier model and no cache",
            )
            for name, cost in named
        ),
    ]


def _day(path: Path = DAY) -> list[Asked]:
    with path.open(encoding="utf-8", newline="") as file:
        return [Asked(row["organisation"], row["analyst"], row["task"], row["text"]) for row in csv.DictReader(file)]


def _replayed(
    ground: Ground, day: Sequence[Asked], *, is_cached: bool, is_routed: bool
) -> tuple[Decimal, Counter[str]]:
    """What the day cost in USD, and how often the cache answered, by task."""
    name = f"day_{is_cached}_{is_routed}".lower()
    with ground.database_apart(name) as (url, _), DayServer() as server:
        hosts = {
            f"{host}_{part}": value
            for host in HOSTS
            for part, value in (("API_KEY", "sk-bench"), ("BASE_URL", server.base_url))
        }
        environ = {"ASSAY_HOME": str(ground.work / name), "ASSAY_DEMO": "0", "DATABASE_URL": url, **hosts}
        with closing(open_workbench(load_settings(environ, root=ground.work))) as workbench:
            people = _people(workbench, day)
            model = AUTO if is_routed else _frontier(workbench).id
            system = Message("system", load_prompt(DATA / "prompts", "chat").text)
            cost, found = Decimal(0), Counter[str]()
            for asked in day:
                question = replace(_question(asked, system), model=model, skips_cache=not is_cached)
                session = workbench.gateway.session(people[asked.analyst], question, runs_here=True)
                answer = session.result()
                cost += answer.cost_usd
                found[asked.task] += answer.is_cached
            return cost, found


def _question(asked: Asked, system: Message) -> Question:
    """As its page or route asks it; one that the answer of a validation needs is left to the task alone."""
    is_chat, is_signal = asked.task == "chat", asked.task == "signal_validation"
    features = {"chat": Feature.CHAT_QUERY, "signal_validation": Feature.SIGNAL_VALIDATION}
    user = Message("user", asked.text)
    return Question(
        messages=(system, user) if is_chat else (user,),
        feature=features.get(asked.task),
        task=asked.task,
        max_tokens=MAX_TOKENS[asked.task],
        is_normalised=is_chat,
        is_public=is_signal,
    )


def _people(workbench: Workbench, day: Sequence[Asked]) -> dict[str, Principal]:
    people = {}
    for organisation, analyst in sorted({(asked.organisation, asked.analyst) for asked in day}):
        email = f"{analyst}@bench.example"
        workbench.directory.add_user(email, org_name=organisation, plan="enterprise", role=Role.OWNER)
        people[analyst] = workbench.directory.member(email, organisation)
    return people


def _frontier(workbench: Workbench) -> Model:
    """The cheapest model of the frontier class that is live and served, for a question of the usual size."""
    today = datetime.now(UTC).date()
    found = [
        (workbench.prices.price_of(model.price, today).cost(TokenUsage(*USUAL)), model.id)
        for model in workbench.catalogue.chat_models()
        if model.model_class == "frontier" and model.provider in workbench.providers and model.is_served(today)
    ]
    return workbench.catalogue.get(min(found)[1])

"""How many of ten thousand requests are answered while one of three providers is down, one is slow and one fails."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from core.ai.answer import Question
from core.ai.providers.contract import Message
from core.errors import AssayError
from core.metering.books import audit
from core.principal import Principal
from core.settings import load_settings
from core.workbench import Workbench, open_workbench
from tests.bench.figures import Figure, Goal, percentile
from tests.bench.ground import Ground
from tests.bench.quick_provider import running_quick_provider
from tests.fakes.scripted_server import closed_address

REQUESTS = 10_000
CALLERS = 32
SLOW_S = 6.0
"""The slow one's first token."""
FAILING = 5
"""Of a hundred requests to the third."""
GOAL = (Goal("p50", 99.9, is_floor=True),)
LIMITS = {"CONNECT_TIMEOUT_S": "1", "FIRST_TOKEN_TIMEOUT_S": "3", "TOTAL_TIMEOUT_S": "30"}


def survived(ground: Ground) -> list[Figure]:
    """`auto` on the enterprise plan; each question is another, so that no cache helps, and each call is accounted."""
    ground.lift_limits()
    requests, who = ground.repetitions(REQUESTS), ground.member("Surviving organisation", plan="enterprise")
    with _opened(ground) as bench:
        began = time.monotonic()
        with ThreadPoolExecutor(CALLERS) as pool:
            ends = list(pool.map(lambda number: _asked(bench, who, number), range(requests)))
        took_s = time.monotonic() - began
        differences = len(audit(bench.database).differences)
    answered = sorted(seconds for end, seconds in ends if not end)
    failed = Counter(end for end, _ in ends if end)
    note = (
        f"one provider refuses connections, one begins to answer after {SLOW_S:g} s, which is above the time limit, "
        f"one fails {FAILING} of 100; {CALLERS} callers; not answered: "
        f"{', '.join(f'{number} {name}' for name, number in failed.items()) or 'none'}; differences in the books: "
        f"{differences}"
    )
    share = 100 * len(answered) / requests
    return [
        Figure("requests answered while providers fail", "%", requests, share, goals=GOAL, note=note),
        Figure(
            *("time to the whole answer meanwhile", "ms", len(answered)),
            p50=1000 * percentile(answered, 0.5),
            p95=1000 * percentile(answered, 0.95),
            per_second=len(answered) / took_s,
            note=f"the slowest took {answered[-1]:.2g} s: it waited for the slow provider first",
        ),
    ]


@contextmanager
def _opened(ground: Ground) -> Iterator[Workbench]:
    with running_quick_provider(after_s=SLOW_S) as slow, running_quick_provider(failing=FAILING) as failing:
        addresses = {"OPENAI": closed_address(), "MISTRAL": slow, "XAI": failing}
        environ = {f"{name}_BASE_URL": address for name, address in addresses.items()}
        environ |= {f"{name}_API_KEY": "sk-bench" for name in addresses}
        home = {"ASSAY_HOME": str(ground.home), "ASSAY_DEMO": "0"}
        with closing(open_workbench(load_settings({**home, **LIMITS, **environ}, root=ground.work))) as bench:
            yield bench


def _asked(bench: Workbench, who: Principal, number: int) -> tuple[str, float]:
    """Why a request was not answered, or nothing; and its seconds."""
    question = Question(
        messages=(Message("user", f"What does a beta of {number / 1000} say of a share?"),), model="auto", max_tokens=64
    )
    began = time.monotonic()
    try:
        answer = bench.gateway.session(who, question).result()
    except AssayError as error:
        return type(error).__name__, time.monotonic() - began
    return "" if answer.state == "complete" else answer.state, time.monotonic() - began

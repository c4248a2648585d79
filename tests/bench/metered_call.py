"""What the whole path adds to a provider's own time: `/v1/chat/completions` of a running process, accounting on."""

from __future__ import annotations

from tests.bench.application import Application, running
from tests.bench.figures import Figure, Goal, figure, percentile
from tests.bench.ground import Ground
from tests.bench.load import ask_provider, call_completions, first_bytes
from tests.bench.quick_provider import FIRST_AFTER_S, running_quick_provider

CALLS = 1_000
CALLERS = 32
CALLS_EACH = 60
STREAMS = 200
WARM_UP = 60
ADDED = (Goal("p50", 5.0), Goal("p95", 10.0))
TOGETHER = (Goal("per_second", 250.0, is_floor=True),)
FIRST_BYTE = (Goal("p95", 10.0),)


def calls(ground: Ground) -> list[Figure]:
    """One caller, then thirty-two of one organisation; then streams; the provider is canned and answers at once."""
    ground.lift_limits()
    tokens = [
        ground.workbench.directory.create_token(ground.member("Calling organisation", plan="enterprise").email)
        for _ in range(CALLERS)
    ]
    with running_quick_provider() as base_url:
        environ = {"ASSAY_DEMO": "0", "OPENAI_API_KEY": "sk-bench", "OPENAI_BASE_URL": base_url}
        with running(ground.home, environ=environ) as application:
            call_completions(application.base_url, tokens[:1], each=WARM_UP)
            return [
                _alone(ground, application, base_url, tokens[0]),
                _together(ground, application, tokens),
                _streamed(ground, application, tokens[0]),
            ]


def _alone(ground: Ground, application: Application, base_url: str, token: str) -> Figure:
    own_ms = percentile(ask_provider(base_url, times=ground.repetitions(CALLS)), 0.5)
    measured = call_completions(application.base_url, [token], each=ground.repetitions(CALLS))
    samples = [taken - own_ms for taken in measured.samples_ms]
    note = (
        "authentication, cache miss, reserve, in-flight mark, the provider's client, settle, log; the provider's own "
        f"{own_ms:.2g} ms (median, asked directly) are taken off"
    )
    return figure("metered call over HTTP, added, one caller", samples, goals=ADDED, note=note)


def _together(ground: Ground, application: Application, tokens: list[str]) -> Figure:
    call_completions(application.base_url, tokens, each=2)
    measured = call_completions(application.base_url, tokens, each=ground.repetitions(CALLS_EACH))
    return figure(
        f"metered call over HTTP, in all, {CALLERS} callers",
        measured.samples_ms,
        per_second=measured.per_second,
        goals=TOGETHER,
        note="application, Postgres, provider and callers share the machine; nothing is taken off",
    )


def _streamed(ground: Ground, application: Application, token: str) -> Figure:
    taken_ms = first_bytes(application.base_url, token, times=ground.repetitions(STREAMS))
    samples = [taken - 1000 * FIRST_AFTER_S for taken in taken_ms]
    note = f"after the provider's first byte, which it sends {FIRST_AFTER_S:g} s after it was asked"
    return figure("first streamed byte", samples, goals=FIRST_BYTE, note=note)

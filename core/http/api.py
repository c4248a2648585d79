"""The HTTP API as one application, to be mounted at `/api`: routes, and what stands in front of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI

from core.http.entrance import Entrance
from core.http.problems import install_problems, problem_response
from core.http.routes import (
    alerts,
    attachments,
    audio,
    billing,
    chat,
    completions,
    conversations,
    credits,
    docs,
    fundamentals,
    health,
    images,
    jobs,
    large_requests,
    models,
    news,
    portfolio_files,
    portfolios,
    profile,
    providers,
    quotes,
    research,
    risk_metrics,
    screener,
    sec_edgar,
    stripe_webhooks,
    templates,
    usage,
    usage_log,
    validate,
)
from core.http.routes.health import HEALTH_THREADS, DatabaseProbe
from core.http.routes.providers import LastHour
from core.ops.probe import Probe

AREAS = (
    health,
    chat,
    conversations,
    completions,
    large_requests,
    images,
    audio,
    attachments,
    templates,
    models,
    profile,
    credits,
    billing,
    stripe_webhooks,
    providers,
    usage,
    usage_log,
    docs,
    quotes,
    news,
    fundamentals,
    sec_edgar,
    screener,
    jobs,
    alerts,
    validate,
    portfolio_files,
    portfolios,
    research,
    risk_metrics,
)
"""The files of routes; one that is added here is served."""


def create_api(entrance: Entrance) -> FastAPI:
    """The API behind its entrance."""
    app = entrance.application("Assay", problem_response)
    app.router.routes.extend(route for area in AREAS for route in area.router.routes)
    app.state.health_threads = ThreadPoolExecutor(HEALTH_THREADS)
    app.state.probe = DatabaseProbe(entrance.workbench.database.ping)
    app.state.queue_probe = Probe(entrance.workbench.queue.figures)
    app.state.last_hour = LastHour(entrance.workbench.usage.calls_by_provider)
    install_problems(app)
    document = docs.openapi_document(app)
    app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's own way to replace it
    return app

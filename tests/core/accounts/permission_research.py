"""Rows of the table of permissions for research."""

from __future__ import annotations

from core.errors import NotFound
from tests.core.accounts.permission_portfolios import ONE
from tests.core.accounts.permission_rows import ASKERS, INSIDERS, PEOPLE, READERS, C, Method, Route

ISSUER = "CHAMELI.NS"
READ_AND_ASK = ASKERS - {C.ASK_TOKEN}
"""What shows a portfolio and asks of it: a token needs both scopes."""

METHODS: dict[str, Method] = {
    "research.bundles.state": Method(READERS, lambda t: t.bench.bundles.state(t.who, t.nothing), ends=NotFound),
    "research.bundles.needs": Method(READERS, lambda t: t.bench.bundles.needs(t.who, t.nothing), ends=NotFound),
    "research.bundles.known": Method(
        READERS, lambda t: t.bench.bundles.known(t.who, t.nothing, "news", ISSUER), ends=NotFound
    ),
    "research.bundles.names": Method(READERS, lambda t: t.bench.bundles.names(t.who, t.nothing), ends=NotFound),
    "research.bundles.agreed": Method(INSIDERS, lambda t: t.bench.bundles.agreed(t.who)),
    "research.bundles.agree": Method(ASKERS, lambda t: t.bench.bundles.agree(t.who)),
    "research.bundles.begin": Method(READ_AND_ASK, lambda t: t.bench.bundles.begin(t.who, t.nothing), ends=NotFound),
    "research.bundles.ask_symbol": Method(
        READERS, lambda t: t.bench.bundles.ask_symbol(t.who, t.nothing, "news", ISSUER), ends=NotFound
    ),
    "research.details.text": Method(
        ASKERS, lambda t: t.bench.details.text(t.who, ISSUER, "0000000000-00-000000"), ends=NotFound
    ),
    "research.details.news": Method(
        ASKERS, lambda t: t.bench.details.news(t.who, ISSUER, "https://example.com/none"), ends=NotFound
    ),
    "research.details.filing": Method(
        ASKERS, lambda t: t.bench.details.filing(t.who, ISSUER, "0000000000-00-000000"), ends=NotFound
    ),
    "research.details.profile": Method(ASKERS, lambda t: t.bench.details.profile(t.who, "NOBODYKNOWS"), ends=NotFound),
    "research.checks.by_model": Method(INSIDERS, lambda t: t.bench.answer_checks.by_model(t.who)),
    "research.toolbox.runner": Method(INSIDERS, lambda t: t.bench.research.toolbox.runner(t.who, None)),
}

ROUTES: dict[tuple[str, str], Route] = {
    ("GET", f"{ONE}/research"): Route(READERS, 404),
    ("POST", f"{ONE}/research"): Route(READ_AND_ASK, 404, body={}),
    ("POST", f"{ONE}/research/ask"): Route(PEOPLE, 404, body={"kind": "news", "symbol": ISSUER}),
}

"""Rows of the table of permissions for credits and boosts."""

from __future__ import annotations

from decimal import Decimal

from core.errors import InvalidRequest, NotFound
from tests.core.accounts.permission_rows import (
    ASKERS,
    MANAGERS,
    MANAGERS_SEE,
    READERS,
    C,
    Method,
    Route,
)

OPERATORS = frozenset({C.OPERATOR})
DECIDERS = MANAGERS | OPERATORS
TEN = Decimal(10)
BOOST = {"metric": "chat_queries_day", "amount": 5, "days": 2, "reason": "Earnings season"}
NO_BOOST = {**BOOST, "amount": 0}
DECISION = "/api/boosts/{boost_id}/decision"

METHODS: dict[str, Method] = {
    "metering.credits.balance": Method(READERS, lambda t: t.bench.credits.balance(t.who)),
    "metering.credits.entries": Method(READERS, lambda t: t.bench.credits.entries(t.who)),
    "metering.credits.caps": Method(MANAGERS_SEE, lambda t: t.bench.credits.caps(t.who)),
    "metering.credits.set_cap": Method(
        MANAGERS, lambda t: t.bench.credits.set_cap(t.who, t.nothing, TEN), ends=NotFound
    ),
    "metering.credits.adjust": Method(
        OPERATORS, lambda t: t.bench.credits.adjust(t.who, t.nothing, TEN, "why"), ends=NotFound
    ),
    "metering.boosts.request": Method(
        ASKERS,
        lambda t: t.bench.boosts.request(t.who, metric="chat_queries_day", amount=0, days=2, reason="why"),
        ends=InvalidRequest,
    ),
    "metering.boosts.decide": Method(
        DECIDERS, lambda t: t.bench.boosts.decide(t.who, t.nothing, granted=True), ends=NotFound
    ),
    "metering.boosts.end": Method(DECIDERS, lambda t: t.bench.boosts.end(t.who, t.nothing), ends=NotFound),
    "metering.boosts.all": Method(DECIDERS, lambda t: t.bench.boosts.all(t.who)),
    "metering.boosts.mine": Method(READERS, lambda t: t.bench.boosts.mine(t.who)),
}
ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/api/credits/balance"): Route(READERS),
    ("GET", "/api/credits/packages"): Route(READERS),
    ("GET", "/api/credits/ledger"): Route(READERS),
    ("GET", "/api/credits/caps"): Route(MANAGERS_SEE),
    ("PUT", "/api/credits/caps/{user_id}"): Route(MANAGERS, 404, body={"cap_month": "10"}),
    ("GET", "/api/boosts"): Route(READERS),
    ("POST", "/api/boosts"): Route(ASKERS, 422, body=NO_BOOST),
    ("GET", "/api/boosts/all"): Route(frozenset({C.OWNER, C.ADMIN, C.OPERATOR})),
    ("POST", DECISION): Route(DECIDERS, 404, body={"granted": True}),
    ("DELETE", "/api/boosts/{boost_id}"): Route(DECIDERS, 404),
}

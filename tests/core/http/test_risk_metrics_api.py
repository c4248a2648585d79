"""`POST /api/risk-metrics`: the figures of returns and of portfolios, counted once, and one sentence for a bad body."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from core.portfolio.portfolios import PortfolioSettings
from core.portfolio.transactions import Draft, Kind
from core.principal import Principal, Role
from tests.core.http.conftest import Api, assert_problem

PATH = "/risk-metrics"
VECTORS = json.loads(
    (Path(__file__).parents[1] / "portfolio" / "vectors" / "risk.json").read_text("utf-8"),
)["cases"]
FIGURES = {
    "sharpe",
    "sortino",
    "alpha",
    "beta",
    "calmar",
    "stdDev",
    "maxDrawdown",
    "currentDrawdown",
    "rSquared",
}
GOOD = {"portfolioReturns": [0.01, -0.02, 0.03], "marketReturns": [0.02, -0.01, 0.01], "riskFreeRate": 0.04}


def used(client: httpx2.Client) -> int:
    return int(client.get("/user/usage").json()["usage"]["daily"]["portfolioAnalysis"]["used"])


@pytest.fixture
def team(api: Api) -> Iterator[httpx2.Client]:
    """A client whose analyses are without limit."""
    with api.client(api.member("team", plan="team", org="Acme")) as client:
        yield client


def test_answers_are_those_of_the_vectors(team: httpx2.Client) -> None:
    for case in VECTORS:
        answer = team.post(PATH, json=case["input"])
        assert answer.status_code == 200
        assert {name: answer.json()[name] for name in case["expected"]} == {
            name: None if value is None else pytest.approx(value, rel=1e-8, abs=0 if value else 1e-15)
            for name, value in case["expected"].items()
        }, case["name"]
    assert used(team) == len(VECTORS)


def test_the_first_counts_and_the_same_again_is_free(ann: httpx2.Client) -> None:
    first, again = ann.post(PATH, json=GOOD), ann.post(PATH, json={**GOOD, "periodsPerYear": 252})
    assert first.json().keys() >= FIGURES
    assert (first.json()["cached"], again.json()["cached"]) == (False, True)
    assert {**first.json(), "cached": True} == again.json()
    assert (first.headers["X-Cache"], again.headers["X-Cache"]) == ("miss", "hit")
    for answer in (first, again):
        assert answer.headers["X-Quota-Metric"] == "portfolio_analyses_day"
        assert answer.headers["X-Quota-Remaining"] == "0"
        assert answer.headers["X-Plan"] == "free"
        assert answer.headers["Cache-Control"] == "no-store"
        assert {"x-quota-reset", "ratelimit-limit", "x-request-id"} <= {name.lower() for name in answer.headers}
    assert used(ann) == 1


def test_when_the_day_is_used_up_it_is_a_denial(ann: httpx2.Client) -> None:
    ann.post(PATH, json=GOOD)
    answer = ann.post(PATH, json={**GOOD, "riskFreeRate": 0.05})
    problem = assert_problem(answer, 429, "quota_exceeded")
    assert (problem["metric"], problem["limit"], problem["remaining"]) == ("portfolio_analyses_day", 1, 0)
    assert problem["reason"] == "Daily portfolio analysis limit reached (1/day)"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["X-Quota-Remaining"] == "0"
    assert ann.post(PATH, json=GOOD).json()["cached"]


def test_a_repeat_with_its_key_gets_the_same_answer(ann: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "one"}
    first, again = (ann.post(PATH, json=GOOD, headers=headers) for _ in range(2))
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Request-Id"] == first.headers["X-Request-Id"]
    other = ann.post(PATH, json={**GOOD, "riskFreeRate": 0.0}, headers=headers)
    assert_problem(other, 409, "conflict")
    assert used(ann) == 1


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("empty", {"portfolioReturns": []}, "The field portfolioReturns is empty; give at least one return."),
    ("empty-market", {"marketReturns": []}, "The field marketReturns is empty; give at least one return."),
    (
        "unequal",
        {"marketReturns": [0.01, 0.02]},
        "The field portfolioReturns has 3 returns and marketReturns 2: from position 2 on portfolioReturns has no "
        "counterpart.",
    ),
    (
        "null",
        {"portfolioReturns": [0.01, None, 0.02]},
        "The field portfolioReturns[1] is null; every return is a number such as 0.01.",
    ),
    (
        "text",
        {"marketReturns": [0.01, 0.02, "0.03"]},
        "The field marketReturns[2] is not a number; every return is a number such as 0.01.",
    ),
    (
        "boolean",
        {"portfolioReturns": [True, 0.02, 0.03]},
        "The field portfolioReturns[0] is not a number; every return is a number such as 0.01.",
    ),
    (
        "nested",
        {"portfolioReturns": [[0.01], 0.02, 0.03]},
        "The field portfolioReturns[0] is not a number; every return is a number such as 0.01.",
    ),
    (
        "too-large-a-whole-number",
        {"portfolioReturns": [10**400, 0.02, 0.03]},
        "The field portfolioReturns[0] is not finite; every return is a number such as 0.01.",
    ),
    ("no-list", {"portfolioReturns": 0.01}, "The field portfolioReturns must be a list."),
    ("no-returns", {"portfolioReturns": None}, "The field portfolioReturns is missing."),
    ("no-market", {"marketReturns": None}, "The field marketReturns is missing."),
    ("no-rate", {"riskFreeRate": None}, "The field riskFreeRate is missing."),
    ("rate-as-text", {"riskFreeRate": "0.04"}, "The field riskFreeRate must be a number."),
    (
        "all-is-lost-a-year",
        {"riskFreeRate": -1},
        "The field riskFreeRate is not valid: Input should be greater than -1.",
    ),
    (
        "no-periods",
        {"periodsPerYear": 0},
        "The field periodsPerYear is not valid: Input should be greater than 0.",
    ),
    (
        "periods-below-zero",
        {"periodsPerYear": -252},
        "The field periodsPerYear is not valid: Input should be greater than 0.",
    ),
    ("unknown", {"rf": 0.04}, "There is no field rf here, or it is not supported yet."),
    ("both", {"portfolio_id": str(uuid4())}, "Send portfolio_id or returns, not both: marketReturns is of returns."),
    ("a-day-with-returns", {"from": "2010-01-01"}, "The field from goes with portfolio_id alone."),
]


@pytest.mark.parametrize(("changes", "words"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_body_is_told_by_its_place_and_counts_nothing(
    ann: httpx2.Client, changes: dict[str, Any], words: str
) -> None:
    problem = assert_problem(ann.post(PATH, json={**GOOD, **changes}), 422, "invalid_request")
    assert problem["detail"] == words
    assert used(ann) == 0


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"portfolioReturns": [NaN]}', "The body is not valid JSON."),
        (b'{"portfolioReturns": [-Infinity]}', "The body is not valid JSON."),
        (
            b'{"portfolioReturns": [0.1, 1e999], "marketReturns": [0.1, 0.2], "riskFreeRate": 0}',
            "The field portfolioReturns[1] is not finite; every return is a number such as 0.01.",
        ),
        (
            b'{"portfolioReturns": [0.1], "marketReturns": [0.1], "riskFreeRate": 1e999}',
            "The field riskFreeRate is not valid: Input should be a finite number.",
        ),
        (b"{}", "Send the field portfolio_id, or returns of your own: portfolioReturns, marketReturns, riskFreeRate."),
        (b"[]", "The body must be a JSON object."),
    ],
    ids=["nan", "infinity", "an-infinite-return", "an-infinite-rate", "nothing", "a-list"],
)
def test_what_json_does_not_hold_is_refused(ann: httpx2.Client, body: bytes, words: str) -> None:
    answer = ann.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert assert_problem(answer, 422, "invalid_request")["detail"] == words
    assert used(ann) == 0


def test_a_body_of_more_than_a_mebibyte_is_refused(ann: httpx2.Client) -> None:
    body = {**GOOD, "portfolioReturns": [0.01] * 300_000, "marketReturns": [0.01] * 300_000}
    assert_problem(ann.post(PATH, json=body), 413, "payload_too_large")
    assert used(ann) == 0


def test_a_body_of_nearly_as_much_is_answered_or_refused_at_once(team: httpx2.Client) -> None:
    many = [0.01, -0.01] * 40_000
    answer = team.post(PATH, json={**GOOD, "portfolioReturns": many, "marketReturns": many})
    assert (answer.status_code, answer.json()["n"], answer.json()["beta"]) == (200, 80_000, pytest.approx(1))
    nothing = json.dumps({**GOOD, "portfolioReturns": [None] * 150_000})
    refused = team.post(PATH, content=nothing, headers={"Content-Type": "application/json"})
    assert str(assert_problem(refused, 422, "invalid_request")["detail"]).startswith("The field portfolioReturns[0]")


@pytest.mark.parametrize(
    ("returns", "market", "none"),
    [
        ([0.01], [0.02], {"sharpe", "sortino", "alpha", "beta", "calmar", "stdDev", "rSquared"}),
        ([0.01] * 3, [0.01, 0.02, 0.03], {"sharpe", "sortino", "calmar", "rSquared"}),
        ([0.01, -0.02, 0.03], [0.01] * 3, {"alpha", "beta", "rSquared"}),
        ([1e308, 1e308, -0.5], [0.01, 0.02, 0.03], {"maxDrawdown", "currentDrawdown", "calmar", "alpha", "stdDev"}),
    ],
    ids=["one", "constant", "constant-market", "overflow"],
)
def test_what_is_not_defined_is_null(
    ann: httpx2.Client, returns: list[float], market: list[float], none: set[str]
) -> None:
    answer = ann.post(PATH, json={"portfolioReturns": returns, "marketReturns": market, "riskFreeRate": 0})
    assert answer.status_code == 200
    nulls = {name for name in FIGURES if answer.json()[name] is None}
    assert nulls >= none if max(returns) > 1 else nulls == none


def test_who_may_not_analyse_is_refused(api: Api) -> None:
    with api.client() as stranger:
        assert_problem(stranger.post(PATH, json=GOOD), 401, "unauthenticated")
    with api.client(api.member("vera", role=Role.VIEWER)) as viewer:
        assert_problem(viewer.post(PATH, json=GOOD), 403, "forbidden")


@pytest.fixture
def maker(api: Api) -> Principal:
    api.workbench.market.load_shipped()
    return api.member("ann", org="Acme", plan="team", role=Role.ANALYST)


@pytest.fixture
def portfolio_id(api: Api, maker: Principal) -> str:
    """A portfolio of IBM alone."""
    area = api.workbench.portfolio
    info = area.portfolios.create(maker, PortfolioSettings(name="IBM", has_cash=False))
    bought = Draft(Kind.BUY, date(2009, 1, 2), "USD", "IBM", Decimal(10), Decimal(87))
    area.journal.add(maker, info.id, [bought])
    return str(info.id)


def test_a_portfolio_is_analysed_as_on_its_page(api: Api, maker: Principal, portfolio_id: str) -> None:
    body = {"portfolio_id": portfolio_id, "benchmark": "IBM", "from": "2009-06-01", "to": "2010-05-28"}
    with api.client(maker) as client:
        first, again = (client.post(PATH, json=body) for _ in range(2))
        assert first.status_code == 200
        assert (first.json()["beta"], first.json()["alpha"]) == (pytest.approx(1), pytest.approx(0, abs=1e-9))
        assert (first.json()["n"], first.json()["cached"], again.json()["cached"]) == (252, False, True)
        assert used(client) == 1


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"portfolio_id": "x"}, 404, "not_found"),
        ({"portfolio_id": str(uuid4())}, 404, "not_found"),
        ({"benchmark": "NOSUCH"}, 404, "not_found"),
        ({"from": "01.06.2009"}, 422, "invalid_request"),
        ({"from": "2010-06-01", "to": "2010-05-31"}, 422, "invalid_request"),
        ({"from": "2010-08-21"}, 422, "not_enough_data"),
    ],
    ids=["no-id", "unknown", "no-benchmark", "no-date", "turned-round", "nothing-yet"],
)
def test_what_cannot_be_analysed_of_a_portfolio_is_said(
    api: Api, maker: Principal, portfolio_id: str, changes: dict[str, str], status: int, code: str
) -> None:
    with api.client(maker) as client:
        assert_problem(client.post(PATH, json={"portfolio_id": portfolio_id, **changes}), status, code)
        assert used(client) == 0


def test_another_organisations_portfolio_is_not_found(api: Api, portfolio_id: str) -> None:
    with api.client(api.member("eve")) as stranger:
        assert_problem(stranger.post(PATH, json={"portfolio_id": portfolio_id}), 404, "not_found")

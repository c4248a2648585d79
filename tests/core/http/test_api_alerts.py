"""`/api/screener/alerts` and `/api/notifications`: over a socket, by each caller for themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from core.principal import Principal
from tests.core.http.conftest import Api, assert_problem
from tests.core.screener.alerts_made import Bench

PATH = "/screener/alerts"
UNIVERSE = "first"
HOOK = "https://hooks.example/assay"


@pytest.fixture
def maker(api: Api) -> Principal:
    return api.member("ann", org="Acme", plan="team")


@pytest.fixture
def ann(api: Api, maker: Principal) -> Iterator[httpx2.Client]:
    with api.client(maker) as client:
        yield client


@pytest.fixture
def bench(api: Api) -> Bench:
    """Scans that alerts are told of."""
    return Bench(api.workbench.database)


@pytest.fixture
def universe(api: Api) -> str:
    """A universe that everybody sees."""
    api.workbench.market.load_shipped()
    return api.workbench.market.universes.list(api.member("zoe"))[0].id


@pytest.fixture
def given(bench: Bench, maker: Principal, universe: str) -> dict[str, Any]:
    """A body that makes an alert."""
    return {"name": "Mine", "screen_id": str(bench.screen(maker)), "universe": universe}


def test_an_alert_is_made_changed_paused_and_deleted(ann: httpx2.Client, given: dict[str, Any]) -> None:
    answer = ann.post(PATH, json={**given, "webhook_url": HOOK})
    assert answer.status_code == 201
    made = answer.json()
    assert made["webhook_secret"].startswith("whsec_")
    address = f"{PATH}/{made['id']}"
    assert {**given, "in_app": True, "email": False, "webhook_url": HOOK, "paused": False}.items() <= made.items()
    [listed] = ann.get(PATH).json()["alerts"]
    assert listed == {name: value for name, value in made.items() if name != "webhook_secret"}
    renewed = ann.patch(address, json={"renew_secret": True, "name": "Renamed"}).json()
    assert renewed["name"] == "Renamed" and renewed["webhook_secret"] not in (None, made["webhook_secret"])
    without = ann.patch(address, json={"webhook_url": None, "paused": True}).json()
    assert (without["webhook_url"], without["paused"], without["webhook_secret"]) == (None, True, None)
    assert ann.patch(address, json={"paused": False}).json()["paused"] is False
    assert ann.get(f"{address}/deliveries").json() == {"deliveries": []}
    assert ann.delete(address).status_code == 204
    assert ann.get(PATH).json() == {"alerts": []}
    assert_problem(ann.delete(address), 404, "not_found")


@pytest.mark.parametrize(
    ("change", "status", "code", "said"),
    [
        ({"screen_id": str(uuid4())}, 404, "not_found", "screen"),
        ({"screen_id": "none"}, 404, "not_found", "screen"),
        ({"universe": "none"}, 404, "not_found", "universe"),
        ({"webhook_url": "http://hooks.example"}, 422, "invalid_request", "https"),
        ({"webhook_url": "https://169.254.169.254/"}, 422, "invalid_request", "public internet"),
        ({"in_app": False}, 422, "invalid_request", "how the alert tells"),
        ({"email": True}, 501, "not_configured", "SMTP_URL"),
        ({"name": ""}, 422, "invalid_request", "name"),
        ({"secret": "mine"}, 422, "invalid_request", "secret"),
    ],
)
def test_what_cannot_be_is_refused_with_what_is_wrong(
    ann: httpx2.Client, given: dict[str, Any], change: dict[str, Any], status: int, code: str, said: str
) -> None:
    answer = ann.post(PATH, json={**given, **change})
    assert_problem(answer, status, code)
    assert said in answer.json()["detail"]
    assert ann.get(PATH).json() == {"alerts": []}


def test_new_matches_are_read_as_notifications_by_their_owner_alone(
    api: Api, ann: httpx2.Client, maker: Principal, bench: Bench
) -> None:
    bench.night({"AAA": 5})
    made = bench.alert(maker)
    bench.night({"AAA": 12, "BBB": 12})
    bench.night({"AAA": 12, "BBB": 12, "CCC": 12})
    first = ann.get("/notifications", params={"limit": 1}).json()
    assert (first["unread"], [each["title"] for each in first["notifications"]]) == (2, ["Mine: CCC matches"])
    rest = ann.get("/notifications", params={"cursor": first["next_cursor"]}).json()
    assert [each["title"] for each in rest["notifications"]] == ["Mine: 2 new matches"]
    assert rest["next_cursor"] is None
    [delivery, _] = ann.get(f"{PATH}/{made.row.id}/deliveries").json()["deliveries"]
    assert (delivery["channel"], delivery["status"], delivery["matches"]) == ("app", "delivered", 1)
    with api.client(api.member("bob", org="Acme", plan="team")) as bob:
        assert bob.get("/notifications").json() == {"notifications": [], "unread": 0, "next_cursor": None}
        assert bob.post("/notifications/read", json={}).json() == {"unread": 0}
    read = ann.post("/notifications/read", json={"ids": [first["notifications"][0]["id"]]})
    assert read.json() == {"unread": 1}
    assert len(ann.get("/notifications", params={"unread": True}).json()["notifications"]) == 1
    assert ann.post("/notifications/read", json={}).json() == {"unread": 0}


def test_what_is_no_id_or_cursor_is_said_to_be_none(ann: httpx2.Client) -> None:
    assert_problem(ann.post("/notifications/read", json={"ids": ["x"]}), 404, "not_found")
    assert_problem(ann.get("/notifications", params={"cursor": "x"}), 422, "invalid_request")
    assert_problem(ann.get("/notifications", params={"limit": 1000}), 422, "invalid_request")
    assert_problem(ann.get(f"{PATH}/x/deliveries"), 404, "not_found")

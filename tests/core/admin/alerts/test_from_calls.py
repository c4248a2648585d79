"""Alerts of what really happens: calls over a socket, a budget that a manager sets, months that pass, mail, hooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from core.admin.alerts.service import ChannelDraft
from core.errors import MeteringDenied, ProviderUnavailable
from core.principal import Role
from tests.conftest import MoveTime, make_settings
from tests.core.admin.alerts.alerts_made import Made, make
from tests.core.ai.test_gateway import LONG, ask
from tests.core.ai.test_surviving import Ground, opened
from tests.fakes.mail_server import MailServer

USAGE = {"prompt_tokens": 80_000, "completion_tokens": 10, "total_tokens": 80_010}
COST = Decimal("0.012006")  # 80,000 x 0.15 + 10 x 0.60 USD per million
NEARLY, UP, PACE = (
    "80 % of your organisation's budget is used",
    "Your organisation's budget is used up",
    "At this pace your organisation's budget will not last the month",
)


@pytest.fixture
def ground(database_url: str, tmp_path: Path) -> Iterator[Ground]:
    """With one provider."""
    with opened(database_url, tmp_path, "openai", plan="team") as found:
        found.servers["openai"].reply(text=LONG, usage=USAGE)
        yield found


@pytest.fixture
def made(ground: Ground, mail_server: MailServer, database_url: str, tmp_path: Path) -> Iterator[Made]:
    """Its alerts, which mail and a webhook leave."""
    settings = make_settings(database_url, tmp_path, SMTP_URL=mail_server.url)
    found = make(ground.bench, settings, mail_server, tmp_path)
    with found.hook, closing(found.area):
        yield found


def calls(ground: Ground, times: int, *, of: str) -> None:
    """Questions that were asked, answered and charged."""
    for number in range(times):
        assert ask(ground.bench, ground.ann, f"Question {number} of {of}?").cost_usd == COST


def a_minute(made: Made) -> None:
    """What the queue does every minute."""
    made.area.watch.evaluate()
    made.area.delivery.deliver_due()


def hooked(made: Made) -> list[str]:
    """Titles that the webhook got since it was last looked at."""
    return sorted(json.loads(made.hook.received.get_nowait().body)["title"] for _ in range(made.hook.received.qsize()))


def test_a_budget_that_a_manager_sets_is_told_refuses_clears_and_is_told_again(
    ground: Ground, made: Made, move_time: MoveTime
) -> None:
    ann, budgets = ground.ann, ground.bench.admin.budgets
    made.area.alerts.add_channel(ann, ChannelDraft("webhook", "Ours", made.url))
    move_time(datetime(2027, 3, 20, 12, tzinfo=UTC))  # five eighths of the month
    budgets.set(ann, ann.org_id, Decimal("0.10"))
    calls(ground, 4, of="March")  # 48 %, and 77 % at this pace
    a_minute(made)
    assert (made.mails(ann), hooked(made)) == ([], [])

    calls(ground, 2, of="March, later")  # 72 %, and 115 % at this pace
    for _ in range(3):
        a_minute(made)
    assert (made.mails(ann), hooked(made)) == ([PACE], [PACE])

    calls(ground, 1, of="March, later still")  # 84 %
    for _ in range(3):
        a_minute(made)
    assert (made.mails(ann), hooked(made)) == ([PACE, NEARLY], [NEARLY])

    calls(ground, 2, of="March, at last")  # 108 %: the last call cost more than was held for it
    for _ in range(3):
        a_minute(made)
    assert (made.mails(ann), hooked(made)) == ([PACE, NEARLY, UP], [UP])
    assert {"budget_80", "budget_100"} <= set(made.rules(ann))
    asked = ground.calls
    with pytest.raises(MeteringDenied, match="budget"):
        ask(ground.bench, ann, "One more?")
    assert ground.calls == asked  # nobody was called

    budgets.set(ann, ann.org_id, Decimal("0.20"))  # 54 %
    a_minute(made)
    assert made.rules(ann) == ["projected_overrun"]  # 87 % at this pace: it clears once that lasted
    move_time(datetime(2027, 3, 20, 19, tzinfo=UTC))
    a_minute(made)
    assert made.rules(ann) == []
    calls(ground, 1, of="a larger budget")
    budgets.set(ann, ann.org_id, Decimal("0.10"))
    a_minute(made)
    assert "budget_100" in made.rules(ann)
    assert len(made.mails(ann)) == 3  # it was told this month

    move_time(datetime(2027, 4, 29, tzinfo=UTC))
    a_minute(made)
    assert made.rules(ann) == []
    calls(ground, 7, of="April")
    a_minute(made)
    assert (made.mails(ann)[3:], hooked(made)) == ([NEARLY], [NEARLY])


def test_a_provider_that_stops_answering_calls_is_told_to_operators_once(ground: Ground, made: Made) -> None:
    ground.bench.directory.add_user(
        "olga@test.example", org_name="Olga's", plan="team", role=Role.OWNER, password=None, is_operator=True
    )
    olga = replace(ground.bench.directory.member("olga@test.example", "Olga's"), is_operator=True)
    ground.servers["openai"].reply(status=500)
    for number in range(5):
        with pytest.raises(ProviderUnavailable):
            ask(ground.bench, ground.ann, f"Question {number}?")
    ground.bench.health.refresh()
    for _ in range(3):
        a_minute(made)
    assert made.mails(olga) == ["openai does not answer"]  # and not its only model's alert besides
    assert made.mails(ground.ann) == []

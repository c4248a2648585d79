"""Calls that credits cover: what they hold, take and give back, on real sockets; the books balance after each test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from core.accounts.provider_keys import KeyDraft
from core.ai.cover import Cover
from core.errors import AssayError, MeteringDenied, ProviderError
from core.metering.credits import Balance, Credits
from core.metering.meter import CallRecord
from core.metering.pricing import shipped_billing
from core.principal import Principal
from core.workbench import Workbench
from tests.core.ai.test_gateway import HONEST, HONEST_COST, LONG, MODEL, ask, last_row, question, used, wait_until
from tests.core.ai.test_surviving import Ground, opened
from tests.core.metering.factories import hold_request, record

Service = psycopg.Connection[tuple[object, ...]]
HONEST_CREDITS = Decimal("0.000252")  # 0.000021 USD x 1.20 / 0.10 USD
FREE = 10
"""Chat questions of a day on the plan free, and free credits of a day."""


def spend_plan(ground: Ground, who: Principal | None = None, *, uses_credits: bool = True) -> None:
    """Uses the day's chat questions up."""
    who = who or ground.ann
    for number in range(FREE):
        ask(ground.bench, who, f"Question {number} of {who.name}?")
    if uses_credits:
        ground.bench.profiles.change(who, {"uses_credits": True})
    assert used(ground.bench, who) == FREE


def without_free(service: Service) -> None:
    """Has the plan free give no free credits from now on."""
    service.execute("UPDATE plan_limits SET free_credits_day = 0 WHERE plan = 'free'")


def purse(bench: Workbench) -> Credits:
    """Its wallets."""
    return Credits(bench.database, shipped_billing())


def balance(ground: Ground) -> Balance:
    """What ann has."""
    return purse(ground.bench).balance(ground.ann)


def grant(ground: Ground, amount: str) -> None:
    """Gives ann's organisation credits."""
    purse(ground.bench).grant(ground.ann.org_id, Decimal(amount), reason="a test", author=None)


def denied(ground: Ground, text: str = "One more?") -> tuple[str, str]:
    """Code and metric of a refusal."""
    calls = ground.calls
    with pytest.raises(MeteringDenied) as caught:
        ask(ground.bench, ground.ann, text)
    assert ground.calls == calls
    return caught.value.denial.code, caught.value.denial.metric


@contextmanager
def spent(database_url: str, home: Path, *hosts: str) -> Iterator[Ground]:
    """The plan's chat questions of the day are used up, and credits may take over."""
    with opened(database_url, home, *hosts, plan="free") as ground:
        for server in ground.servers.values():
            server.reply(text=LONG, usage=HONEST)
        spend_plan(ground)
        yield ground


@pytest.fixture
def ground(database_url: str, tmp_path: Path) -> Iterator[Ground]:
    """With one provider."""
    with spent(database_url, tmp_path, "openai") as found:
        yield found


def test_free_credits_come_first_and_the_answer_tells_what_it_took(ground: Ground, service: Service) -> None:
    grant(ground, "5")
    answer = ask(ground.bench, ground.ann, "One more?")
    assert (answer.credits, answer.cost_usd) == (HONEST_CREDITS, HONEST_COST)
    assert answer.quota is not None
    assert (answer.quota.used, answer.quota.remaining) == (FREE, 0)
    found = balance(ground)
    assert (found.daily_free_remaining, found.balance, found.held) == (FREE - HONEST_CREDITS, 5, 0)
    row = last_row(service)
    assert (row["cover"], row["credits"], row["charged_usd"]) == ("credits", HONEST_CREDITS, HONEST_COST)
    assert used(ground.bench, ground.ann) == FREE
    assert ground.bench.usage.quota(ground.ann, "requests_month").used == FREE + 1


def test_under_the_plan_no_credits_move(ground: Ground, service: Service) -> None:
    ground.bench.directory.set_plan(ground.ann.org_name, "premium")
    answer = ask(ground.bench, replace(ground.ann, plan="premium"), "One more?")
    assert (answer.credits, answer.cost_usd) == (0, HONEST_COST)
    rows = service.execute("SELECT DISTINCT cover, credits FROM usage_log").fetchall()
    assert rows == [("plan", Decimal(0))]
    assert service.execute("SELECT count(*) FROM ledger_entries").fetchone() == (0,)


def test_without_free_ones_the_wallet_pays_to_the_sixth_digit(ground: Ground, service: Service) -> None:
    without_free(service)
    grant(ground, "1")
    assert ask(ground.bench, ground.ann, "One more?").credits == HONEST_CREDITS
    assert balance(ground).balance == 1 - HONEST_CREDITS
    charge = next(entry for entry in purse(ground.bench).entries(ground.ann) if entry.kind == "charge")
    assert (charge.amount, charge.user_id, charge.free_day) == (HONEST_CREDITS, ground.ann.user_id, None)


def test_one_request_may_take_of_both(ground: Ground) -> None:
    grant(ground, "1")
    most = Decimal(FREE) - Decimal("0.0001")
    hold = ground.bench.meter.reserve(ground.ann, hold_request(credits=most))
    assert hold.is_under_credits
    assert hold.credits == most
    ground.bench.meter.mark_in_flight(hold)
    ground.bench.meter.settle(hold, "success", Decimal(0), _taking(most))
    assert balance(ground).daily_free_remaining == Decimal("0.0001")
    assert ask(ground.bench, ground.ann, "One more?").credits == HONEST_CREDITS
    found = balance(ground)
    assert (found.daily_free_remaining, found.balance) == (0, 1 - (HONEST_CREDITS - Decimal("0.0001")))


def test_switched_off_the_plan_refuses(ground: Ground) -> None:
    grant(ground, "5")
    ground.bench.profiles.change(ground.ann, {"uses_credits": False})
    assert denied(ground) == ("quota_exceeded", "chat_queries_day")
    assert balance(ground).balance == 5


def test_without_credits_nothing_is_called(ground: Ground, service: Service) -> None:
    without_free(service)
    assert denied(ground) == ("insufficient_credits", "credits")
    grant(ground, "0.0001")  # less than the worst case
    assert denied(ground) == ("insufficient_credits", "credits")
    assert balance(ground).balance == Decimal("0.0001")


def test_the_members_own_cap_refuses(ground: Ground, service: Service) -> None:
    without_free(service)
    grant(ground, "5")
    assert ask(ground.bench, ground.ann, "One more?").credits == HONEST_CREDITS
    most = service.execute("SELECT max(credits_held) FROM holds").fetchone()
    assert most is not None
    cap = Decimal(str(most[0]))
    purse(ground.bench).set_cap(ground.ann, ground.ann.user_id, cap)
    assert balance(ground).cap_used == HONEST_CREDITS
    assert denied(ground, "And one?") == ("insufficient_credits", "credits_cap_month")
    purse(ground.bench).set_cap(ground.ann, ground.ann.user_id, cap + HONEST_CREDITS)
    assert ask(ground.bench, ground.ann, "And one?").credits == HONEST_CREDITS


def test_free_credits_are_under_no_cap(ground: Ground) -> None:
    purse(ground.bench).set_cap(ground.ann, ground.ann.user_id, Decimal(0))
    assert ask(ground.bench, ground.ann, "One more?").credits == HONEST_CREDITS
    assert balance(ground).cap_used == 0


@pytest.mark.parametrize(
    "reply",
    [
        {"status": 401},
        {"hangs_up": True},
        {"text": LONG, "cut_after": 3},
        {"text": LONG, "finish_reason": None, "done": False},
    ],
    ids=["refused", "unreachable", "broken", "unfinished"],
)
def test_a_failure_returns_all(ground: Ground, service: Service, reply: dict[str, Any]) -> None:
    without_free(service)
    grant(ground, "1")
    ground.servers["openai"].reply(**reply)
    with pytest.raises(AssayError):
        ask(ground.bench, ground.ann, "One more?")
    found = balance(ground)
    assert (found.balance, found.held, found.cap_used) == (1, 0, 0)
    assert last_row(service)["credits"] == 0


def test_a_stream_that_its_reader_cuts_takes_what_came(ground: Ground, service: Service) -> None:
    without_free(service)
    grant(ground, "1")
    ground.servers["openai"].reply(text=LONG, usage=None, delay_s=0.05)
    with ground.bench.gateway.session(ground.ann, question("One more?")) as session:
        for _ in zip(range(3), session, strict=False):
            pass
    wait_until(lambda: balance(ground).held == 0)
    row = last_row(service)
    taken = shipped_billing().credits_of(Decimal(str(row["charged_usd"])), "openai")
    assert (row["status"], row["estimated"], row["credits"]) == ("cut", True, taken)
    assert taken > 0
    assert balance(ground).balance == 1 - taken


def test_a_cut_before_the_first_token_is_free_five_times_a_day(ground: Ground, service: Service) -> None:
    without_free(service)
    grant(ground, "1")
    gate = threading.Event()
    ground.servers["openai"].reply(text=LONG, usage=HONEST, hangs="first_token")
    for number in range(6):
        calls = ground.calls
        session = ground.bench.gateway.session(ground.ann, question(f"Cut {number}?"))
        wait_until(lambda calls=calls: ground.calls > calls)  # type: ignore[misc]
        session.cancel()
        wait_until(lambda: balance(ground).held == 0)
        assert (balance(ground).balance == 1) == (number < 5)
    gate.set()
    assert balance(ground).balance == 1 - Decimal(str(last_row(service)["credits"]))


def test_a_cached_answer_is_free_when_quota_credits_and_money_are_exhausted(ground: Ground, service: Service) -> None:
    without_free(service)
    service.execute("UPDATE organisations SET budget_usd_month = 0")
    assert denied(ground)[1] == "org_budget_usd_month"
    again = ask(ground.bench, ground.ann, "Question 3 of ann?")
    assert (again.is_cached, again.credits, again.cost_usd) == (True, 0, 0)
    assert balance(ground).balance == 0


def test_a_plan_that_changes_in_the_middle_of_a_stream_changes_nothing_of_it(ground: Ground, service: Service) -> None:
    gate = threading.Event()
    ground.servers["openai"].reply(text=LONG, usage=HONEST, gate=gate)
    session = ground.bench.gateway.session(ground.ann, question("One more?"))
    wait_until(lambda: ground.calls == FREE + 1)
    ground.bench.directory.set_plan(ground.ann.org_name, "premium")
    gate.set()
    answer = session.result()
    assert (answer.credits, answer.plan) == (HONEST_CREDITS, "free")
    row = last_row(service)
    assert (row["plan"], row["cover"], row["credits"]) == ("free", "credits", HONEST_CREDITS)
    ground.servers["openai"].reply(text=LONG, usage=HONEST)
    assert ask(ground.bench, replace(ground.ann, plan="premium"), "And now?").credits == 0
    assert last_row(service)["plan"] == "premium"


def test_a_user_who_is_deactivated_with_a_hold_in_flight_settles_it_and_asks_no_more(
    ground: Ground, service: Service
) -> None:
    gate = threading.Event()
    ground.servers["openai"].reply(text=LONG, usage=HONEST, gate=gate)
    session = ground.bench.gateway.session(ground.ann, question("One more?"))
    wait_until(lambda: ground.calls == FREE + 1)
    ground.bench.directory.set_active(ground.ann.email, is_active=False)
    gate.set()
    assert session.result().credits == HONEST_CREDITS
    assert service.execute("SELECT held, used FROM free_days").fetchone() == (0, HONEST_CREDITS)


def test_a_dearer_margin_is_topped_up_and_the_one_that_answered_is_charged(
    database_url: str, tmp_path: Path, service: Service
) -> None:
    with spent(database_url, tmp_path, "openai", "mistral") as ground:
        without_free(service)
        grant(ground, "1")
        ground.servers["openai"].reply(status=500)
        answer = ask(ground.bench, ground.ann, "One more?", model="auto")
        assert answer.provider == "mistral"
        taken = shipped_billing().credits_of(answer.cost_usd, "mistral")
        assert answer.credits == taken == Decimal(str(last_row(service)["credits"]))
        assert balance(ground).balance == 1 - taken


def test_a_dearer_margin_is_covered_though_the_call_costs_no_more(
    database_url: str, tmp_path: Path, service: Service
) -> None:
    with spent(database_url, tmp_path, "openai") as ground:
        hold = ground.bench.meter.reserve(ground.ann, hold_request(credits=Decimal("0.012")))
        ground.bench.meter.mark_in_flight(hold)
        cover, cent = Cover(ground.bench.meter, shipped_billing(), hold, Decimal("0.001")), Decimal("0.001")
        held = "SELECT credits_held, held_usd FROM holds ORDER BY created_at DESC LIMIT 1"
        assert cover.covers([(cent, "openai")])
        assert service.execute(held).fetchone() == (Decimal("0.012"), cent)
        assert cover.covers([(cent, "mistral")])
        assert service.execute(held).fetchone() == (Decimal("0.0125"), cent)
        ground.bench.meter.release(hold, "never_called")
        assert balance(ground).daily_free_remaining == FREE


def test_a_candidate_that_credits_do_not_cover_is_skipped(database_url: str, tmp_path: Path, service: Service) -> None:
    with spent(database_url, tmp_path, "openai", "mistral") as ground:
        without_free(service)
        for server in ground.servers.values():
            server.reply(status=404)
        grant(ground, "1")
        with pytest.raises(ProviderError):
            ask(ground.bench, ground.ann, "One more?", model="auto")
        assert ground.calls > FREE + 1
        asked = "SELECT amount FROM ledger_entries WHERE kind = 'hold' ORDER BY id LIMIT 1"
        first = service.execute(asked).fetchone()
        assert first is not None
        purse(ground.bench).set_cap(ground.ann, ground.ann.user_id, Decimal(str(first[0])))
        before = ground.calls
        with pytest.raises(ProviderError):
            ask(ground.bench, ground.ann, "One more?", model="auto")
        assert ground.calls == before + 1
        assert balance(ground).balance == 1


def test_what_exceeds_its_hold_is_owed_and_the_next_is_refused_until_it_is_paid(
    ground: Ground, service: Service
) -> None:
    without_free(service)
    grant(ground, "0.01")
    thought = {"prompt_tokens": 100, "completion_tokens": 5_000, "total_tokens": 5_100}
    ground.servers["openai"].reply(text=LONG, usage=thought)
    taken = ask(ground.bench, ground.ann, "One more?").credits
    assert taken == Decimal("0.03618")  # (100 x 0.15 + 5000 x 0.60 USD per million) x 1.20 / 0.10 USD
    found = balance(ground)
    assert (found.balance, found.available, found.overdraft) == (Decimal("0.01") - taken, 0, taken - Decimal("0.01"))
    ground.servers["openai"].reply(text=LONG, usage=HONEST)
    with pytest.raises(MeteringDenied, match=r"owes 0\.02618 credits") as caught:
        ask(ground.bench, ground.ann, "And one?")
    assert (caught.value.denial.limit, caught.value.denial.remaining) == (0, 0)
    grant(ground, "1")
    assert balance(ground).overdraft == 0
    assert ask(ground.bench, ground.ann, "And one?").credits == HONEST_CREDITS
    assert balance(ground).balance == Decimal("1.01") - taken - HONEST_CREDITS


def test_an_own_key_is_never_paid_in_credits(ground: Ground) -> None:
    grant(ground, "5")
    draft = KeyDraft(provider="openai", name="Mine", secret=SecretStr("sk-own-key-of-ann"))
    ground.bench.provider_keys.add(ground.ann, draft)
    assert denied(ground) == ("quota_exceeded", "chat_queries_day")


def test_model_by_name_and_repeats_of_a_question_under_way_are_charged_once(ground: Ground, service: Service) -> None:
    gate = threading.Event()
    ground.servers["openai"].reply(text=LONG, usage=HONEST, gate=gate)
    first = ground.bench.gateway.session(ground.ann, question("One more?", model=MODEL))
    second = ground.bench.gateway.session(ground.ann, question("One more?", model=MODEL))
    gate.set()
    assert first.result().credits == HONEST_CREDITS
    assert second.result().credits == 0
    assert balance(ground).daily_free_remaining == FREE - HONEST_CREDITS


def _taking(taken: Decimal) -> CallRecord:
    return replace(record(), credits=taken)


def test_a_stored_answer_keeps_what_it_took_in_credits(ground: Ground) -> None:
    exchange = ground.bench.assistant.ask(ground.ann, "One more?")
    taken = exchange.session.result().credits
    question, answer = ground.bench.conversations.messages(ground.ann, exchange.conversation_id)
    assert taken > 0
    assert (question.credits, answer.credits, answer.cost_usd) == (0, taken, HONEST_COST)
    for form, said in (
        ("markdown", f"; {taken.normalize():f} credits"),
        ("json", f'"credits": "{taken.normalize():f}"'),
    ):
        export = ground.bench.conversations.export(ground.ann, exchange.conversation_id, form)  # type: ignore[arg-type]
        assert said in export.data.decode()

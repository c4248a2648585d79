"""The official client behind our own calls: its errors, its address, its key."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import stripe

from core.billing.stripe_api import GoneAtStripe, PaymentDeclined, PaymentsUnavailable, StripeApi, translated
from core.billing.stripe_facts import UnreadableObject, moment, subscription_of
from core.errors import AssayError, ConfigurationError, Conflict, InvalidRequest, NotConfigured
from tests.conftest import make_settings
from tests.fakes.stripe_server import StripeServer

KINDS = sorted(
    {
        kind
        for _, kind in inspect.getmembers(stripe.error if hasattr(stripe, "error") else stripe, inspect.isclass)
        if issubclass(kind, stripe.StripeError)
    },
    key=lambda kind: kind.__name__,
)
OURS = {
    "CardError": PaymentDeclined,
    "AuthenticationError": NotConfigured,
    "PermissionError": NotConfigured,
    "IdempotencyError": Conflict,
    "InvalidRequestError": InvalidRequest,
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_every_error_of_the_client_is_one_of_ours(kind: type[stripe.StripeError]) -> None:
    parameters = [name for name in list(inspect.signature(kind.__init__).parameters)[1:4] if name != "http_body"]
    make: Any = kind
    error = make(*["sk_live_secret" for _ in parameters])
    found = translated(error)
    assert type(found) is OURS.get(kind.__name__, PaymentsUnavailable)
    if kind is not stripe.CardError:
        assert "secret" not in found.detail


def test_what_stripe_does_not_know_is_gone() -> None:
    make: Any = stripe.InvalidRequestError
    for error in (
        make("No such customer", "id", code="resource_missing", http_status=400),
        make("No such customer", "id", http_status=404),
    ):
        assert isinstance(translated(error), GoneAtStripe)


def _api(home: Path, **environ: str) -> StripeApi:
    return StripeApi(make_settings("postgresql://x@localhost/x", home, **environ))


@pytest.mark.parametrize("address", ["nonsense", "ftp://api.stripe.com", "https://api.stripe.com/v1", "https://"])
def test_an_address_that_is_none_ends_the_start(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigurationError, match="STRIPE_API_BASE"):
        _api(tmp_path, STRIPE_API_BASE=address)


@pytest.mark.parametrize(
    ("key", "is_live"), [("sk_live_x", True), ("rk_test_x", False), ("sk_test_x", False), ("whatever", None)]
)
def test_a_key_tells_whether_money_moves(tmp_path: Path, key: str, is_live: bool | None) -> None:
    assert _api(tmp_path, STRIPE_SECRET_KEY=key).is_live is is_live


def test_a_refused_key_is_named_and_not_repeated(tmp_path: Path) -> None:
    with StripeServer() as server:
        api = _api(tmp_path, STRIPE_SECRET_KEY="sk_test_wrong", STRIPE_API_BASE=server.base_url)
        with pytest.raises(NotConfigured, match="STRIPE_SECRET_KEY") as error:
            api.intent("pi_1")
        assert "sk_test_wrong" not in str(error.value)
        api.close()


@pytest.mark.slow
def test_a_server_that_is_not_there_is_an_error_of_ours(tmp_path: Path) -> None:
    api = _api(tmp_path, STRIPE_SECRET_KEY="sk_test_x", STRIPE_API_BASE="http://127.0.0.1:1")
    with pytest.raises(PaymentsUnavailable):
        api.intent("pi_1")
    api.close()


@pytest.mark.parametrize(
    "changes",
    [
        {"items": None},
        {"items": {"data": []}},
        {"status": None},
        {"items": {"data": [{}]}},
    ],
    ids=str,
)
def test_a_subscription_without_what_it_has_to_have_cannot_be_read(changes: dict[str, object]) -> None:
    item = {"id": "si_1", "price": {"id": "p"}, "quantity": 1, "current_period_start": 1, "current_period_end": 2}
    whole = {"id": "sub_1", "customer": "cus_1", "status": "active", "items": {"data": [item]}}
    assert subscription_of(whole).price_id == "p"
    with pytest.raises(UnreadableObject):
        subscription_of({**whole, **changes})


def test_a_time_that_is_none_cannot_be_read() -> None:
    for value in (None, "1", True, 1e3, 10**20):
        with pytest.raises(AssayError):
            moment(value)

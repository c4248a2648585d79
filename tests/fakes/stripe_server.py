"""Stripe as far as the workbench speaks to it: a real HTTP server with the objects, rules and errors of its API.

The official client is pointed at it. A test plays the customer (`pay`, `subscribe`, `refund`, `dispute` …); what
happens is kept in `events`, in order, and `signed` signs one as Stripe does.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

SECRET_KEY = "sk_test_workbench"
WEBHOOK_SECRET = "whsec_workbench"
MONTH_S = 30 * 24 * 3600
PRICES = {"price_basic": 999, "price_premium": 1999, "price_team": 4900}
"""Monthly prices in cents."""
Object = dict[str, Any]


class Refusal(Exception):
    """An error of the API."""

    def __init__(
        self, status: int, message: str, *, kind: str = "invalid_request_error", code: str = "", param: str = ""
    ) -> None:
        super().__init__(message)
        self.status = status
        told = {name: value for name, value in (("code", code), ("param", param)) if value}
        self.body = {"error": {"type": kind, "message": message, **told}}


@dataclass(frozen=True)
class Received:
    """One call as it came in."""

    method: str
    path: str
    form: Object
    headers: dict[str, str]


class StripeServer:
    """The server, and its customer's and bank's side."""

    def __init__(self) -> None:
        self.now = int(time.time())
        self.objects: dict[str, Object] = {}
        self.requests: list[Received] = []
        self.events: list[Object] = []
        self.declines = False
        """Whether banks refuse what is charged at once."""
        self.is_down = False
        """Whether every call fails with 500."""
        self.lose_replies = 0
        """So many calls are done and their replies lost."""
        self.before_answer: Callable[[Received], None] | None = None
        """Called with each call once it is done, before it is answered."""
        self._answers: dict[str, tuple[str, int, Object]] = {}
        self._numbers = count(1)
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.owner = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def base_url(self) -> str:
        """What STRIPE_API_BASE is set to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environ(self) -> dict[str, str]:
        """The settings of a workbench that sells over this server."""
        prices = {f"STRIPE_PRICE_{name.removeprefix('price_').upper()}": name for name in PRICES}
        keys = {"STRIPE_SECRET_KEY": SECRET_KEY, "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET}
        return {**keys, "STRIPE_API_BASE": self.base_url, **prices}

    def calls(self, path: str) -> list[Received]:
        """The calls of a path, such as "POST /v1/customers"."""
        return [each for each in self.requests if f"{each.method} {each.path}" == path]

    # --- the customer's and the bank's side

    def pay(self, intent_id: str, **changes: Any) -> Object:
        """Somebody pays an intent; gives the event."""
        intent = self.objects[intent_id]
        charge = self._make("ch", "charge", amount=intent["amount"], amount_refunded=0, currency=intent["currency"])
        charge["payment_intent"] = intent_id
        intent.update(status="succeeded", amount_received=intent["amount"], latest_charge=charge["id"])
        return self.event("payment_intent.succeeded", {**intent, **changes})

    def pay_checkout(self, checkout_id: str) -> tuple[Object, Object]:
        """Somebody pays a checkout of credits; gives the events of its intent and of itself, as they were made."""
        session = self.objects[checkout_id]
        intent = self._make(
            "pi", "payment_intent", amount=session["amount_total"], currency=session["currency"], status="processing"
        )
        paid = self.pay(intent["id"])
        session.update(status="complete", payment_status="paid", payment_intent=intent["id"], url=None)
        return paid, self.event("checkout.session.completed", session)

    def refund(self, intent_id: str, amount: int) -> Object:
        """So many cents more are given back; gives the event."""
        charge = self.objects[self.objects[intent_id]["latest_charge"]]
        charge["amount_refunded"] += amount
        return self.event("charge.refunded", charge)

    def fail_refund(self, intent_id: str, amount: int) -> Object:
        """So many cents could not be given back after all; gives the event."""
        charge = self.objects[self.objects[intent_id]["latest_charge"]]
        charge["amount_refunded"] -= amount
        refund = self._make("re", "refund", charge=charge["id"], amount=amount, status="failed")
        return self.event("refund.failed", refund)

    def dispute(self, intent_id: str, amount: int, status: str = "needs_response") -> Object:
        """The bank takes so many cents back; gives the event."""
        intent = self.objects[intent_id]
        found = self._make("dp", "dispute", amount=amount, currency=intent["currency"], status=status)
        found.update(payment_intent=intent_id, charge=intent["latest_charge"])
        return self.event("charge.dispute.created", found)

    def close_dispute(self, dispute_id: str, status: str) -> Object:
        """A dispute is decided; gives the event."""
        self.objects[dispute_id]["status"] = status
        return self.event("charge.dispute.closed", self.objects[dispute_id])

    def subscribe(self, checkout_id: str) -> tuple[Object, Object]:
        """Somebody pays the first month on a checkout; gives the events of the subscription and of the checkout."""
        session = self.objects[checkout_id]
        assert session["status"] == "open", "an expired checkout cannot be paid"
        line = session["line_items_"][0]
        made = self.add_subscription(session["customer"], line["price"], int(line["quantity"]))
        session.update(status="complete", payment_status="paid", subscription=made["id"], url=None)
        created = self.event("customer.subscription.created", self.shown(made["id"]))
        return created, self.event("checkout.session.completed", session)

    def add_subscription(self, customer: str, price: str, seats: int = 1, status: str = "active") -> Object:
        """A subscription that is there."""
        made = self._make("sub", "subscription", customer=customer, status=status, cancel_at_period_end=False)
        item = {
            "id": f"si_{made['id']}",
            "object": "subscription_item",
            "price": {"id": price, "object": "price", "unit_amount": PRICES.get(price, 100)},
            "quantity": seats,
            "current_period_start": self.now,
            "current_period_end": self.now + MONTH_S,
        }
        made.update(items={"object": "list", "data": [item]}, schedule=None)
        return made

    def set_status(self, subscription_id: str, status: str, kind: str = "customer.subscription.updated") -> Object:
        """A subscription's payment failed, was made after all, or it is over; gives the event."""
        self.objects[subscription_id]["status"] = status
        return self.event(kind, self.shown(subscription_id))

    def end_period(self, subscription_id: str) -> Object:
        """A month goes by: what was to come at the end of the period has come; gives the event."""
        found = self.objects[subscription_id]
        item = found["items"]["data"][0]
        self.now = item["current_period_end"]
        if found["cancel_at_period_end"]:
            found["status"] = "canceled"
            return self.event("customer.subscription.deleted", self.shown(subscription_id))
        if found["schedule"]:
            schedule = self.objects[found["schedule"]]
            following = schedule["phases"][1]["items"][0]
            item["price"] = {"id": following["price"], "object": "price"}
            item["quantity"] = following["quantity"]
            schedule["status"], found["schedule"] = "released", None
        item.update(current_period_start=self.now, current_period_end=self.now + MONTH_S)
        return self.event("customer.subscription.updated", self.shown(subscription_id))

    def shown(self, object_id: str) -> Object:
        """An object as it is now."""
        return deepcopy(self.objects[object_id])

    def event(self, kind: str, about: Object, **changes: Any) -> Object:
        """An event about an object as it is now."""
        made = {
            "id": f"evt_{next(self._numbers):06}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": self.now,
            "livemode": False,
            "type": kind,
            "data": {"object": deepcopy({name: value for name, value in about.items() if not name.endswith("_")})},
            **changes,
        }
        self.events.append(made)
        return made

    # --- the API

    def answer(self, received: Received) -> tuple[int, Object]:
        """One call, done once for an idempotency key."""
        with self._lock:
            self.requests.append(received)
            if self.is_down:
                return 500, {"error": {"type": "api_error", "message": "down"}}
            if received.headers.get("authorization") != f"Bearer {SECRET_KEY}":
                return 401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key provided"}}
            key, told = received.headers.get("idempotency-key"), f"{received.path} {received.form}"
            if received.method == "POST" and key in self._answers:
                before, status, body = self._answers[key]
                if before == told:
                    return status, body
                refused = Refusal(400, "Keys can only be used with the same parameters.", kind="idempotency_error")
                return refused.status, refused.body
            try:
                status, body = 200, self._done(received)
            except Refusal as refusal:
                status, body = refusal.status, refusal.body
            if received.method == "POST" and key:
                self._answers[key] = (told, status, deepcopy(body))
        if self.before_answer is not None:
            self.before_answer(received)
        return status, body

    def _done(self, received: Received) -> Object:
        for method, pattern, do in self._routes():
            match = re.fullmatch(pattern, received.path)
            if match and method == received.method:
                found: Object = deepcopy(do(*match.groups(), received.form))
                return {name: value for name, value in found.items() if not name.endswith("_")}
        raise Refusal(404, f"Unrecognized request URL ({received.method} {received.path}).")

    def _routes(self) -> list[tuple[str, str, Callable[..., Object]]]:
        return [
            ("POST", "/v1/customers", self._add_customer),
            ("POST", "/v1/payment_intents", self._add_intent),
            ("GET", "/v1/payment_intents/([^/]+)", self._intent),
            ("GET", "/v1/charges/([^/]+)", self._get),
            ("GET", "/v1/prices/([^/]+)", self._price),
            ("POST", "/v1/checkout/sessions", self._add_session),
            ("GET", "/v1/checkout/sessions", self._sessions),
            ("GET", "/v1/checkout/sessions/([^/]+)", self._get),
            ("POST", "/v1/checkout/sessions/([^/]+)/expire", self._expire),
            ("GET", "/v1/subscriptions/([^/]+)", self._subscription),
            ("POST", "/v1/subscriptions/([^/]+)", self._change),
            ("POST", "/v1/invoices/create_preview", self._preview),
            ("POST", "/v1/subscription_schedules", self._add_schedule),
            ("POST", "/v1/subscription_schedules/([^/]+)", self._set_schedule),
            ("POST", "/v1/subscription_schedules/([^/]+)/release", self._release),
            ("POST", "/v1/billing_portal/sessions", self._portal),
        ]

    def _make(self, prefix: str, kind: str, **fields: Any) -> Object:
        made = {"id": f"{prefix}_{next(self._numbers):06}", "object": kind, "created": self.now, **fields}
        self.objects[made["id"]] = made
        return made

    def _get(self, object_id: str, _form: Object) -> Object:
        found = self.objects.get(object_id)
        if found is None:
            raise Refusal(404, f"No such object: '{object_id}'", code="resource_missing")
        return found

    def _add_customer(self, form: Object) -> Object:
        return self._make("cus", "customer", **form)

    def _price(self, price_id: str, form: Object) -> Object:
        if price_id in self.objects:
            return self._get(price_id, form)
        if price_id not in PRICES:
            raise Refusal(404, f"No such price: '{price_id}'", code="resource_missing", param="price")
        monthly = {"interval": "month", "interval_count": 1}
        amount = PRICES[price_id]
        price = {"id": price_id, "object": "price", "active": True, "currency": "usd", "unit_amount": amount}
        return {**price, "recurring": monthly}

    def _customer(self, form: Object) -> None:
        if form["customer"] not in self.objects:
            message = f"No such customer: '{form['customer']}'"
            raise Refusal(400, message, code="resource_missing", param="customer")

    def _add_intent(self, form: Object) -> Object:
        self._customer(form)
        if int(form["amount"]) < 50:
            raise Refusal(400, "Amount must be at least 50 cents.", code="amount_too_small")
        given = {**form, "amount": int(form["amount"]), "amount_received": 0, "status": "requires_payment_method"}
        made = self._make("pi", "payment_intent", **given)
        made["client_secret"] = f"{made['id']}_secret_{next(self._numbers)}"
        return made

    def _intent(self, intent_id: str, form: Object) -> Object:
        found = deepcopy(self._get(intent_id, form))
        if "latest_charge" in form.get("expand", {}).values() and found.get("latest_charge"):
            found["latest_charge"] = self.objects[found["latest_charge"]]
        return found

    def _add_session(self, form: Object) -> Object:
        self._customer(form)
        lines = list(form["line_items"].values())
        made = self._make("cs", "checkout.session", mode=form["mode"], customer=form["customer"], status="open")
        made.update(payment_status="unpaid", payment_intent=None, subscription=None, line_items_=lines)
        made["url"] = f"https://checkout.stripe.example/c/pay/{made['id']}"
        if form["mode"] == "payment":
            price = lines[0]["price_data"]
            made.update(amount_total=int(price["unit_amount"]), currency=price["currency"])
        elif lines[0]["price"] not in PRICES:
            raise Refusal(400, f"No such price: '{lines[0]['price']}'", code="resource_missing")
        return made

    def _sessions(self, form: Object) -> Object:
        data = [
            each
            for each in self.objects.values()
            if each["object"] == "checkout.session" and each.get("payment_intent") == form["payment_intent"]
        ]
        return {"object": "list", "url": "/v1/checkout/sessions", "has_more": False, "data": data}

    def _expire(self, session_id: str, form: Object) -> Object:
        found = self._get(session_id, form)
        if found["status"] != "open":
            raise Refusal(400, "Only open sessions can be expired.")
        found.update(status="expired", url=None)
        return found

    def _subscription(self, subscription_id: str, form: Object) -> Object:
        found = deepcopy(self._get(subscription_id, form))
        if "schedule" in form.get("expand", {}).values() and found["schedule"]:
            found["schedule"] = self.objects[found["schedule"]]
        return found

    def _change(self, subscription_id: str, form: Object) -> Object:
        found = self._get(subscription_id, form)
        if found["status"] == "canceled":
            raise Refusal(404, "No such subscription.", code="resource_missing")
        if "items" in form:
            if found["schedule"]:
                raise Refusal(400, "The subscription is managed by a subscription schedule.")
            given = form["items"]["0"]
            due = self._due(found, given["price"], int(given["quantity"]))
            if form.get("payment_behavior") == "error_if_incomplete" and self.declines and due > 0:
                raise Refusal(402, "Your card was declined.", kind="card_error", code="card_declined")
            item = found["items"]["data"][0]
            assert item["id"] == given["id"]
            item.update(price={"id": given["price"], "object": "price"}, quantity=int(given["quantity"]))
        if "cancel_at_period_end" in form:
            found["cancel_at_period_end"] = form["cancel_at_period_end"].lower() == "true"
        self.event("customer.subscription.updated", found)
        return found

    def _due(self, found: Object, price: str, seats: int) -> int:
        """The share of the period that is left, by the second, as Stripe reckons it."""
        item = found["items"]["data"][0]
        begin, end = item["current_period_start"], item["current_period_end"]
        left = float(max(0, min(1, (end - self.now) / (end - begin))))
        before = PRICES[item["price"]["id"]] * int(item["quantity"])
        return round((PRICES[price] * seats - before) * left)

    def _preview(self, form: Object) -> Object:
        details = form["subscription_details"]
        given = details["items"]["0"]
        found = self._get(form["subscription"], form)
        total = self._due(found, given["price"], int(given["quantity"]))
        return {"object": "invoice", "id": None, "total": total, "amount_due": max(0, total), "currency": "usd"}

    def _add_schedule(self, form: Object) -> Object:
        found = self._get(form["from_subscription"], form)
        if found["schedule"]:
            raise Refusal(400, "The subscription has a schedule already.")
        made = self._make("sub_sched", "subscription_schedule", status="active", phases=[], subscription=found["id"])
        found["schedule"] = made["id"]
        return made

    def _set_schedule(self, schedule_id: str, form: Object) -> Object:
        found = self._get(schedule_id, form)
        assert form["end_behavior"] == "release"
        found["phases"] = [
            {
                **{name: int(phase[name]) for name in ("start_date", "end_date") if name in phase},
                "items": [
                    {"price": item["price"], "quantity": int(item["quantity"])} for item in phase["items"].values()
                ],
            }
            for phase in form["phases"].values()
        ]
        return found

    def _release(self, schedule_id: str, form: Object) -> Object:
        found = self._get(schedule_id, form)
        if found["status"] != "active":
            raise Refusal(400, "The schedule cannot be released.")
        self.objects[found["subscription"]]["schedule"] = None
        found.update(status="released", released_subscription=found["subscription"])
        return found

    def _portal(self, form: Object) -> Object:
        self._customer(form)
        return self._make("bps", "billing_portal.session", url=f"https://billing.stripe.example/p/{form['customer']}")


def signed(event: Object, *, secret: str = WEBHOOK_SECRET, at: float | None = None) -> tuple[bytes, dict[str, str]]:
    """An event's body and headers, as Stripe sends them."""
    body = json.dumps(event, indent=2).encode()
    moment = int(time.time() if at is None else at)
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Stripe-Signature": f"t={moment},v1={mac},v0={'0' * 64}",
        "Content-Type": "application/json; charset=utf-8",
    }
    return body, headers


def _nested(pairs: list[tuple[str, str]]) -> Object:
    """Fields such as `items[0][price]`, taken apart as Stripe does."""
    found: Object = {}
    for name, value in pairs:
        first, *rest = [part.rstrip("]") for part in name.split("[")]
        place = found
        for part, following in zip([first, *rest], [*rest, None], strict=True):
            if following is None:
                place[part] = value
            else:
                place = place.setdefault(part, {})
    return found


class _Server(ThreadingHTTPServer):
    owner: StripeServer
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve("GET", urlsplit(self.path).query)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self._serve("POST", self.rfile.read(length).decode())

    def _serve(self, method: str, form: str) -> None:
        owner = self.server.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        fields = _nested(parse_qsl(form, keep_blank_values=True))
        status, body = owner.answer(Received(method, urlsplit(self.path).path, fields, headers))
        if owner.lose_replies:
            owner.lose_replies -= 1
            self.close_connection = True
            return
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Request-Id", "req_test")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Stripe's own time, which may differ from ours."""
        return super().date_time_string(self.server.owner.now if timestamp is None else timestamp)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""

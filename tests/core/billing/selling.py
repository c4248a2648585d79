"""A workbench that sells over the local server that speaks Stripe's API, and what a test does with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.billing.billing import Billing
from core.principal import Principal
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, make_settings, member_factory
from tests.fakes.stripe_server import StripeServer, signed


@dataclass(frozen=True)
class Shop:
    """A workbench that sells, and Stripe behind it."""

    workbench: Workbench
    stripe: StripeServer
    member: MakeMember

    @property
    def billing(self) -> Billing:
        return self.workbench.billing

    def tell(self, event: dict[str, Any], **how: Any) -> None:
        """Stripe sends an event; it is taken, and worked on as its job does."""
        body, headers = signed(event, **how)
        self.billing.events.receive(body, headers["Stripe-Signature"])
        self.billing.events.work_on(event["id"])

    def tell_all(self) -> None:
        """Stripe sends every event that there was, in order."""
        for event in self.stripe.events:
            self.tell(event)

    def balance(self, who: Principal) -> Decimal:
        """What the organisation's wallet shows."""
        return self.workbench.credits.balance(who).balance

    def plan(self, who: Principal) -> str:
        """The plan the organisation is on."""
        return self.workbench.directory.member(who.email, who.org_name).plan

    def state(self, event: dict[str, Any]) -> tuple[str, str | None]:
        """How an event ended, and what was said of it."""
        [(state, said)] = self.rows("SELECT state, said FROM stripe_events WHERE id = %s", event["id"])
        return state, said

    def rows(self, statement: str, *values: object) -> list[Any]:
        """What stands in the database, whoever's it is."""
        with self.workbench.database.heart() as connection:
            return connection.execute(statement, values or None).fetchall()

    def notices(self, who: Principal) -> list[str]:
        """What somebody was told, the newest first."""
        return [row.title for row in self.workbench.notifications.page(who)]

    def recorded(self, subject_id: str) -> list[Any]:
        """What the audit log says of a subject: action, actor and kind of actor, in order."""
        statement = "SELECT action, actor, actor_kind FROM audit_events WHERE subject_id = %s ORDER BY seq"
        return self.rows(statement, subject_id)

    def buy(self, who: Principal, package: str = "starter") -> str:
        """Begins a purchase; gives its intent."""
        return self.billing.purchases.buy(who, package).intent_id

    def paid(self, who: Principal, package: str = "starter") -> str:
        """A purchase that was paid, and credited."""
        intent_id = self.buy(who, package)
        self.tell(self.stripe.pay(intent_id))
        return intent_id

    def subscribed(self, who: Principal, plan: str = "basic", seats: int | None = None) -> str:
        """A subscription that began on the checkout; gives its id."""
        url = self.billing.subscriptions.change(who, plan, seats).checkout_url
        assert url is not None
        created, completed = self.stripe.subscribe(url.rsplit("/", 1)[1])
        self.tell(created)
        self.tell(completed)
        return str(created["data"]["object"]["id"])


@contextmanager
def open_shop(database_url: str, home: Path, stripe: StripeServer, **environ: str) -> Iterator[Shop]:
    """A workbench on a database, that sells over this server."""
    settings = make_settings(database_url, home, **{**stripe.environ, **environ})
    with closing(open_workbench(settings)) as opened:
        yield Shop(opened, stripe, member_factory(opened))

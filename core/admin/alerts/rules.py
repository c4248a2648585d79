"""The rules of alerts: a table of what is watched, when it is raised and cleared, and what is said of it.

A rule's value is compared with its threshold. It is raised at the threshold, and cleared once the value was below
`falls_to` of it for `quiet`: a value that goes to and fro about the threshold is told once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Literal
from uuid import UUID

Level = Literal["warning", "critical"]
LEVELS: tuple[Level, ...] = ("warning", "critical")
"""From the least grave on."""
Scope = Literal["organisation", "installation"]
Unit = Literal["share", "usd", "count", "days"]

AT_ONCE = timedelta(0)
SOON = timedelta(days=7)
"""So long before a key or a plan ends it is told."""
JUST_EXPIRED = timedelta(days=1)
"""So long after its end a key is still told of."""
ERROR_WINDOW = timedelta(minutes=15)
LEAST_CALLS = 20
"""Of a provider in the window, below which a rate says nothing."""
ERROR_MEMORY = timedelta(hours=6)
"""So long a provider of which the alert fires, and which is hardly asked, is measured by its last `LEAST_CALLS` calls:
it is over once they answer, or nothing was asked for so long."""
JOB_WINDOW = timedelta(hours=1)
LEAST_ELAPSED = Decimal("0.1")
"""Part of a month before which it is not projected: three days."""
LEAST_PROJECTED_SHARE = Decimal("0.2")
"""Used part below which nothing is projected."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is watched."""

    name: str
    label: str
    """As it is called on the page."""
    scopes: frozenset[Scope]
    """Whose alerts it raises: organisations', or the installation's."""
    level: Level
    window: str
    """The time that the value is of, in words."""
    threshold: Decimal | None
    """None: it is off until one is set."""
    unit: Unit
    title: str
    """What is said; the names in braces are those of a finding's words."""
    body: str
    advice: str
    """What to do about it."""
    falls_to: Decimal = Decimal("0.95")
    """Share of the threshold below which it clears."""
    quiet: timedelta = AT_ONCE
    """How long it must have been below that."""
    below: Decimal | None = None
    """A value from which on a graver rule tells instead."""
    is_adjustable: bool = False
    """Whether another threshold can be set."""
    tells_clearing: bool = False
    """Whether channels are told that it has cleared."""
    tells_in_app: bool = True
    """False where the app tells it already, by what it is about."""
    link: str = "/admin?section=alerts"
    """Where the reader goes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look found of one rule, near its threshold or beyond it."""

    rule: str
    org_id: UUID | None
    user_id: UUID | None
    """The member whom it concerns."""
    subject: str
    period: str
    """What it holds for; it is told once in it. Empty: it is told once while it lasts."""
    value: Decimal
    words: Mapping[str, str]
    """What the rule's sentences name."""
    told_by: tuple[str, str] | None = None
    """Rule and subject of an alert of the installation that, while it fires, tells of this one too."""


_ORGANISATION: frozenset[Scope] = frozenset({"organisation"})
_INSTALLATION: frozenset[Scope] = frozenset({"installation"})
_ONE = Decimal(1)
_USAGE = "/usage"

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "quota_80",
            "Quota: 80 % used",
            _ORGANISATION,
            "warning",
            "the running day or month",
            Decimal("0.8"),
            "share",
            "80 % used: {what}",
            "{used} of {limit} {what} are used ({percent}). The count starts anew {resets}.",
            "Ask for a boost on Usage, or let credits be used once it is up (Settings).",
            below=_ONE,
            link=_USAGE,
        ),
        Rule(
            "quota_100",
            "Quota: used up",
            _ORGANISATION,
            "critical",
            "the running day or month",
            _ONE,
            "share",
            "Used up: {what}",
            "All {limit} {what} are used. The count starts anew {resets}.",
            "Wait until then, ask for a boost on Usage, let credits be used (Settings), or take a larger plan.",
            link=_USAGE,
        ),
        Rule(
            "budget_80",
            "Budget: 80 % used",
            _ORGANISATION,
            "warning",
            "the running month",
            Decimal("0.8"),
            "share",
            "80 % of {whose} budget is used",
            "{used} of {limit} USD are used this month ({percent}). The budget starts anew {resets}.",
            "See on Usage what it was spent on; cheaper models and the cache make it last.",
            below=_ONE,
            link=_USAGE,
        ),
        Rule(
            "budget_100",
            "Budget: used up",
            _ORGANISATION,
            "critical",
            "the running month",
            _ONE,
            "share",
            "{Whose} budget is used up",
            "{used} of {limit} USD are used this month, and models are not asked any more. It starts anew {resets}.",
            "A manager can raise the budget; answers of the cache go on, they cost nothing.",
            link=_USAGE,
        ),
        Rule(
            "projected_overrun",
            "Projected overrun of the month",
            _ORGANISATION,
            "warning",
            "the running month so far",
            _ONE,
            "share",
            "At this pace {what} will not last the month",
            "{used} of {limit} {unit} are used; at the pace so far it will be {projected} by the end, {resets}.",
            "See on Usage where it goes; spread it out, ask for a boost, or raise the budget in time.",
            falls_to=Decimal("0.9"),
            quiet=timedelta(hours=6),
            link=_USAGE,
        ),
        Rule(
            "key_expiring",
            "Own key expires",
            _ORGANISATION,
            "warning",
            "the next 7 days",
            _ONE,
            "count",
            "The {provider} key {name} {expires}",
            "The key ends with {last_four}. Without it calls go on the platform's keys and count against the plan.",
            "Replace it, or give it another date, in Settings.",
            tells_in_app=False,  # whoever keeps keys of providers tells their owners
            link="/settings?section=keys",
        ),
        Rule(
            "plan_expiring",
            "Plan ends",
            _ORGANISATION,
            "warning",
            "the next 7 days",
            _ONE,
            "count",
            "The plan {plan} ends {ends}",
            "{why} From then on the limits of {next} hold.",
            "On Billing the subscription can be renewed, and its payment mended.",
            link="/billing",
        ),
        Rule(
            "provider_down",
            "Provider down",
            _INSTALLATION,
            "critical",
            "now",
            _ONE,
            "count",
            "{provider} does not answer",
            "Its circuit is open after {failures} failures in a row ({failure}). Calls go to other providers where a "
            "model of theirs will do.",
            "See its status page, and Models on Admin; it is asked again by itself.",
            quiet=timedelta(minutes=10),
            tells_clearing=True,
        ),
        Rule(
            "model_down",
            "Model down",
            _INSTALLATION,
            "warning",
            "now",
            _ONE,
            "count",
            "{model} of {provider} does not answer",
            "Its circuit is open after {failures} failures in a row ({failure}). Calls go to other models where one "
            "will do.",
            "See Models on Admin: it may be gone at its provider, or its name may have changed.",
            quiet=timedelta(minutes=10),
            tells_clearing=True,
        ),
        Rule(
            "error_rate",
            "Error rate of a provider",
            _INSTALLATION,
            "critical",
            "the last 15 minutes, 20 calls at least",
            Decimal("0.2"),
            "share",
            "{percent} of the calls to {provider} fail",
            "{failed} of {calls} calls in 15 minutes failed, most of them with {error}.",
            "See Models on Admin and the provider's status page; switch it off there while it lasts.",
            falls_to=Decimal("0.5"),
            quiet=timedelta(minutes=15),
            is_adjustable=True,
            tells_clearing=True,
        ),
        Rule(
            "cost_day",
            "Cost of a day",
            frozenset({"installation", "organisation"}),
            "critical",
            "the running UTC day",
            None,
            "usd",
            "{used} USD today",
            "{calls} calls came to {used} USD since midnight (UTC); the threshold is {limit} USD.",
            "See the overview on Admin for who and what it is; budgets and caps bound it.",
            is_adjustable=True,
        ),
        Rule(
            "job_failed",
            "Job failed",
            frozenset({"installation", "organisation"}),
            "warning",
            "the last hour",
            _ONE,
            "count",
            "Jobs failed: {kind}",
            "{failed} of this kind failed within an hour; the last said: {error}",
            "See Jobs on Admin, mend what it names, and start it again.",
        ),
        Rule(
            "billing_trouble",
            "Billing needs a look",
            _INSTALLATION,
            "critical",
            "everything that is not solved",
            _ONE,
            "count",
            "Billing needs a look",
            "{what}.",
            "See Jobs on Admin and docs/billing.md: it says what each means, and what to do.",
            tells_clearing=True,
            link="/admin?section=jobs",
        ),
        Rule(
            "books_out_of_balance",
            "Books out of balance",
            _INSTALLATION,
            "critical",
            "everything kept",
            _ONE,
            "count",
            "The books do not balance",
            "{differences} differences between counters, holds, usage and ledger: {kinds}.",
            "Run python -m core doctor --accounting: it says what each means, and the safe repair.",
            tells_clearing=True,
        ),
    )
}
"""By name."""


def is_at_least(level: str, least: str) -> bool:
    """Whether a level is as grave as another, or graver."""
    order = [*LEVELS]
    return order.index(_level(level)) >= order.index(_level(least))


def _level(name: str) -> Level:
    return next(level for level in LEVELS if level == name)

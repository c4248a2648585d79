"""What a user and an organisation set for themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from core.accounts.people import checked_name
from core.accounts.permissions import Action, require
from core.db import people_dao as dao
from core.db.engine import Database
from core.errors import InvalidRequest
from core.principal import Principal

AUTO = "auto"
MAX_BENCHMARK_CHARS = 40
_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})
"""What zone files hold beside zones; what it means differs from machine to machine."""
MAX_RATE, MIN_RATE = Decimal(1), Decimal("-0.5")


@dataclass(frozen=True, slots=True)
class Profile:
    """What a user sets for themselves, in every organisation."""

    name: str
    zone: str | None
    """IANA zone in which times are shown; None is the organisation's."""
    default_model: str | None
    """Model of a question that names none; None is the installation's default."""
    uses_router: bool
    """Whether `auto` chooses a model; otherwise `auto` means the default model, which has to be named."""
    uses_credits: bool
    """Whether the organisation's credits may be spent once the plan's allowance is used up."""
    gets_notices: bool
    """Whether mails come that are neither asked for nor about safety."""


@dataclass(frozen=True, slots=True)
class OrganisationSettings:
    """What the managers of an organisation set for it."""

    name: str
    zone: str
    """IANA zone of the calendar periods of all its limits."""
    risk_free_rate: Decimal
    """A year, as a fraction: 0.04 is 4 %."""
    benchmark: str
    """Symbol of the index or fund that performance is compared with."""
    allowed_models: tuple[str, ...] | None
    """Ids of the models that members may ask; None is all."""


class Profiles:
    """Profiles of users, and settings of organisations."""

    def __init__(self, database: Database, *, answering: Collection[str], known: Collection[str]) -> None:
        """`answering` are the ids of the models that answer questions, `known` those of all."""
        self._database = database
        self._answering = frozenset(answering)
        self._known = frozenset(known)

    def profile(self, principal: Principal) -> Profile:
        """The principal's own profile."""
        require(principal, Action.READ)
        return self._profile(principal)

    def change(self, principal: Principal, changes: Mapping[str, Any]) -> Profile:
        """Changes fields of the principal's profile, by their names, and leaves the rest; raises as `keep`."""
        require(principal, Action.KEEP_PROFILE)
        return self.keep(principal, replace(self._profile(principal), **changes))

    def keep(self, principal: Principal, profile: Profile) -> Profile:
        """Keeps the principal's profile, and gives it as it is kept.

        Raises:
            InvalidRequest: a name, zone or model that there is not, or the router off without a default model.
            Forbidden: a token without the scope admin.
        """
        require(principal, Action.KEEP_PROFILE)
        model = profile.default_model if profile.default_model != AUTO else None
        if profile.zone is not None:
            self._check_zone(profile.zone)
        if model is not None:
            _check_models([model], self._answering)
        if model is None and not profile.uses_router:
            raise InvalidRequest("Without the router a default model has to be chosen.")
        kept = replace(profile, name=checked_name(profile.name), default_model=model)
        with self._database.service() as connection:
            dao.change_user(connection, principal.user_id, **asdict(kept))
        return kept

    def _profile(self, principal: Principal) -> Profile:
        with self._database.service() as connection:
            user = dao.user(connection, principal.user_id)
        return Profile(**{field.name: getattr(user, field.name) for field in fields(Profile)})

    def organisation(self, principal: Principal) -> OrganisationSettings:
        """The settings of the principal's organisation."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            row = dao.organisation(connection, principal.org_id)
        allowed = None if row.allowed_models is None else tuple(row.allowed_models)
        return OrganisationSettings(row.name, row.zone, row.risk_free_rate, row.benchmark, allowed)

    def keep_organisation(self, principal: Principal, settings: OrganisationSettings) -> OrganisationSettings:
        """Keeps the settings of the principal's organisation, and gives them as they are kept.

        Raises:
            InvalidRequest: a name, zone, rate, benchmark or model that cannot be.
            Forbidden: not a manager, or a token without the scope admin.
        """
        require(principal, Action.SET_ORGANISATION)
        self._check_zone(settings.zone)
        rate = settings.risk_free_rate
        if not rate.is_finite() or not MIN_RATE <= rate <= MAX_RATE:
            raise InvalidRequest("The risk-free rate is a fraction from -0.5 to 1 a year: 0.04 is 4 %.")
        benchmark = settings.benchmark.strip().upper()
        if not 1 <= len(benchmark) <= MAX_BENCHMARK_CHARS or not benchmark.isascii() or not benchmark.isprintable():
            raise InvalidRequest(f"The benchmark is a symbol of 1 to {MAX_BENCHMARK_CHARS} characters.")
        allowed = settings.allowed_models
        if allowed is not None:
            if not allowed:
                raise InvalidRequest("Allow at least one model, or all of them.")
            _check_models(allowed, self._known)
            allowed = tuple(sorted(set(allowed)))
        name = checked_name(settings.name, what="organisation's name")
        kept = OrganisationSettings(name, settings.zone, round(rate, 6), benchmark, allowed)
        with self._database.service() as connection:
            dao.change_organisation(connection, principal.org_id, **asdict(kept))
        return kept

    def _check_zone(self, zone: str) -> None:
        if zone in zones():
            with self._database.service() as connection:  # whose files of zones may be older than ours
                if dao.knows_zone(connection, zone):
                    return
        raise InvalidRequest("The time zone is an IANA name such as Europe/Berlin.")


def _check_models(models: Collection[str], there_are: frozenset[str]) -> None:
    unknown = sorted(set(models) - there_are)
    if unknown:
        raise InvalidRequest(f"There is no such model as {unknown[0][:80]!r}.")


@cache
def zones() -> tuple[str, ...]:
    """Every IANA zone that can be chosen, in order."""
    return tuple(sorted(available_timezones() - _NO_PLACES))

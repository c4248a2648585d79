"""What a user and an organisation set for themselves."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from core.accounts.audited import organisation_subject, user_subject
from core.accounts.people import checked_name
from core.accounts.permissions import Action, require
from core.ai.providers.hosts import HOSTS
from core.db import people_dao as dao
from core.db.engine import Database, Transaction
from core.errors import InvalidRequest
from core.ops.audit import WITHHELD, Audit, AuditAction, Subject, audit_principal, changed
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
    allowed_providers: tuple[str, ...] | None = None
    """Providers that members may ask; None is all."""
    default_model: str | None = None
    """Model of a question that names none, where its asker has no default; None is the installation's."""
    asks_models: bool = True
    """Whether members may ask models of providers at all; what answers offline is not switched off."""


class Profiles:
    """Profiles of users, and settings of organisations."""

    def __init__(self, database: Database, *, answering: Mapping[str, str], known: Collection[str]) -> None:
        """`answering` are the ids of the models that answer questions, with their providers; `known` those of all."""
        self._database = database
        self._answering = dict(answering)
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
            _check_known([model], self._answering, "model")
        if model is None and not profile.uses_router:
            raise InvalidRequest("Without the router a default model has to be chosen.")
        kept = replace(profile, name=checked_name(profile.name), default_model=model)
        with self._database.service() as connection:
            before = _profile_of(dao.user(connection, principal.user_id))
            dao.change_user(connection, principal.user_id, **asdict(kept))
            user = user_subject(principal.user_id)
            _record(connection, principal, AuditAction.PROFILE_CHANGED, user, _nameless(before, kept))
        return kept

    def _profile(self, principal: Principal) -> Profile:
        with self._database.service() as connection:
            return _profile_of(dao.user(connection, principal.user_id))

    def organisation(self, principal: Principal) -> OrganisationSettings:
        """The settings of the principal's organisation."""
        require(principal, Action.READ)
        with self._database.app(principal) as connection:
            return _settings_of(dao.organisation(connection, principal.org_id))

    def keep_organisation(self, principal: Principal, settings: OrganisationSettings) -> OrganisationSettings:
        """Keeps the settings of the principal's organisation, and gives them as they are kept.

        Raises:
            InvalidRequest: a name, zone, rate, benchmark, model or provider that cannot be.
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
        kept = replace(
            settings,
            name=checked_name(settings.name, what="organisation's name"),
            risk_free_rate=round(rate, 6),
            benchmark=benchmark,
            allowed_models=_sorted(settings.allowed_models, self._known, "model"),
            allowed_providers=_sorted(settings.allowed_providers, HOSTS, "provider"),
            default_model=self._checked_default(settings),
        )
        with self._database.service() as connection:
            before = _settings_of(dao.organisation(connection, principal.org_id))
            dao.change_organisation(connection, principal.org_id, dao.OrganisationChange(**asdict(kept)))
            organisation, both = organisation_subject(principal.org_id), (asdict(before), asdict(kept))
            _record(connection, principal, AuditAction.ORGANISATION_CHANGED, organisation, both)
        return kept

    def _checked_default(self, settings: OrganisationSettings) -> str | None:
        """The organisation's default model, which has to be one that its members may ask; None for `auto`."""
        model, allowed = settings.default_model, settings.allowed_models
        if model is None or model == AUTO:
            return None
        _check_known([model], self._answering, "model")
        if allowed is not None and model not in allowed:
            raise InvalidRequest("The default model has to be one of the models that are allowed.")
        host = HOSTS.get(self._answering[model])
        if host is not None and not (settings.allowed_providers is None or host.name in settings.allowed_providers):
            raise InvalidRequest(
                f"The default model is one of {host.label}, which is not among the providers that are allowed: "
                "allow it, or choose another default model."
            )
        return model

    def _check_zone(self, zone: str) -> None:
        if zone in zones():
            with self._database.service() as connection:  # whose files of zones may be older than ours
                if dao.knows_zone(connection, zone):
                    return
        raise InvalidRequest("The time zone is an IANA name such as Europe/Berlin.")


def _profile_of(row: dao.UserRow) -> Profile:
    return Profile(**{field.name: getattr(row, field.name) for field in fields(Profile)})


def _settings_of(row: dao.OrganisationRow) -> OrganisationSettings:
    models, providers = row.allowed_models, row.allowed_providers
    return OrganisationSettings(
        name=row.name,
        zone=row.zone,
        risk_free_rate=row.risk_free_rate,
        benchmark=row.benchmark,
        allowed_models=None if models is None else tuple(models),
        allowed_providers=None if providers is None else tuple(providers),
        default_model=row.default_model,
        asks_models=row.asks_models,
    )


_Both = tuple[Mapping[str, Any], Mapping[str, Any]]


def _nameless(before: Profile, after: Profile) -> _Both:
    """Two profiles as the audit log keeps them: that the name changed is told, the names are not."""
    told = {"name": "before"}, {"name": WITHHELD if before.name != after.name else "before"}
    return {**asdict(before), **told[0]}, {**asdict(after), **told[1]}


def _record(transaction: Transaction, principal: Principal, action: AuditAction, subject: Subject, both: _Both) -> None:
    before, after = changed(*both)
    if after:
        Audit.record(transaction, audit_principal(principal, action, subject, before=before, after=after))


def _sorted(names: Collection[str] | None, there_are: Collection[str], what: str) -> tuple[str, ...] | None:
    """What is allowed, each once and in order; None is all."""
    if names is None:
        return None
    if not names:
        raise InvalidRequest(f"Allow at least one {what}, or all of them.")
    _check_known(names, there_are, what)
    return tuple(sorted(set(names)))


def _check_known(names: Collection[str], there_are: Collection[str], what: str) -> None:
    unknown = sorted(set(names) - set(there_are))
    if unknown:
        raise InvalidRequest(f"There is no such {what} as {unknown[0][:80]!r}.")


@cache
def zones() -> tuple[str, ...]:
    """Every IANA zone that can be chosen, in order."""
    return tuple(sorted(available_timezones() - _NO_PLACES))

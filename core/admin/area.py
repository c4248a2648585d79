"""Oversight, composed: what managers see of their organisation, and operators of the whole installation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from core.accounts.erasure import Erasure
from core.accounts.members import Members
from core.accounts.token_uses import forget_uses
from core.admin.abuse import Abuse
from core.admin.audit_log import AuditLog
from core.admin.books import Books
from core.admin.budgets import Budgets
from core.admin.bulk import Bulk
from core.admin.data_checks import DataChecks
from core.admin.jobs import AdminJobs
from core.admin.models import ModelCare
from core.admin.overview import Overview
from core.admin.people import People
from core.admin.quality import AdminQuality
from core.admin.simulator import Simulator
from core.ai.area import AiArea
from core.ai.catalogue import Catalogue
from core.db.engine import Database
from core.market.market import Market
from core.metering.plans import Plans
from core.metering.usage import Usage
from core.metering.usage_log import UsageLog
from core.ops.audit_seal import SEAL_MINUTES, Sealing
from core.ops.jobs import TIDY_MINUTES, Queue
from core.ops.mail import Mailer
from core.settings import Settings


@dataclass(frozen=True, slots=True)
class AdminParts:
    """What the area is composed of."""

    settings: Settings
    database: Database
    plans: Plans
    catalogue: Catalogue
    queue: Queue
    market: Market
    ai: AiArea
    usage: Usage
    usage_log: UsageLog
    members: Members
    mailer: Mailer


@dataclass(frozen=True, slots=True)
class AdminArea:
    """What the page of the administration calls."""

    overview: Overview
    models: ModelCare
    quality: AdminQuality
    jobs: AdminJobs
    data: DataChecks
    people: People
    erasure: Erasure
    bulk: Bulk
    simulator: Simulator
    abuse: Abuse
    books: Books
    budgets: Budgets
    audit_log: AuditLog


def open_admin(parts: AdminParts) -> AdminArea:
    """Composes the area."""
    database, ai, sealing = parts.database, parts.ai, Sealing(parts.database)
    parts.queue.every("forget_token_uses", TIDY_MINUTES, partial(forget_uses, database))
    parts.queue.every("seal_audit", SEAL_MINUTES, sealing.run)
    care = ModelCare(
        database, parts.catalogue, parts.market, gateway=ai.gateway, health=ai.health, switches=ai.switches
    )
    return AdminArea(
        overview=Overview(database, parts.plans, parts.usage_log),
        models=care,
        quality=AdminQuality(database, ai.experiments),
        jobs=AdminJobs(database, parts.queue),
        data=DataChecks(parts.market),
        people=People(database, parts.members, parts.plans),
        erasure=Erasure(database),
        bulk=Bulk(database, parts.plans, parts.mailer, parts.settings.address),
        simulator=Simulator(database, parts.plans, parts.catalogue),
        abuse=Abuse(database),
        books=Books(database),
        budgets=Budgets(database),
        audit_log=AuditLog(database, sealing=sealing),
    )

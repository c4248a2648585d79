"""The components of Admin, with figures that somebody made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid5

from core.admin.audit_log import Anchor, AuditPage, EventRow, Format, Report, Wanted
from core.ai.experiments import ArmFigures, Experiment
from core.ai.flags import Flag
from core.ai.health import ModelState
from core.ops.audit import AuditAction
from core.ops.audit_blocks import RowKind
from core.ops.audit_verify import ChainReport, Finding, FindingKind
from core.principal import Principal, Role
from pages.components import admin_audit, admin_experiments, admin_flags, admin_models
from pages.components.admin_experiments import Choices

NOW = datetime(2026, 11, 22, 14, tzinfo=UTC)
NAMES = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
OPERATOR = Principal(
    user_id=uuid5(NAMES, "user"), org_id=uuid5(NAMES, "org"), role=Role.OWNER, plan="team", via="session", zone="UTC",
    email="olga@acme.example", name="Olga", org_name="Acme", is_operator=True,
)  # fmt: skip
LABELS = {"gpt-4o-mini": "GPT-4o mini", "mistral-small-2506": "Mistral Small 3.2"}


class Nothing:
    """Keeps nothing, and starts nothing."""

    def keep(self, principal: Principal, flag: Flag) -> Flag:
        """Gives it back."""
        return flag

    def remove(self, principal: Principal, name: str) -> None:
        """Removes nothing."""

    def start(self, principal: Principal, experiment: Experiment) -> Experiment:
        """Gives it back."""
        return experiment

    def end(self, principal: Principal, experiment_id: UUID) -> None:
        """Ends nothing."""


def models() -> None:
    """A provider that answers, a model that asked to wait, one that rests, and none that was asked"""
    fine = ModelState("openai", "", "closed", None, 0, None, 1_204, 3, NOW, None, None)
    limited = ModelState("openai", "gpt-4o-mini", "open", 4.2, 1, 412, 800, 2, NOW, NOW, "ProviderRateLimited")
    down = ModelState(
        "mistral", "mistral-small-2506", "half_open", None, 7, 1_900, 90, 31, NOW, NOW, "ProviderUnavailable"
    )
    admin_models.show("gallery_models", [fine, limited, down], LABELS, NOW, "UTC")
    admin_models.show("gallery_no_models", [], LABELS, NOW, "UTC")


def flags() -> None:
    """A flag for some plans, one for a share of users, and one that is off"""
    some = Flag("model:gpt-5.2", "Until its price is settled", plans=("team", "enterprise"))
    shared = Flag("beta.notebook", percentage=Decimal("12.50"), user_ids=(OPERATOR.user_id,))
    off = Flag("provider:perplexity", is_on=False)
    admin_flags.show("gallery_flags", [some, shared, off], Nothing(), OPERATOR, ["free", "team", "enterprise"])


def experiments() -> None:
    """One that runs, with few calls of its variant, and one that ended before anybody asked"""
    running = Experiment(
        "Cheaper chat",
        "model",
        "chat",
        "gpt-4o-mini",
        Decimal(10),
        plans=("team",),
        id=uuid5(NAMES, "a"),
        started_at=NOW,
    )
    ended = replace(running, name="Shorter prompt", kind="prompt", variant="chat", id=uuid5(NAMES, "b"), ended_at=NOW)
    control = ArmFigures("control", 912, 41, 903, 2, Decimal("3.92"), Decimal("3.92"), 1_880, 6_400, 61, 9, 0, 0)
    variant = ArmFigures("variant", 22, 4, 20, 1, Decimal("0.011"), Decimal("0.011"), 640, 1_900, 2, 1, 0, 0)
    told = [(running, {"control": control, "variant": variant}), (ended, {})]
    choices = Choices(["chat", "completion"], {"model": ["gpt-4o-mini"], "prompt": ["chat"]}, ["free", "team"])
    admin_experiments.show("gallery_experiments", told, Nothing(), OPERATOR, choices, kept_from=NOW + timedelta(days=1))


def _event(action: AuditAction, subject: tuple[str, str], **values: object) -> EventRow:
    given = {
        "id": uuid5(NAMES, action),
        "seq": 1,
        "at": NOW,
        "org_id": OPERATOR.org_id,
        "org_name": "Acme",
        "actor": OPERATOR.user_id,
        "actor_name": "Olga",
        "actor_kind": "member",
        "action": action,
        "subject_kind": subject[0],
        "subject_id": subject[1],
        "subject_name": None,
        "before": None,
        "after": None,
        "request_id": None,
        "address_hash": None,
    }
    return EventRow(**{**given, **values})  # type: ignore[arg-type]


class _Log:
    """Three lines, and seals that somebody broke."""

    def search(
        self,
        principal: Principal,
        wanted: Wanted | None = None,
        *,
        everything: bool = False,
        after: tuple[datetime, UUID] | None = None,
    ) -> AuditPage:
        """The same lines, whatever is looked for."""
        user, gone = str(OPERATOR.user_id), uuid5(NAMES, "gone")
        before, becomes = {"benchmark": "SPX", "zone": "UTC"}, {"benchmark": "NDX", "zone": "Asia/Kolkata"}
        lines = (
            _event(AuditAction.ORGANISATION_CHANGED, ("organisation", "Acme"), before=before, after=becomes),
            _event(
                AuditAction.SIGN_IN_BLOCKED, ("user", user), actor=None, actor_name=None, actor_kind="system",
                subject_name="Olga", after={"seconds_to_wait": 8},
            ),
            _event(AuditAction.TOKEN_REVOKED, ("token", user), actor=gone, actor_name=None),
        )  # fmt: skip
        return AuditPage(lines, (NOW, OPERATOR.user_id))

    def export(
        self, principal: Principal, wanted: Wanted | None = None, *, form: Format, everything: bool = False
    ) -> bytes:
        """An empty file."""
        return b""

    def verify(self, principal: Principal, *, everything: bool = False) -> Report:
        """A report of trouble."""
        return BROKEN


_CHAIN = ChainReport(OPERATOR.org_id, 412, 18_204, 0, 3, NOW, 2)
WHOLE = Report((_CHAIN,), (), 0, Anchor(412, bytes(range(32))), "2025-11")
BROKEN = Report(
    (_CHAIN,),
    (
        Finding(FindingKind.CHANGED, OPERATOR.org_id, 37, 5_121, RowKind.EVENT, OPERATOR.user_id),
        Finding(FindingKind.BLOCK_MISSING, OPERATOR.org_id, 38),
    ),
    2,
    Anchor(412, bytes(range(32))),
    None,
)


def audit() -> None:
    """Lines of the audit log with before and after, seals that hold, and seals that do not"""
    admin_audit.show("gallery_audit", _Log(), OPERATOR, NOW, everything=True)
    admin_audit.show_report(WHOLE, is_operator=True)
    admin_audit.show_report(BROKEN, is_operator=False)

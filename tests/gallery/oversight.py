"""The components of the overview, with figures that somebody made up."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from core.admin.data_checks import DataReport
from core.admin.jobs import FailedJob, JobsOverview
from core.admin.models import Hour, TestCall, Timeline
from core.admin.overview import (
    NOTHING,
    Conversion,
    Figures,
    Group,
    Headline,
    NearLimits,
    PeakHours,
    Period,
    PlanMargin,
    PlansOverview,
    PlanUse,
    Tries,
)
from core.admin.quality import QualityFigures, VerdictQuality
from core.ai.catalogue import Catalogue
from core.ai.experiments import Experiment
from core.ai.model_switches import ModelSwitch
from core.ai.prices import PriceBook
from core.db.overview_dao import CountsRow, NearRow
from core.db.overview_jobs_dao import KindRow
from core.db.overview_quality_dao import IntentRow, ReactionRow, TemplateRow, UnusableRow
from core.db.rollups_dao import Latency, Sums
from core.market.bar_checks import Check, Finding, Severity
from core.ops.jobs import QueueFigures
from core.principal import Principal
from core.settings import DATA
from pages.components import (
    admin_data,
    admin_health,
    admin_jobs,
    admin_near_limits,
    admin_overview,
    admin_quality,
    admin_reach,
    admin_switches,
    admin_test_call,
)
from tests.gallery.administration import LABELS, NOW, OPERATOR

PERIOD = Period(7, datetime(2026, 11, 16, tzinfo=UTC), NOW)
SUMS = Sums(
    keys=(), requests=1_284, answered=980, cached=210, denied=41, failed=32, broken=9, cut=11, unresolved=1,
    prompt_tokens=1_204_880, completion_tokens=402_117, cost_usd=Decimal("4.218830"), charged_usd=Decimal("3.98"),
    saved_usd=Decimal("0.81"), credits=Decimal("12.5"), latency_ms=1_200_000,
)  # fmt: skip
FIGURES = Figures(SUMS, Latency((), 980, 812.0, 3_420.0, 9_310.0))


class Nothing:
    """Decides nothing, asks nothing and repeats nothing."""

    def switch(self, principal: Principal, switch: ModelSwitch) -> ModelSwitch:
        """Gives it back."""
        return switch

    def test(self, principal: Principal, model_id: str) -> TestCall:
        """What an answer looks like."""
        return TestCall(model_id, "ready", None, 612, Decimal("0.000012"), principal.org_name)

    def retry(self, principal: Principal, job_id: UUID, *, everything: bool = False) -> None:
        """Repeats nothing."""

    def run(self, principal: Principal, universe_id: str) -> DataReport:
        """What was found once."""
        return REPORT


REPORT = DataReport(
    "S&P 500",
    date(2026, 11, 20),
    503,
    [
        Finding(Check.STALE, Severity.ERROR, "ACME", None, "There are no bars."),
        Finding(Check.JUMP, Severity.WARNING, "BRK.B", date(2026, 3, 2), "The close moved by 41 % in one session."),
        Finding(Check.CALENDAR, Severity.NOTE, None, None, "There are symbols whose exchange is not known.", 3),
    ],
    {Severity.ERROR: 1, Severity.WARNING: 1, Severity.NOTE: 1},
    1,
)


def headline() -> None:
    """A period of an installation, and one in which nothing was asked"""
    tries = Tries(412, 9, 3)
    admin_overview.show_headline(Headline(PERIOD, 38, 6, CountsRow(9, 52), FIGURES, tries), everything=True)
    nothing = Headline(PERIOD, 0, 0, CountsRow(1, 3), Figures(NOTHING, None), Tries(0, 0, 0))
    admin_overview.show_headline(nothing, everything=False)


def groups() -> None:
    """Models, days, and none"""
    models = [Group(name, name, FIGURES) for name in ("gpt-4o-mini", "mistral-small-2506")]
    admin_overview.show_groups("gallery_models_of", models, "model", LABELS, period=PERIOD)
    days = [Group(PERIOD.starts_at + timedelta(days=number), "", FIGURES) for number in range(7)]
    admin_overview.show_groups("gallery_days_of", days, "day", LABELS, period=PERIOD)
    admin_overview.show_groups("gallery_no_groups", [], "model", LABELS, period=PERIOD)


def hours() -> None:
    """Requests by the hour of the day"""
    admin_overview.show_hours("gallery_hours", PeakHours(30, {hour: 12 * hour for hour in range(6, 20)}))


def plans() -> None:
    """What plans bring in, how they are used, and who changes"""
    margins = [
        PlanMargin("free", "Free", 4, Decimal(0), Decimal(0), Decimal("0.82")),
        PlanMargin("team", "Team", 2, Decimal("123.4"), Decimal("1.25"), Decimal("31.07")),
        PlanMargin("enterprise", "Enterprise", 1, None, Decimal(0), Decimal("8.11")),
    ]
    use = [
        PlanUse("free", "Free", 9, 3.21, 640.0, Decimal("0.09")),
        PlanUse("team", "Team", 21, 14.9, 1_210.0, Decimal(1)),
    ]
    admin_overview.show_plans("gallery_plans", PlansOverview(PERIOD, margins, use, Conversion(PERIOD, 5, 1, 3, 0)))


def near_limits() -> None:
    """A person near a limit, a quota that is used up, and nobody"""
    rows = [
        NearRow(OPERATOR.org_id, "Acme", None, None, None, "signal_validations_day", 5, 5, NOW, 1),
        NearRow(
            OPERATOR.org_id, "Acme", OPERATOR.user_id, "Ann", "ann@acme.example", "chat_queries_day", 84, 100, NOW, 1
        ),
    ]
    admin_near_limits.show("gallery_near", NearLimits(1, rows), NOW, "UTC", everything=True)
    admin_near_limits.show("gallery_near_none", NearLimits(0, []), NOW, "UTC", everything=False)


def health() -> None:
    """A day of calls, some of which failed or took too long; and one without any"""
    running = NOW.replace(minute=0)
    told = tuple(
        Hour(running - timedelta(hours=ago), 40 + ago, ago % 5, ago % 3 if ago % 5 else 0, 700) for ago in range(20)
    )
    admin_health.show("gallery_health", [Timeline("openai", "gpt-4o-mini", told)], LABELS, NOW, "UTC")
    admin_health.show("gallery_no_health", [], LABELS, NOW, "UTC")


def switches() -> None:
    """A provider that is off, a model with a weight, and the form"""
    models = Catalogue.load(DATA / "models.yaml", PriceBook.load(DATA / "prices")).all()
    decided = [ModelSwitch("perplexity", is_on=False), ModelSwitch("openai", "gpt-4o-mini", weight=Decimal("1.50"))]
    admin_switches.show("gallery_switches", models, decided, Nothing(), OPERATOR)


def calls_to_try() -> None:
    """The form, a model that answered, and one that did not"""
    models = Catalogue.load(DATA / "models.yaml", PriceBook.load(DATA / "prices")).all()
    admin_test_call.show("gallery_test_call", models, Nothing(), OPERATOR)
    admin_test_call.show_result(Nothing().test(OPERATOR, "gpt-4o-mini"), "GPT-4o mini")
    failed = TestCall("gpt-4o", None, "OpenAI does not answer at present.", None, Decimal(0), "Acme")
    admin_test_call.show_result(failed, "GPT-4o")


def quality() -> None:
    """Reactions, answers that could not be used, verdicts with their base rate, what is asked"""
    experiment = Experiment(name="Shorter prompt", kind="prompt", task="chat", variant="chat", percentage=Decimal(10))
    figures = QualityFigures(
        unusable=[UnusableRow("mistral", "mistral-small-2506", 4)],
        reactions=[ReactionRow("openai", "gpt-4o-mini", 41, 7, 3)],
        verdicts=[VerdictQuality("gpt-4o-mini", 212, 117, 0.484, 0.618, 0.561, 212)],
        intents=[IntentRow("explain", 84, 21), IntentRow("screen", 12, 4)],
        templates=[TemplateRow("Earnings at a glance", 31)],
        experiments=[experiment],
    )
    admin_quality.show("gallery_quality", figures, LABELS, everything=True)


def no_quality() -> None:
    """Nothing is known yet"""
    admin_quality.show("gallery_no_quality", QualityFigures([], [], [], [], [], []), LABELS, everything=False)


def jobs() -> None:
    """A queue with failures of which one may be done again, and none"""
    kinds = [KindRow("night", 1, 0, 12, 1, 41.0), KindRow("scan", 0, 2, 80, 1, None)]
    failed = [
        FailedJob(OPERATOR.user_id, None, "night", "The source failed.", 3, NOW, NOW, True),
        FailedJob(OPERATOR.org_id, "Acme", "scan", "Nothing was heard of it for an hour.", 1, NOW, NOW, False),
    ]
    overview = JobsOverview(QueueFigures(1, 2, 2, 1), kinds, failed)
    admin_jobs.show("gallery_jobs", overview, Nothing(), OPERATOR, NOW, everything=True)
    admin_jobs.show("gallery_no_jobs", JobsOverview(None, [], []), Nothing(), OPERATOR, NOW, everything=False)


def data() -> None:
    """What was found in the bars of a universe, and nothing"""
    admin_data.show_report("gallery_data", REPORT)
    fine = DataReport("S&P 500", date(2026, 11, 20), 503, [], dict.fromkeys(Severity, 0), 0)
    admin_data.show_report("gallery_fine", fine)


def reach() -> None:
    """The choice of operators"""
    admin_reach.show("gallery_reach", OPERATOR)

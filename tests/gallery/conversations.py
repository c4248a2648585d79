"""The components of the Chat page at rest; an answer that is being written needs a workbench."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from core.db.conversations_dao import CostRow
from core.errors import MeteringDenied, ProviderUnavailable
from pages.components import chat_cost, chat_history
from pages.components.chat_history import Along
from pages.components.chat_turn import Turn, Unanswered
from tests.gallery.samples import MODELS, denial, messages, principal
from tests.gallery.texts import TEXTS


def answers() -> None:
    """Questions and answers of each kind"""
    chat_history.show("answers", messages(), Along(MODELS), "9 of 10 questions left today")


def suggestions() -> None:
    """An empty page"""
    chat_history.show_suggestions("suggestions")


def unanswered() -> None:
    """Questions that brought no answer"""
    ann = principal("two words")
    broke = ProviderUnavailable("The provider does not answer. It cost you nothing.", provider="provider")
    for number, error in enumerate((MeteringDenied(denial()), broke, None)):
        turn = Unanswered(Turn(TEXTS["short"]), None, error)
        chat_history.show_unanswered(f"unanswered_{number}", turn, ann, "unanswered_prompt")


def costs() -> None:
    """What it cost: free, partly estimated, with a lost answer, of what is kept; and where none is open"""
    month = Decimal("12.3456789")
    chat_cost.show(CostRow(Decimal(0), Decimal(0), is_estimated=False), month, "UTC")
    chat_cost.show(CostRow(Decimal("0.00012"), Decimal("0.05"), is_estimated=True), month, "UTC")
    old = CostRow(Decimal("1.2"), Decimal(0), is_estimated=False, counted_from=datetime(2031, 3, 1, tzinfo=UTC))
    chat_cost.show(old, month, "UTC")
    chat_cost.show(None, month, "UTC")

"""The components of the Chat page at rest; an answer that is being written needs a workbench."""

from __future__ import annotations

from core.errors import MeteringDenied, ProviderUnavailable
from pages.components import chat_history
from pages.components.chat_turn import Turn, Unanswered
from tests.gallery.samples import MODELS, denial, messages, principal
from tests.gallery.texts import TEXTS


def answers() -> None:
    """Questions and answers of each kind"""
    chat_history.show("answers", messages(), MODELS, "9 of 10 questions left today")


def suggestions() -> None:
    """An empty page"""
    chat_history.show_suggestions("suggestions")


def unanswered() -> None:
    """Questions that brought no answer"""
    ann = principal("two words")
    broke = ProviderUnavailable("The provider does not answer. It cost you nothing.", provider="provider")
    for number, error in enumerate((MeteringDenied(denial()), broke, None)):
        turn = Unanswered(Turn(TEXTS["short"]), None, error)
        chat_history.show_unanswered(f"unanswered_{number}", turn, ann)

"""What the Chat page asks of services beside the assistant: files, templates, reactions, and the models there are."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import streamlit as st

from core import workbench
from core.ai.router import AUTO
from core.errors import Unauthenticated
from core.principal import Principal
from core.research.attachments.attachments import Attachment
from core.research.conversations import Desk
from core.research.exports import Export, Form
from core.research.reactions import Thumb
from pages.components import chat_models, session
from pages.components.chat_conversations import PARAMETER
from pages.components.chat_export import Make
from pages.components.chat_history import Along
from pages.components.chat_model_choice import Choice
from pages.components.chat_models import KnownModels
from pages.components.chat_reactions import Deeds
from pages.components.chat_turn import Upload
from pages.components.forms import acknowledge
from pages.components.session import require


def along(principal: Principal, desk: Desk, *, is_busy: bool = False) -> Along:
    """What goes along with the messages of the open conversation, and what this person can do with answers."""
    bench = workbench.current()
    labels = {model.id: model.label for model in bench.catalogue.all()}
    if desk.opened is None:
        return Along(labels, picture_of=_picture)
    conversation_id = desk.opened.row.id

    def branch(message_id: UUID) -> None:
        made = bench.conversations.branch(require(), conversation_id, message_id)
        st.query_params[PARAMETER] = str(made)
        acknowledge("You are in a new conversation that goes on from there")

    deeds = Deeds(_react, branch, desk.opened.reactions, is_busy)
    return Along(
        labels,
        evidence=desk.opened.evidence,
        files=bench.attachments.of_conversation(principal, conversation_id) if desk.opened.attached else {},
        picture_of=_picture,
        deeds=deeds if principal.role.may_ask else None,
    )


def exporter(conversation_id: UUID) -> Make:
    """Writes a conversation as a file. It is called outside of a run, where no cookie can be read: the session is that
    of the run in which the button was drawn, and is checked anew."""
    bench, cookie = workbench.current(), session.caller().session

    def make(form: Form) -> Export:
        principal = bench.accounts.principal_of_session(cookie) if cookie else None
        if principal is None:
            raise Unauthenticated("Your session has ended. Sign in again to go on.")
        return bench.conversations.export(principal, conversation_id, form)

    return make


def choice(principal: Principal) -> Choice:
    """The models that this person chooses among, and what holds until they do."""
    bench, today = workbench.current(), datetime.now(UTC).date()
    keys = bench.ai.own_keys.of(principal)
    known = KnownModels(bench.catalogue, bench.router, bench.prices, bench.health, today)
    plan, flags = bench.plans.get(principal.plan), bench.flags.offers(principal)
    offers = chat_models.offers(known, plan, principal, keys, flags)
    default = principal.default_model or principal.org_default_model or bench.settings.default_model or AUTO
    words = chat_models.auto_words(bench.router, principal, keys)
    return Choice(offers, words, default, today, principal.uses_router)


def most_chars(principal: Principal) -> int:
    """How long a message may be, in characters: the installation's limit, or the plan's where that is less."""
    bench = workbench.current()
    of_plan = bench.plans.get(principal.plan).limits.prompt_chars
    here = bench.settings.max_prompt_chars
    return here if of_plan is None else min(here, of_plan)


def add_file(upload: Upload) -> Attachment:
    """Has a file read; raises as `Attachments.add`."""
    return workbench.current().attachments.add(
        require(), upload.name, upload.data, media_type=upload.media_type or None
    )


def remove_file(file_id: UUID) -> None:
    """Forgets a file that waited."""
    workbench.current().attachments.remove(require(), file_id)


def _react(message_id: UUID, thumb: Thumb | None, note: str | None) -> None:
    workbench.current().reactions.react(require(), message_id, thumb, note)


def _picture(file_id: UUID) -> bytes:
    return workbench.current().attachments.picture(require(), file_id).data

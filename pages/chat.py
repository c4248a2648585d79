"""Chat: ask a model, and see under each answer which one it was, what it cost and what is left of today."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import streamlit as st

from core import workbench
from core.ai.router import AUTO
from core.db.conversations_dao import MessageRow
from core.errors import AssayError
from core.portfolio.portfolios import PortfolioInfo
from core.research.assistant import Exchange
from core.research.bundle import Bundle
from core.research.conversations import Desk
from pages.components import (
    chat_actions,
    chat_conversations,
    chat_cost,
    chat_export,
    chat_files,
    chat_history,
    chat_live,
    chat_marks,
    chat_model_choice,
    chat_portfolio,
    chat_reactions,
    chat_services,
    chat_stream,
    chat_templates,
    chat_turn,
    chat_waiting,
    quota,
)
from pages.components.chat_message import show_model, show_question
from pages.components.chat_turn import Turn
from pages.components.errors import show_errors, show_message
from pages.components.forms import show_acknowledged
from pages.components.headings import page_head
from pages.components.session import require

PROMPT = "chat_prompt"
CHAT_QUOTA, MONTH = "chat_queries_day", "charge_usd_month"
VIEWER = (
    "You can read your conversations here, but not ask.",
    "An admin of your organisation can change your role.",
)

principal = require()
bench = workbench.current()
assistant = bench.assistant


def keep(conversation_id: UUID, portfolio_id: UUID | None) -> None:
    """The next questions of a conversation are about this portfolio."""
    bench.conversations.set_portfolio(require(), conversation_id, portfolio_id)


def ask(turn: Turn, opened: UUID | None, model: str, about: PortfolioInfo | None) -> Exchange:
    """Sends a question on its way with the files that wait for it, or the last one again."""
    if turn.is_again and opened is not None:
        return assistant.regenerate(principal, opened, model=model)
    exchange = assistant.ask(
        principal,
        turn.text,
        conversation_id=opened,
        portfolio_id=None if about is None else about.id,
        model=model,
        channel="page",
        attachment_ids=[file.id for file in chat_files.waiting(opened)],
        template=turn.template,
    )
    chat_files.forget(opened)
    return exchange


def take_turn(opened: UUID | None) -> Turn | None:
    """What is to be asked in this run, once its files are read; with one that cannot be, or without words, nothing."""
    turn = chat_turn.take(opened)
    if turn is None:
        return None
    chat_files.dismiss()
    if not turn.uploads:
        return turn
    with st.bottom, st.spinner(f"Reading {len(turn.uploads)} file{'' if len(turn.uploads) == 1 else 's'}…"):
        were_read = chat_files.take_in(turn.uploads, opened, chat_services.add_file)
    if were_read and turn.text.strip():
        return chat_turn.without_uploads(turn, opened)
    chat_turn.edit(PROMPT, turn.text)
    return None


def show_conversation(desk: Desk, messages: Sequence[MessageRow], opened: UUID | None) -> str:
    """The conversation at rest, with what can be done next; gives the words for a screen reader."""
    now, along = datetime.now(UTC), chat_services.along(principal, desk)
    left = questions_left(desk, now)
    unanswered = chat_turn.unanswered(opened)
    awaited = chat_history.awaited(messages, chat_turn.under_way(opened), now, bench.settings.total_timeout_s)
    if awaited is not None and opened is not None:
        chat_history.show("chat_history", messages, along, left)
        with show_model():
            chat_waiting.show(
                "chat_ask_again",
                lambda: awaited.is_in(bench.conversations.messages(require(), opened)),
                until=awaited.until,
                again_from=awaited.again_from if principal.role.may_ask else None,
            )
        return "The answer is being written."
    if unanswered is not None:
        chat_history.show("chat_history", messages, along, left)
        chat_history.show_unanswered("chat_retry", unanswered, principal, PROMPT)
        return "The question was not answered."
    if messages:
        may_ask, until = principal.role.may_ask, chat_turn.rests_until(opened)
        chat_history.show_rest("chat_history", messages, along, left, may_ask=may_ask, until=until)
        return f"The answer is complete: {left}."
    if principal.role.may_ask:
        chat_history.show_suggestions("chat_suggestions")
    return ""


def questions_left(desk: Desk, now: datetime) -> str:
    """What is left of the questions of today, or what takes over where none are."""
    state = desk.allowances[CHAT_QUOTA].state
    if state.remaining == 0 and principal.role.may_ask:
        return quota.sentence_under_credits(state, bench.credits.balance(principal), now, principal.zone)
    return quota.sentence(state, now, principal.zone)


def show_head(desk: Desk, *, is_busy: bool) -> str:
    """The title, what can be done with the open conversation, and the choice of a model, which it gives."""
    with page_head("Chat", plan=principal.plan):
        if desk.opened is not None:
            row = desk.opened.row
            chat_conversations.show_rename(
                "chat_rename", row, lambda title: bench.conversations.rename(require(), row.id, title)
            )
            chat_export.show("chat_export", row.title, chat_services.exporter(row.id))
            chat_conversations.show_delete("chat_delete", row, lambda: bench.conversations.delete(require(), row.id))
        if not principal.role.may_ask:
            return AUTO
        return chat_model_choice.show("chat_model", chat_services.choice(principal), is_busy=is_busy)


def bundle_of(about: PortfolioInfo | None) -> Bundle | None:
    """The research bundle of the portfolio as it stands; nothing is called or counted."""
    if about is not None:
        with suppress(AssayError):  # without it the quick actions are about a symbol that is typed
            return bench.bundles.state(principal, about.id)
    return None


def show_surroundings(desk: Desk, about: PortfolioInfo | None, opened: UUID | None, last_question: str) -> None:
    """Above the input: quick actions, the portfolio that questions are about, templates, the cost, files that wait."""
    row, is_busy = desk.opened.row if desk.opened else None, turn is not None
    with st.bottom:
        if principal.role.may_ask:
            ask_symbol = partial(bench.bundles.ask_symbol, principal, None if about is None else about.id)
            chat_actions.show("chat_actions", bundle_of(about), ask_symbol, is_busy=is_busy)
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if principal.role.may_ask:
                chat_portfolio.show("chat_portfolio", desk.portfolios, row, keep, is_busy=is_busy)
                shelf = chat_templates.Shelf(bench.templates, require, last_question)
                chat_templates.show("chat_templates", shelf, is_busy=is_busy)
            else:
                chat_portfolio.show_told(desk.portfolios, row)
            chat_cost.show(desk.opened.cost if desk.opened else None, desk.allowances[MONTH].used, principal.zone)
        if principal.role.may_ask and not is_busy:
            chat_files.show_waiting("chat_files", opened, chat_services.remove_file)


def show_input(*, is_noted: bool) -> bool:
    """The input, or why there is none; whether something was sent that nobody had noted."""
    if not principal.role.may_ask:
        show_message(*VIEWER, icon=":material/visibility:")
        return False
    sent = st.chat_input(
        "Ask about a holding, a figure, a measure or a term",
        key=PROMPT,
        max_chars=chat_services.most_chars(principal),
        accept_file="multiple",
        file_type=chat_files.FILE_TYPES,
        max_upload_size=chat_files.MAX_MEGABYTES,
        submit_mode="stop",
        on_submit=chat_turn.wish_from,
        args=(PROMPT,),
    )
    return not is_noted and chat_turn.wish_sent(sent)


with show_errors(principal):
    live = chat_live.show()
    chat_marks.show_style()
    desk = bench.conversations.desk(
        principal, chat_conversations.named(), chat_conversations.sought("chat_conversations")
    )
    chat_conversations.show("chat_conversations", desk)
    opened, messages = chat_conversations.opened("chat_missing", desk)
    is_noted = chat_turn.is_wished()
    turn = take_turn(opened)
    model = show_head(desk, is_busy=turn is not None)
    show_acknowledged()
    chat_reactions.show_failed()
    row = desk.opened.row if desk.opened else None
    chat_portfolio.follow(row)
    about = chat_portfolio.chosen(desk.portfolios, row)
    show_surroundings(desk, about, opened, chat_history.last_question(messages))
    if show_input(is_noted=is_noted):  # the first run of a new process: it did not know what to call
        st.rerun()
    if turn is None:
        chat_live.say(live, show_conversation(desk, messages, opened))
        if principal.role.may_ask:
            chat_portfolio.show_missing("chat_portfolio_missing", desk.portfolios, row, keep)
    else:
        chat_live.say(live, "The question is being answered.")
        along = chat_services.along(principal, desk, is_busy=True)
        chat_history.show("chat_history", chat_history.before(turn, messages), along)
        if not turn.is_again:
            show_question(turn.text, chat_files.waiting(opened), along.picture_of)
        place = show_model()
        st.empty()  # in place of the buttons that stood under the last answer
        with place:
            chat_stream.show(turn, opened, partial(ask, turn, opened, model, about))

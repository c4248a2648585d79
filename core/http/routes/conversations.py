"""`/api/ai/conversations`: the caller's own, listed, searched, opened, named, deleted, and asked in."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from core.db.conversations_dao import ConversationRow, MessageRow
from core.errors import NotFound
from core.http.asking import Asker
from core.http.authentication import SignedIn, SignedInRoute
from core.http.chat_models import (
    AttachedFile,
    BranchGiven,
    ChatAnswer,
    Conversation,
    ConversationCost,
    ConversationHead,
    ConversationItem,
    ConversationMessage,
    ConversationPage,
    ConversationQuestion,
    ConversationTitle,
    NewConversation,
    ReactionGiven,
    ReactionTold,
)
from core.http.context import Bench, Threads, in_thread
from core.http.cursors import cursor_of, place_of_cursor
from core.http.evidence import evidence_fields
from core.http.routes.chat import answered, conversation_id_of
from core.principal import Principal
from core.research.conversations import MAX_SOUGHT_CHARS, Found, Opened
from core.research.reactions import Reaction
from core.workbench import Workbench

MAX_ROWS = 200
PATH = "/ai/conversations"

reads = APIRouter(route_class=SignedInRoute, tags=["Conversations"])
writes = APIRouter(route_class=SignedInRoute, tags=["Conversations"])


class ConversationsQuery(BaseModel):
    """Which conversations."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    search: str = Field("", max_length=MAX_SOUGHT_CHARS)
    """Those whose title or messages hold this text, in whatever case; every character stands for itself."""
    cursor: str | None = None
    """`next_cursor` of the page before."""
    limit: int = Field(50, ge=1, le=MAX_ROWS)


class ExportQuery(BaseModel):
    """How a conversation is exported."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    format: Literal["markdown", "json"] = "markdown"


@reads.get(PATH, summary="The caller's conversations, the latest first")
async def list_conversations(
    asked: Annotated[ConversationsQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> ConversationPage:
    """Those of the caller in the token's organisation, page by page, all or those that hold a text."""
    return await in_thread(partial(_page, asked, bench, principal), threads)


@reads.get(
    f"{PATH}/{{conversation_id}}", response_model=Conversation, summary="A conversation, its messages and its cost"
)
async def get_conversation(conversation_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> Response:
    """Another user's conversation, or one of another organisation, is not found."""

    def opened() -> str:
        return _whole(bench.conversations.open(principal, conversation_id_of(conversation_id))).model_dump_json()

    return Response(await in_thread(opened, threads), media_type="application/json")


@writes.post(PATH, status_code=201, summary="Open a conversation")
async def create_conversation(
    given: NewConversation, principal: SignedIn, bench: Bench, threads: Threads
) -> ConversationHead:
    """An empty one; a question without a conversation opens its own."""
    return _head(await in_thread(partial(bench.conversations.create, principal, given.title), threads))


@writes.patch(f"{PATH}/{{conversation_id}}", summary="Give a conversation another title")
async def rename_conversation(
    conversation_id: str, given: ConversationTitle, principal: SignedIn, bench: Bench, threads: Threads
) -> ConversationHead:
    """Its place in the list stays."""
    rename = partial(bench.conversations.rename, principal, conversation_id_of(conversation_id), given.title)
    return _head(await in_thread(rename, threads))


@writes.delete(f"{PATH}/{{conversation_id}}", status_code=204, summary="Delete a conversation")
async def delete_conversation(conversation_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> None:
    """With its messages, for good; what they cost stays in the usage."""
    await in_thread(partial(bench.conversations.delete, principal, conversation_id_of(conversation_id)), threads)


@writes.post(f"{PATH}/{{conversation_id}}/messages", response_model=ChatAnswer, summary="Ask in a conversation")
async def ask_in_conversation(
    conversation_id: str,
    question: ConversationQuestion,
    request: Request,
    principal: SignedIn,
    bench: Bench,
    threads: Threads,
) -> Response:
    """As `POST /api/ai/chat`, streaming and `Idempotency-Key` included, in the conversation that the address names."""
    asker = Asker(request, principal, bench, threads)
    return await answered(question, conversation_id_of(conversation_id), asker)


@writes.post(f"{PATH}/{{conversation_id}}/branch", status_code=201, summary="Branch off from a conversation")
async def branch_conversation(
    conversation_id: str, given: BranchGiven, principal: SignedIn, bench: Bench, threads: Threads
) -> ConversationHead:
    """Another conversation that begins with what was said up to a message, with files and what answers rest on."""
    source, message = conversation_id_of(conversation_id), message_id_of(given.message_id)

    def branched() -> ConversationRow:
        return bench.conversations.open(principal, bench.conversations.branch(principal, source, message)).row

    return _head(await in_thread(branched, threads))


@reads.get(
    f"{PATH}/{{conversation_id}}/export",
    response_class=Response,
    responses={200: {"content": {"text/markdown": {}, "application/json": {}}}},
    summary="A conversation as a file",
)
async def export_conversation(
    conversation_id: str, asked: Annotated[ExportQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """Markdown or JSON, with figures and their marks, sources, and what it cost."""
    export = partial(bench.conversations.export, principal, conversation_id_of(conversation_id), asked.format)
    made = await in_thread(export, threads)
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
    return Response(made.data, media_type=made.media_type, headers=headers)


@writes.put(f"{PATH}/{{conversation_id}}/messages/{{message_id}}/reaction", summary="React to an answer")
async def react(
    conversation_id: str,
    message_id: str,
    given: ReactionGiven,
    principal: SignedIn,
    bench: Bench,
    threads: Threads,
) -> ReactionTold:
    """In place of what was kept; nothing of both takes it back."""
    conversation, message = conversation_id_of(conversation_id), message_id_of(message_id)
    put = partial(bench.reactions.react, principal, message, given.reaction, given.note, conversation_id=conversation)
    kept = await in_thread(put, threads)
    return ReactionTold(reaction=None, note=None, changed_at=None) if kept is None else _reaction(kept)


@writes.delete(
    f"{PATH}/{{conversation_id}}/messages/{{message_id}}/reaction", status_code=204, summary="Take a reaction back"
)
async def take_reaction_back(
    conversation_id: str, message_id: str, principal: SignedIn, bench: Bench, threads: Threads
) -> None:
    """Where there is none, nothing changes."""
    conversation, message = conversation_id_of(conversation_id), message_id_of(message_id)
    await in_thread(partial(bench.reactions.react, principal, message, None, conversation_id=conversation), threads)


def message_id_of(given: str) -> UUID:
    """The id of a message.

    Raises:
        NotFound: what cannot be an id names none that exists.
    """
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("There is no such message in this conversation.") from None


router = APIRouter()
router.include_router(reads)
router.include_router(writes)


def _page(asked: ConversationsQuery, bench: Workbench, principal: Principal) -> ConversationPage:
    before = None if asked.cursor is None else place_of_cursor(asked.cursor)
    found = bench.conversations.page(principal, sought=asked.search, before=before, most=asked.limit + 1)
    shown = found[: asked.limit]
    last = shown[-1].row if len(found) > asked.limit else None
    next_cursor = None if last is None else cursor_of(last.updated_at, last.id)
    return ConversationPage(data=[_item(each) for each in shown], next_cursor=next_cursor)


def _item(found: Found) -> ConversationItem:
    excerpt = None if found.excerpt is None else found.excerpt.text
    return ConversationItem(**dict(_head(found.row)), excerpt=excerpt)


def _head(row: ConversationRow) -> ConversationHead:
    return ConversationHead(
        id=str(row.id),
        title=row.title,
        created_at=row.created_at,
        updated_at=row.updated_at,
        portfolio_id=None if row.portfolio_id is None else str(row.portfolio_id),
        branched_from=None if row.branched_from is None else str(row.branched_from),
    )


def _whole(opened: Opened) -> Conversation:
    cost = opened.cost
    return Conversation(
        **dict(_head(opened.row)),
        cost=ConversationCost(
            charged_usd=cost.charged_usd,
            estimated=cost.is_estimated,
            unresolved_usd=cost.unresolved_usd,
            counted_from=cost.counted_from,
        ),
        messages=[_message(row, opened) for row in opened.messages],
    )


def _message(row: MessageRow, opened: Opened) -> ConversationMessage:
    reaction = opened.reactions.get(row.id)
    files = opened.attached.get(row.id, ())
    return ConversationMessage.model_validate(
        {
            "id": str(row.id),
            "cached": row.is_cached,
            "offline": row.is_offline,
            "estimated": row.is_estimated,
            **{name: getattr(row, name) for name in _SAME},
            **evidence_fields(opened.evidence.get(row.id), row.text),
            "attachments": [
                AttachedFile(id=str(file.id), name=file.name, kind=file.kind, size_bytes=file.size_bytes)
                for file in files
            ],
            "reaction": None if reaction is None else _reaction(reaction),
        }
    )


def _reaction(kept: Reaction) -> ReactionTold:
    return ReactionTold(reaction=kept.reaction, note=kept.note, changed_at=kept.changed_at)


_SAME = (
    *("role", "text", "state", "created_at", "model", "provider"),
    *("prompt_tokens", "completion_tokens", "cost_usd", "note", "route"),
)
"""Fields of a message that are called as their columns are."""

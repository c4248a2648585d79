"""`POST /api/ai/chat`: a question and its answer, whole or as it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError

from core.ai.answer import Answer
from core.ai.evidence import Step
from core.ai.session import Session
from core.errors import AssayError, InvalidRequest, NotFound
from core.http.asking import Asked, Asker, Errand
from core.http.authentication import SignedIn, SignedInRoute
from core.http.chat_models import ChatAnswer, ChatQuestion, ChatSummary, ConversationQuestion
from core.http.context import Bench, Threads
from core.http.evidence import evidence_fields, step_shown
from core.http.idempotency import idempotency_of
from core.http.metered import CHAT_QUOTA
from core.http.models import RouteTaken, Tokens
from core.http.problems import problem_of, unexpected
from core.http.routes.portfolios import id_of
from core.http.routes.templates import template_id_of
from core.http.streams import DONE, EventStream, event
from core.research.templates import FilledTemplate

router = APIRouter(route_class=SignedInRoute, tags=["AI"])


@router.post("/ai/chat", response_model=ChatAnswer, summary="Ask a model")
async def chat(
    question: ChatQuestion, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """The answer to one message, in one of the caller's conversations or in a new one.

    With `stream: true`: `data: {"step"}` as tools are used, `data: {"delta", "model"}` …, `data: {…}` with what is
    known at the end, `data: [DONE]`; a failure after the first event is `data: {"error": problem}`.
    An answer of the cache is free and moves no quota. With an `Idempotency-Key` a repeat gets the same answer.
    """
    given = question.conversation_id
    conversation_id = None if given is None else conversation_id_of(given)
    return await answered(question, conversation_id, Asker(request, principal, bench, threads))


async def answered(question: ConversationQuestion, conversation_id: UUID | None, asker: Asker) -> Response:
    """The answer to a message in a conversation, or (None) in a new one: whole, or as it comes.

    Raises:
        AssayError: it failed before its first piece.
        RequestValidationError: it has neither a message nor a template.
    """
    if question.template_id is None and "message" not in question.model_fields_set:
        raise RequestValidationError([{"type": "missing", "loc": ("body", "message"), "input": {}}])
    idempotency = await idempotency_of(asker.request)
    portfolio_id = None if question.portfolio_id is None else id_of(question.portfolio_id)
    attachment_ids = [attachment_id_of(given) for given in question.attachment_ids]
    saved: dict[str, str] = {}

    def open_session(runs_here: bool) -> Session:
        template = _filled(question, asker)
        exchange = asker.bench.assistant.ask(
            asker.principal,
            question.message if template is None else f"{template.text}\n\n{question.message}".strip(),
            conversation_id=conversation_id,
            portfolio_id=portfolio_id,
            model=question.model,
            channel="api",
            idempotency=idempotency,
            runs_here=runs_here,
            template=template,
            attachment_ids=attachment_ids,
        )
        saved.update(conversation_id=str(exchange.conversation_id), message_id=str(exchange.message_id))
        return exchange.session

    errand = Errand(open_session, idempotency, CHAT_QUOTA)
    if question.stream:
        asked = await asker.begun(errand)
        return EventStream(_events(asked, saved or asked.context), asked.listener, asked.headers)
    asked = await asker.whole(errand)
    answer = asked.complete
    content = ChatAnswer(text=answer.text, **dict(_summary(answer, saved or asked.context)))
    return Response(content.model_dump_json(), headers=asked.headers, media_type="application/json")


def _filled(question: ConversationQuestion, asker: Asker) -> FilledTemplate | None:
    if question.template_id is None:
        if question.variables:
            raise InvalidRequest("The field variables is of a template; give its template_id too.")
        return None
    return asker.bench.templates.filled(asker.principal, template_id_of(question.template_id), question.variables)


def attachment_id_of(given: str) -> UUID:
    """The id of a file.

    Raises:
        NotFound: what cannot be an id names none that exists.
    """
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("There is no such file.") from None


def conversation_id_of(given: str) -> UUID:
    """The id of a conversation.

    Raises:
        NotFound: what cannot be an id names none that exists.
    """
    try:
        return UUID(given)
    except ValueError:
        raise NotFound("There is no such conversation.") from None


async def _events(asked: Asked, saved: Mapping[str, str]) -> AsyncIterator[bytes]:
    try:
        async for piece in asked.events():
            if isinstance(piece, Step):
                yield event({"step": step_shown(piece).model_dump(mode="json")})
            else:
                yield event({"delta": piece, "model": asked.model})
        yield event(_summary(asked.complete, saved).model_dump(mode="json"))
    except AssayError as error:
        yield event({"error": problem_of(error)})
    except Exception as error:  # noqa: BLE001 (the outermost edge of an answer that has begun)
        yield event({"error": problem_of(unexpected(error))})
    yield DONE


def _summary(answer: Answer, saved: Mapping[str, str]) -> ChatSummary:
    used = answer.usage
    return ChatSummary(
        model=answer.model,
        provider=answer.provider,
        offline=answer.is_offline,
        state=answer.state,
        cached=answer.is_cached,
        usage=Tokens(
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            total_tokens=used.prompt_tokens + used.completion_tokens,
        ),
        estimated=answer.is_estimated,
        cost_usd=answer.cost_usd,
        credits=answer.credits,
        conversation_id=saved["conversation_id"],
        message_id=saved["message_id"],
        **evidence_fields(answer.evidence, answer.text),
        route=RouteTaken(reason=answer.route_reason, candidates=answer.considered),
    )

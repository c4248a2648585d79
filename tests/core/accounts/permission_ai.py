"""Rows of the table of permissions for what stands around questions: keys, flags, experiments, templates, files, …"""

from __future__ import annotations

from decimal import Decimal

from pydantic import SecretStr

from core.accounts.provider_keys import KeyChange, KeyDraft
from core.ai.answer import Question
from core.ai.experiments import Experiment
from core.ai.flags import Flag
from core.ai.guards.vault import Vault
from core.ai.guards.verdict import FINE
from core.ai.own_keys import OwnKey
from core.ai.providers.contract import Message
from core.errors import InvalidRequest, NotFound
from core.metering.repeats import Idempotency
from core.research.templates import TemplateDraft
from tests.core.accounts.permission_rows import ASKERS, INSIDERS, MANAGERS, PEOPLE, READERS, C, Method, Route, Trial

OPERATORS = frozenset({C.OPERATOR})
KEEPERS = frozenset({C.OWNER, C.ADMIN, C.ANALYST, C.ADMIN_TOKEN})
READ_AND_ASK = ASKERS - {C.ASK_TOKEN}
"""What shows what it changed: a token needs both scopes."""
WRITERS = PEOPLE | {C.ASK_TOKEN}
"""What an address that changes something of one's own lets in, before the service is asked."""
ASKED = Question(messages=(Message("user", "What is duration?"),))
OURS = KeyDraft("openai", "", SecretStr("sk-" + "a" * 40), is_shared=True)
MINE = KeyDraft("openai", "", SecretStr("sk-" + "a" * 40))
"""Without a name: who is allowed is refused for that."""
DRAFT = TemplateDraft("A title", "What is {{term}}?")
TRIED = Experiment("Cheaper", "model", "chat", "gpt-4o-mini", Decimal(10))


def _own_key(trial: Trial) -> OwnKey:
    provider = trial.bench.providers["offline"]
    return OwnKey(
        id=trial.nothing, name="Mine", last_four="aaaa", is_shared=False, provider=provider, provider_name="openai"
    )


def _react(trial: Trial) -> object:
    return trial.bench.reactions.react(trial.who, trial.nothing, "up")


def _add_file(trial: Trial) -> object:
    return trial.bench.attachments.add(trial.who, "a.txt", b"")


METHODS: dict[str, Method] = {
    "ai.gateway.session": Method(ASKERS, lambda t: t.bench.gateway.session(t.who, ASKED).result()),
    "ai.gateway.estimate": Method(ASKERS, lambda t: t.bench.gateway.estimate(t.who, ASKED)),
    "ai.gateway.room": Method(ASKERS, lambda t: t.bench.gateway.room(t.who, ASKED)),
    "ai.gateway.guard": Method(ASKERS, lambda t: t.bench.gateway.guard(t.who, ASKED)),
    "ai.gateway.replayed": Method(
        INSIDERS, lambda t: t.bench.gateway.replayed(t.who, Idempotency("POST /api/ai/chat", "a key", b"\x00" * 32))
    ),
    "ai.provider_keys.add": Method(KEEPERS, lambda t: t.bench.provider_keys.add(t.who, MINE), ends=InvalidRequest),
    "ai.provider_keys.add:shared": Method(
        MANAGERS, lambda t: t.bench.provider_keys.add(t.who, OURS), ends=InvalidRequest
    ),
    "ai.provider_keys.all": Method(READERS, lambda t: t.bench.provider_keys.all(t.who)),
    "ai.provider_keys.change": Method(
        KEEPERS, lambda t: t.bench.provider_keys.change(t.who, t.nothing, KeyChange("A name")), ends=NotFound
    ),
    "ai.provider_keys.revoke": Method(KEEPERS, lambda t: t.bench.provider_keys.revoke(t.who, t.nothing), ends=NotFound),
    "ai.provider_keys.usable": Method(INSIDERS, lambda t: t.bench.provider_keys.usable(t.who)),
    "ai.provider_keys.note_refused": Method(INSIDERS, lambda t: t.bench.provider_keys.note_refused(t.who, t.nothing)),
    "ai.own_keys.of": Method(INSIDERS, lambda t: t.bench.ai.own_keys.of(t.who)),
    "ai.own_keys.refused": Method(INSIDERS, lambda t: t.bench.ai.own_keys.refused(t.who, _own_key(t))),
    "ai.guards.check": Method(INSIDERS, lambda t: t.bench.ai.guards.check(t.who, t.bench.plans.get(t.who.plan), ASKED)),
    "ai.guards.outgoing": Method(
        INSIDERS, lambda t: t.bench.ai.guards.outgoing(Vault(None), t.who, ASKED.messages, is_local=False)
    ),
    "ai.guards.incoming": Method(INSIDERS, lambda t: t.bench.ai.guards.incoming(Vault(None), t.who)),
    "ai.guards.refused": Method(INSIDERS, lambda t: t.bench.ai.guards.refused(t.who, FINE)),
    "ai.flags.all": Method(OPERATORS, lambda t: t.bench.flags.all(t.who)),
    "ai.flags.keep": Method(OPERATORS, lambda t: t.bench.flags.keep(t.who, Flag("beta.page"))),
    "ai.flags.remove": Method(OPERATORS, lambda t: t.bench.flags.remove(t.who, "none.such"), ends=NotFound),
    "ai.flags.is_on": Method(INSIDERS, lambda t: t.bench.flags.is_on("none.such", t.who)),
    "ai.flags.offers": Method(INSIDERS, lambda t: t.bench.flags.offers(t.who)),
    "ai.experiments.all": Method(OPERATORS, lambda t: t.bench.experiments.all(t.who)),
    "ai.experiments.start": Method(OPERATORS, lambda t: t.bench.experiments.start(t.who, TRIED)),
    "ai.experiments.end": Method(OPERATORS, lambda t: t.bench.experiments.end(t.who, t.nothing), ends=NotFound),
    "ai.experiments.compared": Method(OPERATORS, lambda t: t.bench.experiments.compared(t.who, t.nothing)),
    "ai.experiments.assigned": Method(INSIDERS, lambda t: t.bench.experiments.assigned(t.who, "chat", kind="model")),
    "research.conversations.branch": Method(
        ASKERS, lambda t: t.bench.conversations.branch(t.who, t.nothing, t.nothing), ends=NotFound
    ),
    "research.conversations.export": Method(
        INSIDERS, lambda t: t.bench.conversations.export(t.who, t.nothing, "json"), ends=NotFound
    ),
    "research.templates.list": Method(READERS, lambda t: t.bench.templates.list(t.who)),
    "research.templates.categories": Method(READERS, lambda t: t.bench.templates.categories(t.who)),
    "research.templates.get": Method(READERS, lambda t: t.bench.templates.get(t.who, t.nothing), ends=NotFound),
    "research.templates.create": Method(ASKERS, lambda t: t.bench.templates.create(t.who, DRAFT), ends=InvalidRequest),
    "research.templates.change": Method(
        ASKERS, lambda t: t.bench.templates.change(t.who, t.nothing, DRAFT), ends=InvalidRequest
    ),
    "research.templates.delete": Method(ASKERS, lambda t: t.bench.templates.delete(t.who, t.nothing), ends=NotFound),
    "research.templates.filled": Method(
        READERS, lambda t: t.bench.templates.filled(t.who, t.nothing, {}), ends=NotFound
    ),
    "research.templates.used": Method(INSIDERS, lambda t: t.bench.templates.used(t.who, t.nothing)),
    "research.reactions.react": Method(
        ASKERS, lambda t: t.bench.reactions.react(t.who, t.nothing, "up"), ends=NotFound
    ),
    "research.reactions.of": Method(INSIDERS, lambda t: t.bench.reactions.of(t.who, [t.nothing])),
    "research.attachments.add": Method(
        ASKERS, lambda t: t.bench.attachments.add(t.who, "a.txt", b""), ends=InvalidRequest
    ),
    "research.attachments.get": Method(READERS, lambda t: t.bench.attachments.get(t.who, t.nothing), ends=NotFound),
    "research.attachments.text": Method(READERS, lambda t: t.bench.attachments.text(t.who, t.nothing), ends=NotFound),
    "research.attachments.picture": Method(
        READERS, lambda t: t.bench.attachments.picture(t.who, t.nothing), ends=NotFound
    ),
    "research.attachments.of_conversation": Method(
        READERS, lambda t: t.bench.attachments.of_conversation(t.who, t.nothing)
    ),
    "research.attachments.of_message": Method(READERS, lambda t: t.bench.attachments.of_message(t.who, t.nothing)),
    "research.attachments.unused": Method(READERS, lambda t: t.bench.attachments.unused(t.who)),
    "research.attachments.remove": Method(
        ASKERS, lambda t: t.bench.attachments.remove(t.who, t.nothing), ends=NotFound
    ),
    "research.large_requests.create": Method(
        ASKERS, lambda t: t.bench.large_requests.create(t.who, "completion", []), ends=InvalidRequest
    ),
    "research.large_requests.get": Method(
        READERS, lambda t: t.bench.large_requests.get(t.who, t.nothing), ends=NotFound
    ),
    "research.large_requests.results": Method(
        READERS, lambda t: t.bench.large_requests.results(t.who, t.nothing), ends=NotFound
    ),
    "research.large_requests.retry": Method(
        ASKERS, lambda t: t.bench.large_requests.retry(t.who, t.nothing), ends=NotFound
    ),
    "research.large_requests.delete": Method(
        ASKERS, lambda t: t.bench.large_requests.delete(t.who, t.nothing), ends=NotFound
    ),
}
"""A member may keep keys that are not there; what is the organisation's is looked at once it is found."""

CONVERSATION = "/api/ai/conversations/{conversation_id}"
MESSAGE = CONVERSATION + "/messages/{message_id}"
TEMPLATE = "/api/ai/templates/{template_id}"
LARGE = "/api/ai/large-requests"
FILE = "/api/ai/attachments/{attachment_id}"

ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/api/ai/images/generate"): Route(ASKERS, 503, body={"prompt": "A chart"}),
    ("POST", "/api/ai/audio/transcribe"): Route(WRITERS, 422, body={}),
    ("GET", "/api/ai/templates"): Route(READERS),
    ("POST", "/api/ai/templates"): Route(READ_AND_ASK, 201, body={"title": "A title", "text": "What is beta?"}),
    ("GET", TEMPLATE): Route(READERS, 404),
    ("PATCH", TEMPLATE): Route(PEOPLE, 404, body={"title": "Another"}),
    ("DELETE", TEMPLATE): Route(ASKERS, 404),
    ("POST", f"{TEMPLATE}/fill"): Route(PEOPLE, 404, body={"variables": {}}),
    ("POST", f"{CONVERSATION}/branch"): Route(ASKERS, 404, body={"message_id": "00000000-0000-4000-8000-000000000000"}),
    ("PUT", f"{MESSAGE}/reaction"): Route(ASKERS, 404, body={"reaction": "up"}),
    ("DELETE", f"{MESSAGE}/reaction"): Route(ASKERS, 404),
    ("POST", LARGE): Route(ASKERS, 422, body={"kind": "completion", "items": []}),
    ("GET", f"{LARGE}/{{request_id}}"): Route(READERS, 404),
    ("GET", f"{LARGE}/{{request_id}}/results"): Route(READERS, 404),
    ("POST", f"{LARGE}/{{request_id}}/retry"): Route(ASKERS, 404, body={}),
    ("DELETE", f"{LARGE}/{{request_id}}"): Route(ASKERS, 404),
    ("POST", "/api/ai/attachments"): Route(WRITERS, 422, body={}),
    ("GET", "/api/ai/attachments"): Route(READERS),
    ("GET", FILE): Route(READERS, 404),
    ("DELETE", FILE): Route(ASKERS, 404),
}

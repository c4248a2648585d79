"""What stands around questions in Chat: the choice of a model, files, templates, reactions, and waiting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO
from uuid import UUID, uuid5

import streamlit as st

from core.ai.catalogue import Capability, Model, ModelClass
from core.ai.health import HEALTHY, ModelHealth
from core.ai.router import AUTO
from core.errors import AssayError, Forbidden, InvalidRequest, NotConfigured, PlanRequired
from core.research.attachments.attachments import Attachment
from core.research.attachments.found import Kind
from core.research.exports import Export, Form
from core.research.reactions import Reaction, Thumb
from core.research.template_texts import Value, Variable
from core.research.templates import FilledTemplate, Sharing, Template, TemplateDraft
from pages.components import (
    chat_export,
    chat_files,
    chat_model_choice,
    chat_patience,
    chat_reactions,
    template_edit,
    template_list,
    template_use,
)
from pages.components.chat_model_choice import Choice
from pages.components.chat_models import Offer
from pages.components.chat_reactions import Deeds
from tests.gallery.samples import NOW, SPACE, TODAY
from tests.gallery.texts import TEXTS

AUTO_WORDS = (
    "Takes the cheapest healthy model that is good enough for what a question wants and how hard it is, and says under "
    "the answer why."
)
VARIABLES = (
    Variable("symbol", "Symbol", "symbol"),
    Variable("since", "Since", "date", "2026-01-01"),
    Variable("share", "Threshold, per cent", "number", "5"),
    Variable("tone", "For whom", "choice", "A committee", ("A committee", "A client", "Myself")),
    Variable("focus", "What matters most", "text", "", (), is_required=False),
)
TEXT = "Summarise the earnings of {{symbol}} since {{since}}; name moves above {{share}} %. For: {{tone}}. {{focus}}"


def models() -> None:
    """The choice of a model: cheap, dear, limited, local, ending, and those that cannot be asked"""
    chat_model_choice.show("models", choice())
    with st.container(border=True, key="models_open"):
        chat_model_choice.show_choice("models_open", choice(), AUTO)


def choice() -> Choice:
    """Models of each kind."""
    return Choice(offers(), AUTO_WORDS, AUTO, TODAY)


def offers() -> list[Offer]:
    """One of each kind."""
    plan = PlanRequired("GPT Large is a frontier model; the plan Free does not include it.")
    barred = Forbidden("Your organisation does not allow Claude Middle; its owner can change that in Settings.")
    unset = NotConfigured("Set MISTRAL_API_KEY to use this model.")
    resting, back = ModelHealth("open", 42.0, 900, 5, "ProviderRateLimited"), ModelHealth("half_open", None, 1200)
    return [
        _offer("gpt-small", "OpenAI", "economy", ("0.15", "0.60"), ("chat", "tools", "vision", "json"), health=_fast()),
        _offer("claude-middle", "Anthropic", "standard", ("3", "15"), ("chat", "tools", "vision"), refusal=barred),
        _offer("llama-quick", "Groq", "economy", ("0.05", "0.08"), ("chat", "tools", "json"), health=resting),
        _offer("deep-thought", "DeepSeek", "standard", ("0.28", "0.42"), ("chat", "reasoning", "tools"), health=back),
        _offer("sonar", "Perplexity", "standard", ("1", "1"), ("chat", "web_search"), key="3f9a"),
        _offer("gpt-old", "OpenAI", "standard", ("2.50", "10"), ("chat", "vision"), ends=TODAY + timedelta(days=60)),
        _offer("gpt-large", "OpenAI", "frontier", ("15", "120"), ("chat", "reasoning", "tools"), refusal=plan),
        _offer("mistral-large", "Mistral", "standard", ("2", "6"), ("chat", "tools"), refusal=unset),
        _offer("gemma", "Ollama", "economy", ("0", "0"), ("chat",)),
        _offer("x" * 50, TEXTS["markup"][:40], "economy", None, ("chat",)),
    ]


def files_waiting() -> None:
    """Files that wait for a question, and some that were refused"""
    kept = st.session_state.setdefault(chat_files.WAITING, {})
    kept[None] = tuple(files())
    refused = [
        chat_files.Refused("locked.pdf", "This PDF is encrypted. Save it without a password and attach it again."),
        chat_files.Refused(TEXTS["endless word"][:150] + ".xlsx", "It unpacks to more than 100 MB."),
    ]
    chat_files.show_refused("files_refused", refused)
    chat_files.show_waiting("files_waiting", None, lambda _: None)


def files_asked_with() -> None:
    """Files of a question in the conversation"""
    with st.chat_message("user", avatar=":material/person:"):
        chat_files.show(files(), lambda _: _picture())
        st.text("What do these say of the third quarter?")


def files() -> list[Attachment]:
    """One of each kind."""
    return [
        _file("annual-report.pdf", "pdf", pages=200, notes=("Pages 1 to 60 of 200 were read.",)),
        _file("trades.csv", "csv", notes=("12 cells begin like a formula; they are text now.",)),
        _file("model.xlsx", "xlsx", pages=3),
        _file("notes.txt", "text"),
        _file("chart.png", "image", size=(1568, 880)),
        _file(TEXTS["markup"], "text"),
    ]


def reactions() -> None:
    """Under an answer: nothing thought yet, a thumb with a note, and while another answer is being written"""
    one, other, busy = (uuid5(SPACE, f"answer {number}") for number in range(3))
    kept = {other: Reaction("up", "Good, but the second table is of 2025.", NOW)}
    for message_id, is_busy in ((one, False), (other, False), (busy, True)):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"reactions_{message_id}"):
            chat_reactions.show("reactions", message_id, Deeds(_react, lambda _: None, kept, is_busy))


def exports() -> None:
    """A conversation as a file"""
    chat_export.show("exports", "What drove my drawdown in March?", _export)


def waiting() -> None:
    """Please wait a moment: early, and once it is time"""
    sentence = "Groq takes no more requests for a moment; please wait."
    chat_patience.show_count("patience_soon", sentence, 30, _nothing)
    chat_patience.show("patience_now", sentence, NOW - timedelta(seconds=1), _nothing)


def list_of_templates() -> None:
    """Templates: shipped, of the organisation, one's own; and none"""
    search = template_list.show_search("templates", ["Earnings", "Risk"])
    template_list.show("templates", templates(), _nothing, _nothing)
    template_list.show("templates_none", [], _nothing, _nothing)
    assert search == ("", "")


def template_form() -> None:
    """A template to be filled in"""
    template_use.show("template_form", templates()[0], _fill)


def template_editor() -> None:
    """A template to be written: new, and one with variables"""
    allowed = template_edit.Allowed(("Earnings", "Risk"), may_publish=False)
    template_edit.show("template_new", TemplateDraft("", ""), allowed)
    draft = TemplateDraft("Earnings", TEXT, "Earnings", "After each quarter.", "shared", VARIABLES)
    template_edit.show("template_known", draft, template_edit.Allowed(("Earnings",), may_publish=True))


def templates() -> list[Template]:
    """One of each kind."""
    return [
        _template("Earnings summary", "Earnings", "public", is_shipped=True, used=1204),
        _template("Risk memo", "Risk", "shared", may_change=True),
        _template("My morning question", "Risk", "private", may_change=True, used=1),
        _template(TEXTS["markup"][:80], TEXTS["right to left"][:40], "public"),
    ]


def _offer(
    name: str,
    provider: str,
    model_class: ModelClass,
    price: tuple[str, str] | None,
    can: tuple[Capability, ...],
    *,
    refusal: AssayError | None = None,
    health: ModelHealth = HEALTHY,
    ends: date | None = None,
    key: str = "",
) -> Offer:
    model = Model(
        id=name,
        provider="openai",
        label=name.replace("-", " ").capitalize(),
        model_class=model_class,
        capabilities=can,
        context_window=1_000_000 if "json" in can else 128_000,
        max_output=8_192,
        price=name,
        deprecated_on=ends,
    )
    per_million = None if price is None else (Decimal(price[0]), Decimal(price[1]))
    return Offer(model, provider, per_million, refusal, health, "GPT new" if ends else "", key)


def _fast() -> ModelHealth:
    return ModelHealth("closed", None, 412)


def _file(
    name: str,
    kind: Kind,
    *,
    pages: int | None = None,
    size: tuple[int, int] | None = None,
    notes: tuple[str, ...] = (),
) -> Attachment:
    return Attachment(
        id=uuid5(SPACE, name),
        name=name,
        kind=kind,
        media_type="text/plain",
        size_bytes=len(name) * 23_456,
        pages=pages,
        notes=notes,
        excerpt="",
        width=size[0] if size else None,
        height=size[1] if size else None,
        message_id=None,
        created_at=NOW,
    )


def _picture() -> bytes:
    from PIL import Image

    made = BytesIO()
    Image.linear_gradient("L").resize((640, 360)).save(made, "PNG")
    return made.getvalue()


def _template(
    title: str,
    category: str,
    sharing: Sharing,
    *,
    is_shipped: bool = False,
    may_change: bool = False,
    used: int = 0,
) -> Template:
    return Template(
        id=uuid5(SPACE, title),
        title=title,
        category=category,
        description="What the last quarter brought, in five lines with their sources.",
        sharing=sharing,
        is_shipped=is_shipped,
        is_own=may_change,
        may_change=may_change,
        version=2,
        used=used,
        updated_at=None if is_shipped else NOW,
        text=TEXT,
        variables=VARIABLES,
        inputs=VARIABLES,
    )


def _fill(values: Mapping[str, Value]) -> FilledTemplate:
    if "symbol" not in values:
        raise InvalidRequest("Still to be filled in: Symbol.")
    text = TEXT
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", str(value))
    return FilledTemplate(text, "1", uuid5(SPACE, "template"))


def _export(form: Form) -> Export:
    return Export(f"conversation.{form}", "text/plain", b"made up")


def _react(_message_id: UUID, _thumb: Thumb | None, _note: str | None) -> None:
    return None


def _nothing(*_given: object) -> None:
    return None

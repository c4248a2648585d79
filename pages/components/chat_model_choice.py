"""The choice of a model among many: one button, and behind it a search, filters, and what each model costs and can do.

What cannot be asked here is named with the reason, and never offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import streamlit as st

from core.ai.catalogue import Capability, ModelClass
from core.ai.router import AUTO
from pages.components.chat_models import AUTO_LABEL, Offer
from pages.components.words import plain, usd_figure

LIST_PX = 330
"""Height of the list: with what stands around it, it fits a telephone."""
SOON_DAYS = 180
"""A model that ends within so many days says so."""
CLASSES: dict[ModelClass, str] = {"economy": "Economy", "standard": "Standard", "frontier": "Frontier"}
CAPABILITIES: dict[Capability, str] = {
    "tools": "Calls tools",
    "vision": "Reads pictures",
    "json": "Follows a schema",
    "reasoning": "Reasons first",
    "web_search": "Searches the web",
    "long_context": "Long context",
    "audio": "Hears sound",
}
"""What models are told apart by, in the words of a reader."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What somebody looks for."""

    sought: str = ""
    provider: str | None = None
    model_class: ModelClass | None = None
    capability: Capability | None = None

    @property
    def are_empty(self) -> bool:
        """Whether nothing is looked for."""
        return self == Filters()

    def let(self, offer: Offer) -> bool:
        """Whether a model is what is looked for; every word has to be found."""
        model = offer.model
        text = f"{model.label} {model.id} {offer.provider_label} {model.model_class}".casefold()
        return (
            all(word in text for word in self.sought.casefold().split())
            and self.provider in (None, offer.provider_label)
            and self.model_class in (None, model.model_class)
            and (self.capability is None or self.capability in model.capabilities)
        )


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen among."""

    offers: Sequence[Offer]
    auto_words: str
    """What `auto` does, in a sentence."""
    default: str
    """Id of the model that holds until another is chosen, or `auto`."""
    today: date
    uses_router: bool = True
    """Whether `auto` is theirs to choose; it is also where their default cannot be asked."""

    @property
    def options(self) -> list[str]:
        """The ids of what can be asked, `auto` first."""
        askable = [offer.model.id for offer in self.offers if offer.refusal is None]
        return [AUTO, *askable] if self.uses_router or self.default not in askable else askable


def show(key: str, choice: Choice, *, is_busy: bool = False) -> str:
    """The button that opens the choice; gives the id of the chosen model, or `auto`."""
    chosen = chosen_of(key, choice)
    names = {AUTO: AUTO_LABEL, **{offer.model.id: offer.model.label for offer in choice.offers}}
    pressed = st.button(
        plain(names[chosen]),
        icon=":material/neurology:",
        key=key,
        help="Which model answers. Press to choose another one.",
        disabled=is_busy,
        wrap=False,
    )
    if pressed:
        st.dialog("Choose a model", icon=":material/neurology:", width="medium")(show_choice)(key, choice, chosen)
    return chosen


def chosen_of(key: str, choice: Choice) -> str:
    """The id that was chosen, as long as it can be asked; else the default, or what can be."""
    options = choice.options
    wanted = (st.session_state.get(_kept(key)), choice.default)
    return next((each for each in wanted if each in options), options[0])


def words(offer: Offer) -> str:
    """A model in one line of markdown: whose it is, its class, price, context, what it can do, and how fast it is."""
    model = offer.model
    can = [
        words.lower() for name, words in CAPABILITIES.items() if name in model.capabilities and name != "long_context"
    ]
    facts = [
        offer.provider_label,
        model.model_class,
        _price(offer),
        f"{_tokens(model.context_window)} context",
        ", ".join(can),
        f"{offer.health.first_token_ms / 1000:.1f} s to the first word" if offer.health.first_token_ms else "",
    ]
    return plain(" · ".join(fact for fact in facts if fact))


def label(offer: Offer, today: date) -> str:
    """A model's name as markdown, with what is to be known before it is chosen."""
    return " ".join([plain(offer.model.label), *_marks(offer, today)])


def show_choice(key: str, choice: Choice, chosen: str) -> None:
    """What stands in the dialog."""
    filters = _show_filters(key, choice.offers)
    found = sorted(filter(filters.let, choice.offers), key=_order)
    askable = {offer.model.id: offer for offer in found if offer.refusal is None}
    options = [*([AUTO] if AUTO in choice.options and filters.are_empty else []), *askable]
    captions = [choice.auto_words if each == AUTO else words(askable[each]) for each in options]
    with st.container(height=LIST_PX, border=False, key=f"{key}_list"):
        picked = None
        if options:
            picked = st.radio(
                "Model",
                options,
                index=options.index(chosen) if chosen in options else None,
                format_func=lambda each: AUTO_LABEL if each == AUTO else label(askable[each], choice.today),
                captions=captions,
                key=f"{key}_picked",
                label_visibility="collapsed",
            )
        else:
            st.caption("No model that you can ask is like this.")
        _show_refused([offer for offer in found if offer.refusal is not None])
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.caption(f"{len(askable)} of {_count(choice.offers)} that you can ask", width="content")
        if st.button("Use this model", type="primary", key=f"{key}_use", disabled=picked is None):
            st.session_state[_kept(key)] = picked
            st.rerun()


def _show_filters(key: str, offers: Sequence[Offer]) -> Filters:
    sought = st.text_input(
        "Search models",
        type="search",
        placeholder="Search by name or provider",
        max_chars=60,
        live="300ms",
        key=f"{key}_sought",
        label_visibility="collapsed",
    )
    with st.container(horizontal=True, gap="xsmall"):
        provider = st.selectbox(
            "Provider",
            sorted({offer.provider_label for offer in offers}),
            index=None,
            placeholder="Any provider",
            key=f"{key}_provider",
            label_visibility="collapsed",
            width=155,
        )
        model_class = st.selectbox(
            "Class",
            list(CLASSES),
            index=None,
            format_func=lambda name: CLASSES[name],
            placeholder="Any class",
            key=f"{key}_class",
            label_visibility="collapsed",
            width=145,
        )
        able = {name for offer in offers for name in offer.model.capabilities}
        capability = st.selectbox(
            "Capability",
            [name for name in CAPABILITIES if name in able],
            index=None,
            format_func=lambda name: CAPABILITIES[name],
            placeholder="Any capability",
            key=f"{key}_capability",
            label_visibility="collapsed",
            width=190,
        )
    return Filters((sought or "").strip(), provider, model_class, capability)


def _show_refused(refused: Sequence[Offer]) -> None:
    """What cannot be asked, by the reason."""
    if not refused:
        return
    reasons: dict[str, list[str]] = {}
    for offer in refused:
        assert offer.refusal is not None
        reasons.setdefault(offer.refusal.title, []).append(
            f"**{plain(offer.model.label)}**: {plain(offer.refusal.detail)}"
        )
    st.caption(f"{len(refused)} more that you cannot ask here")
    for title, lines in reasons.items():
        with st.expander(f"{title} ({len(lines)})", icon=":material/lock:"):
            st.caption("  \n".join(lines))


def _marks(offer: Offer, today: date) -> list[str]:
    model, health = offer.model, offer.health
    marks = []
    if health.state == "open":
        wait = f", about {health.wait_s:.0f} s" if health.wait_s else ""
        marks.append(f":red-badge[:material/hourglass_top: Resting{wait}]")
    elif health.state == "half_open":
        marks.append(":orange-badge[:material/healing: Being tried again]")
    if offer.key_last_four:
        marks.append(f":blue-badge[:material/key: Your key …{plain(offer.key_last_four)}]")
    if model.deprecated_on is not None and (model.deprecated_on - today).days <= SOON_DAYS:
        then = f", then {plain(offer.successor_label)}" if offer.successor_label else ""
        marks.append(f":orange-badge[:material/event: Until {model.deprecated_on:%d %b %Y}{then}]")
    return marks


def _price(offer: Offer) -> str:
    if offer.per_million is None:
        return "price not known"
    paid, given = offer.per_million
    if not paid and not given:
        return "free, local"
    return f"{usd_figure(paid)} in, {usd_figure(given)} out USD per million"


def _order(offer: Offer) -> tuple[bool, Decimal, str]:
    """The cheapest first; what cannot be priced last."""
    paid, given = offer.per_million or (Decimal(0), Decimal(0))
    return offer.per_million is None, paid * 3 + given, offer.model.label


def _tokens(count: int) -> str:
    return f"{count / 1_000_000:.3g}M" if count >= 1_000_000 else f"{count // 1000}k" if count >= 1000 else str(count)


def _count(offers: Sequence[Offer]) -> int:
    return sum(offer.refusal is None for offer in offers)


def _kept(key: str) -> str:
    return f"{key}_chosen"

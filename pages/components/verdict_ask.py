"""AI validate: what it costs and what is left, the model, the wait, and the verdict beneath the signal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import streamlit as st

from core import workbench
from core.accounts.permissions import Action, may
from core.errors import InvalidRequest, MeteringDenied, NotEnoughData, ProviderError
from core.metering.meter import QuotaState
from core.principal import Principal
from core.verdicts.validations import Estimate, Verdict
from pages.components import chat_models, verdict_asking, verdict_card
from pages.components.errors import show_error, show_errors, show_message
from pages.components.verdict_asking import Asking
from pages.components.verdict_look import about
from pages.components.words import plain, usd, when

CHECK_S = 1.0
PATIENCE_S = 5
"""After so many seconds the page says how long it has waited."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks about which signal."""

    principal: Principal
    signal_id: UUID
    model_key: str
    """Of the choice of a model, which holds for one signal after another."""


def show(key: str, principal: Principal, signal_id: UUID) -> None:
    """The verdict where there is one, and the button; an answer under way is found again after a reload."""
    asked = Asked(principal, signal_id, f"{key}_model")
    key = f"{key}_{signal_id}"
    with show_errors(principal, has_action=False):
        verdict = workbench.current().verdicts.validations.of_signal(principal, signal_id)
        asking = verdict_asking.found(principal, signal_id)
        if asking is not None and not asking.is_over:
            _wait(asked)
        elif may(principal, Action.ASK):
            with show_errors(principal, has_action=False):
                _show_button(key, asked, verdict)
        elif verdict is None:
            st.caption("No model was asked about this signal. As a viewer you see verdicts, and do not ask for them.")
        if asking is not None and asking.is_over:
            _show_failure(asking, principal)
        if verdict is not None:
            show_card(f"{key}_card", principal, verdict)


def show_card(key: str, principal: Principal, verdict: Verdict) -> None:
    """The card, with the names of models as this installation has them."""
    bench = workbench.current()
    verdict_card.show(
        key,
        verdict,
        labels={model.id: model.label for model in bench.catalogue.all()},
        zone=principal.zone,
        now=datetime.now(UTC),
        snapshot=partial(bench.verdicts.validations.snapshot, principal, verdict.id),
    )


def price(estimate: Estimate) -> str:
    """What it costs at most, and usually: at most 0.0004 USD, usually 0.0002."""
    if estimate.is_free:
        return "free: already validated"
    if not estimate.most_usd:
        return "free: the model costs nothing"
    usual = "" if estimate.usual_usd is None else f", usually {usd(about(estimate.usual_usd))}"
    return f"at most {usd(about(estimate.most_usd))}{usual}"


def left(quota: QuotaState, now: datetime, zone: str) -> str:
    """What is left of the organisation's validations today."""
    if quota.limit is None:
        return "no daily limit on validations"
    if quota.remaining:
        return f"{quota.remaining:,} of {quota.limit:,} validations left today"
    return f"none of {quota.limit:,} validations left; resets {when(quota.resets_at, now, zone)}"


def _show_button(key: str, asked: Asked, verdict: Verdict | None) -> None:
    validations = workbench.current().verdicts.validations
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        button = st.container(width="content")
        with st.popover("Model", icon=":material/tune:", type="tertiary", key=f"{key}_models"):
            model = show_models(asked.model_key, asked.principal)
        try:
            estimate = validations.estimate(asked.principal, asked.signal_id, model=model)
        except (NotEnoughData, InvalidRequest) as refusal:
            st.caption(f":material/block: {plain(refusal.detail)}")
            return
        is_again = verdict is not None and estimate.is_free
        with button:
            pressed = st.button(
                "Validate again" if is_again else "AI validate",
                type="tertiary" if is_again else "primary",
                icon=":material/refresh:" if is_again else ":material/verified:",
                key=f"{key}_ask",
                help="Asks anew, past the kept answer. It is charged." if is_again else None,
            )
        words = _again_price(estimate) if is_again else price(estimate)
        still = left(estimate.quota, datetime.now(UTC), asked.principal.zone)
        st.caption(plain(f"{_label(estimate.model)}, {words}; {still}"), width="content")
    if pressed:
        _begin(asked, model, is_again=is_again)


def show_models(key: str, principal: Principal) -> str:
    """The choice of a model, as in Chat."""
    bench = workbench.current()
    return chat_models.show(
        key,
        bench.catalogue.chat_models(),
        bench.router,
        bench.plans.get(principal.plan),
        principal=principal,
        installed_default=bench.settings.default_model,
    )


def _again_price(estimate: Estimate) -> str:
    most = f"at most {usd(about(estimate.most_usd))}" if estimate.most_usd else "free: the model costs nothing"
    return f"again: {most}"


def _label(model_id: str) -> str:
    model = next((each for each in workbench.current().catalogue.all() if each.id == model_id), None)
    return model_id if model is None else model.label


def _begin(asked: Asked, model: str, *, is_again: bool) -> None:
    validate = partial(
        workbench.current().verdicts.validations.validate,
        asked.principal,
        asked.signal_id,
        model=model,
        again=is_again,
        channel="page",
    )
    verdict_asking.begin(asked.principal, asked.signal_id, validate)
    st.rerun()


def _wait(asked: Asked) -> None:
    """Says that a model is being asked, and runs the page anew once it has answered."""

    @st.fragment(run_every=CHECK_S)
    def watch() -> None:
        asking = verdict_asking.found(asked.principal, asked.signal_id)
        if asking is None or asking.is_over:
            st.rerun()
        waited_s = (datetime.now(UTC) - asking.since).total_seconds()
        words = "The model is being asked…"
        if waited_s >= PATIENCE_S:
            words = f"The model is being asked, {waited_s:.0f} s…"
        st.caption(f":shimmer[{words}] You may leave the page: the verdict is kept.")

    watch()


def _show_failure(asking: Asking, principal: Principal) -> None:
    """Why there is no verdict, in place of which nothing else is shown: a failure is never a HOLD."""
    error = asking.error
    if error is None:
        show_message(
            "Something went wrong on our side.",
            "Nothing was charged. Try again.",
            icon=":material/error:",
            box=st.error,
        )
        return
    show_error(error, principal, has_action=isinstance(error, MeteringDenied))
    if isinstance(error, ProviderError):
        st.caption("It cost you nothing, and no verdict is kept. Try again, or choose another model.")

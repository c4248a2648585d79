"""Channels of alerts: where they are told beside the app and e-mail, a test message for each, and a form of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol
from uuid import UUID

import streamlit as st

from core.admin.alerts.rules import Level
from core.admin.alerts.service import KINDS, MAX_NAME_CHARS, ChannelDraft, KeptChannel, Kind
from core.db.oversight_alerts_dao import ChannelRow
from core.ops.webhooks import MAX_URL_CHARS, Outcome
from core.principal import Principal
from pages.components import secret_once
from pages.components.admin_alerts import WAYS
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.errors import show_errors
from pages.components.forms import acknowledge, saving, submit_button, text_field
from pages.components.rows import Row, show_list, show_row
from pages.components.states import show_empty, show_failed
from pages.components.words import bound

SECRET = "admin_alert_channel"  # noqa: S105 (where it is kept, not what it is)
KEPT_AS = "It is not shown again, and receivers check messages by it. If you lose it, make the channel anew."
LEAST: dict[Level, str] = {"warning": "warnings and what is critical", "critical": "what is critical alone"}
ICONS = {"slack": ":material/tag:", "discord": ":material/forum:", "webhook": ":material/webhook:"}
VARIABLES = {"slack": "SLACK_WEBHOOK_URL", "discord": "DISCORD_WEBHOOK_URL"}
_FAILED = "admin_alert_channel_failed"


class Keeper(Protocol):
    """What keeps channels."""

    def add_channel(self, principal: Principal, draft: ChannelDraft, *, everything: bool = False) -> KeptChannel:
        """Makes one."""
        ...

    def remove_channel(self, principal: Principal, channel_id: UUID, *, everything: bool = False) -> None:
        """Removes one."""
        ...

    def test_channel(
        self, principal: Principal, channel_id: UUID | None, kind: Kind, *, everything: bool = False
    ) -> Outcome:
        """Sends a message to one now."""
        ...


@dataclass(frozen=True, slots=True)
class Channels:
    """What there is."""

    kept: Sequence[ChannelRow]
    named_by_settings: Sequence[str] = ()
    """Kinds that the installation's settings give an address of."""
    has_mail: bool = True
    """Whether the workbench sends mails at all."""


def show(
    key: str, channels: Channels, keeper: Keeper | None, principal: Principal, now: datetime, *, everything: bool
) -> None:
    """The channels, each with a test; without `keeper` they are looked at alone."""
    secret_once.show(SECRET, "webhook secret", kept_as=KEPT_AS)
    _show_last_failure()
    named = [kind for kind in KINDS if everything and kind in channels.named_by_settings]
    if not channels.kept and not named:
        show_empty(
            "No channels", "Slack, Discord and signed webhooks are told what e-mail tells.", icon=":material/campaign:"
        )
    else:
        with show_list(key):
            for kind in named:
                row = Row(WAYS[kind], f"named by {VARIABLES[kind]}", (Badge("Settings"),), icon=ICONS[kind])
                with show_row(row):
                    if keeper is not None:
                        test = partial(keeper.test_channel, principal, None, kind, everything=everything)
                        _test_button(f"{key}_{kind}", principal, test)
            for channel in channels.kept:
                with show_row(_row(channel, now, principal.zone)):
                    if keeper is not None:
                        _show_actions(f"{key}_{channel.id}", channel, keeper, principal, everything)
    st.caption(_mail_words(channels, everything=everything))
    if keeper is not None:
        with st.popover("New channel", icon=":material/add_alert:", key=f"{key}_add"):
            # Another form once there is another channel, so that it is empty.
            _show_form(f"{key}_new_{len(channels.kept)}", keeper, principal, everything)


def _mail_words(channels: Channels, *, everything: bool) -> str:
    who = "operators" if everything else "owners and admins, and members of what concerns them"
    if not channels.has_mail:
        return f"In the app {who} are told. This workbench sends no e-mail; its operator can set SMTP_URL."
    return f"In the app and by e-mail {who} are told; in Settings everybody can switch their e-mails off."


def _row(channel: ChannelRow, now: datetime, zone: str) -> Row:
    least: Level = "critical" if channel.least_level == "critical" else "warning"
    details = f"{WAYS[channel.kind]} at {channel.host} · {LEAST[least]} · since {bound(channel.created_at, now, zone)}"
    return Row(channel.name, details, icon=ICONS[channel.kind])


def _show_actions(key: str, channel: ChannelRow, keeper: Keeper, principal: Principal, everything: bool) -> None:
    kind = next(each for each in KINDS if each == channel.kind)
    test = partial(keeper.test_channel, principal, channel.id, kind, everything=everything)
    _test_button(key, principal, test)
    confirm_button(
        f"{key}_remove",
        "Remove",
        Question(
            "Remove this channel?",
            "Alerts are told there no more; what was not sent yet is not sent.",
            "Remove channel",
            subject=channel.name,
            done="The channel is removed",
        ),
        partial(keeper.remove_channel, principal, channel.id, everything=everything),
    )


def _test_button(key: str, principal: Principal, test: Callable[[], Outcome]) -> None:
    if not st.button("Test", icon=":material/send:", type="tertiary", key=f"{key}_test", help="Sends a message now."):
        return
    with show_errors(principal, has_action=False):
        outcome = test()
        if outcome.is_delivered:
            acknowledge("The test message arrived")
        else:
            st.session_state[_FAILED] = outcome.said
        st.rerun()


def _show_last_failure() -> None:
    said = st.session_state.pop(_FAILED, None)
    if said is not None:
        show_failed("The test message did not arrive", said)


def _show_form(key: str, keeper: Keeper, principal: Principal, everything: bool) -> None:
    with st.form(key, border=False):
        kind = st.selectbox("Kind", KINDS, format_func=lambda each: WAYS[each], key=f"{key}_kind")
        name = text_field("Name", required=True, max_chars=MAX_NAME_CHARS, key=f"{key}_name")
        url = text_field(
            "Address",
            kind="password",
            required=True,
            max_chars=MAX_URL_CHARS,
            hint="https, on the public internet: an incoming webhook of Slack or Discord, or a receiver of your own. "
            "It is kept encrypted, and not shown again.",
            autocomplete="off",
            key=f"{key}_url",
        )
        least = st.selectbox(
            "Is told",
            list(LEAST),
            format_func=lambda each: LEAST[each],
            key=f"{key}_least",
            help="From which level on messages are sent there.",
        )
        st.caption("Messages to a webhook are JSON and signed; the secret is shown once, when the channel is made.")
        if submit_button("Make channel", key=f"{key}_make"):
            with saving("The channel is made", principal):
                draft = ChannelDraft(kind, name, url.strip(), least)
                made = keeper.add_channel(principal, draft, everything=everything)
                if made.secret is not None:
                    secret_once.keep(SECRET, made.secret)

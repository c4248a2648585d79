"""How an alert reads: in the app, in a mail, in Slack and Discord, and to a program."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from core.admin.alerts.rules import RULES, Finding, Rule
from core.db.oversight_alerts_dao import AlertRow
from core.ops.mail import Mail
from core.ops.notifications import Notice

KIND = "oversight"
MAX_TITLE_CHARS, MAX_BODY_CHARS = 200, 2_000
MAX_DISCORD_CHARS = 2_000
"""Of one message there."""
WAYS = {"mail": "by e-mail", "slack": "by Slack", "discord": "by Discord", "webhook": "by webhook"}
"""How each channel is called in a sentence."""
_SLACK = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
"""What its own markup begins with."""
_DISCORD = {ord(mark): f"\\{mark}" for mark in "\\`*_~|>[]()#"}


def said(rule: Rule, finding: Finding, limit: str) -> tuple[str, str]:
    """Title and body of what is raised."""
    words = {"limit": limit, **finding.words}
    return _cut(rule.title.format_map(words), MAX_TITLE_CHARS), _cut(rule.body.format_map(words), MAX_BODY_CHARS)


def message_of(alert: AlertRow, event: str) -> dict[str, Any]:
    """What is recorded, and what a program is sent: JSON values, figures as decimal strings."""
    return {
        "event": event,
        "alert": {
            "id": str(alert.id),
            "rule": alert.rule,
            "level": alert.level,
            "scope": "installation" if alert.org_id is None else "organisation",
            "organisation": None if alert.org_id is None else str(alert.org_id),
            "member": None if alert.user_id is None else str(alert.user_id),
            "subject": alert.subject,
            "period": alert.period or None,
            "value": f"{alert.value.normalize():f}",
            "threshold": f"{alert.threshold.normalize():f}",
            "raised_at": alert.raised_at.isoformat(),
            "cleared_at": None if alert.cleared_at is None else alert.cleared_at.isoformat(),
        },
        "title": alert.title if event == "raised" else _cut(f"Over: {alert.title}", MAX_TITLE_CHARS),
        "body": alert.body if event == "raised" else "It does not hold any more.",
        "advice": alert.advice if event == "raised" else "",
        "link": RULES[alert.rule].link if alert.rule in RULES else "/admin?section=alerts",
    }


def test_message(name: str) -> dict[str, Any]:
    """What a channel is sent to find out whether it arrives."""
    return {
        "event": "test",
        "alert": None,
        "title": "A test of Assay's alerts",
        "body": f"The channel {name} works: alerts are told here.",
        "advice": "",
        "link": "/admin?section=alerts",
    }


def notice_of(message: Mapping[str, Any]) -> Notice:
    """How it reads in the app."""
    return Notice(KIND, message["title"], _text(message), message["link"])


def failure_notice(title: str, channel: str, reason: str) -> Notice:
    """What is told in the app of a message that never arrived."""
    heading = _cut(f"Not told {WAYS.get(channel, channel)}: {title}", MAX_TITLE_CHARS)
    return Notice(KIND, heading, reason, "/admin?section=alerts")


def mail_of(message: Mapping[str, Any], to: str, address: str, delivery_id: UUID) -> Mail:
    """How it reads in a mail; `address` is that of the workbench, the id the same at each attempt."""
    text = (
        f"{message['title']}\n\n{_text(message)}\n\nSee it at\n\n{address}{message['link']}\n\n"
        "You get this since it concerns you or what you look after; Settings says whether notices come by e-mail.\n\n"
        f"Assay, an analyst workbench\n{address}\n"
    )
    return Mail(to, message["title"], text, delivery_id)


def slack_of(message: Mapping[str, Any], _delivery_id: UUID, address: str) -> bytes:
    """How it is sent to Slack; texts of others cannot mention anybody or look like a link."""
    title, text = (str(part).translate(_SLACK) for part in (message["title"], _text(message)))
    return _json({"text": f"*{title}*\n{text}\n<{address}{message['link']}|Open Assay>", "unfurl_links": False})


def discord_of(message: Mapping[str, Any], _delivery_id: UUID, address: str) -> bytes:
    """How it is sent to Discord; nobody is mentioned by it, whatever it says."""
    title, text = (str(part).translate(_DISCORD) for part in (message["title"], _text(message)))
    link = f"\n{address}{message['link']}"
    content = _cut(f"**{title}**\n{text}", MAX_DISCORD_CHARS - len(link)) + link
    return _json({"content": content, "allowed_mentions": {"parse": []}})


def body_of(message: Mapping[str, Any], delivery_id: UUID, address: str) -> bytes:
    """How it is sent to a program; `delivery` is the same at each attempt."""
    content = {"delivery": str(delivery_id), **message, "event": f"alert.{message['event']}"}
    return _json({**content, "url": address + message["link"]})


BODIES: Mapping[str, Callable[[Mapping[str, Any], UUID, str], bytes]] = {
    "slack": slack_of,
    "discord": discord_of,
    "webhook": body_of,
}
"""What is sent to each kind of receiver."""


def _text(message: Mapping[str, Any]) -> str:
    return "\n".join(part for part in (message["body"], message["advice"]) if part)


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"

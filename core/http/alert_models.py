"""What the calls about alerts and notifications take and give."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from core.http.models import Answer, Body, Moment

MAX_IDS = 500


class NewAlert(Body):
    """An alert on a saved screen; it tells in the app unless it is told otherwise."""

    name: str
    screen_id: str
    """Of a saved screen that the caller sees."""
    universe: str = Field(min_length=1, max_length=100)
    """Id of the universe whose scans are watched."""
    in_app: bool = True
    email: bool = False
    """To the caller's own address."""
    webhook_url: str | None = None
    """An https address on the public internet, at port 443 or one from 1024 on."""


class AlertChange(Body):
    """What is changed of an alert; what is not given stays."""

    name: str | None = None
    screen_id: str | None = None
    universe: str | None = Field(None, min_length=1, max_length=100)
    in_app: bool | None = None
    email: bool | None = None
    webhook_url: str | None = None
    """Null takes it off."""
    paused: bool | None = None
    renew_secret: bool = False
    """Make another secret for the webhook; messages are signed with it from then on."""


class DeliveryAnswer(Answer):
    """New matches on one channel."""

    id: str
    channel: Literal["app", "mail", "webhook"]
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    matches: int
    """How many symbols it tells of."""
    error: str | None
    """What went wrong at the last attempt."""
    next_attempt_at: Moment | None
    created_at: Moment
    finished_at: Moment | None


class AlertAnswer(Answer):
    """An alert and how it fares."""

    id: str
    name: str
    screen_id: str
    universe: str
    in_app: bool
    email: bool
    webhook_url: str | None
    paused: bool
    silent_because: str | None
    """Why it tells nothing though it is not paused."""
    as_of: date | None
    """Day of the scan that it saw last; null: the next scan is its first, and what matches then is known."""
    matching: int | None
    """Symbols that matched at that scan."""
    last_told_at: Moment | None
    created_at: Moment
    deliveries: list[DeliveryAnswer]
    """The last one on each channel."""


class KeptAlertAnswer(AlertAnswer):
    """An alert that was made or changed."""

    webhook_secret: str | None
    """What its messages are signed with, shown this once; null where it has no new one."""


class AlertsAnswer(Answer):
    """The caller's alerts, the oldest first."""

    alerts: list[AlertAnswer]


class DeliveriesAnswer(Answer):
    """Messages of an alert, the newest first."""

    deliveries: list[DeliveryAnswer]


class NotificationAnswer(Answer):
    """Something that the caller was told."""

    id: str
    kind: str
    title: str
    body: str
    link: str | None
    """An address within the workbench."""
    created_at: Moment
    read_at: Moment | None


class NotificationsAnswer(Answer):
    """The caller's notifications, the newest first."""

    notifications: list[NotificationAnswer]
    unread: int
    """Of all that there are."""
    next_cursor: str | None


class ReadNotifications(Body):
    """Which notifications were read."""

    ids: list[str] | None = Field(None, max_length=MAX_IDS)
    """Null: all of them."""


class UnreadAnswer(Answer):
    """How many notifications are not read."""

    unread: int

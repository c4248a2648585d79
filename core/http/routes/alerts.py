"""`/api/screener/alerts` and `/api/notifications`: what the caller is told of, and what they were told."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from core.db.alerts_dao import AlertRow, DeliveryRow
from core.db.notifications_dao import NotificationRow
from core.errors import NotFound
from core.http.alert_models import (
    AlertAnswer,
    AlertChange,
    AlertsAnswer,
    DeliveriesAnswer,
    DeliveryAnswer,
    KeptAlertAnswer,
    NewAlert,
    NotificationAnswer,
    NotificationsAnswer,
    ReadNotifications,
    UnreadAnswer,
)
from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.cursors import cursor_of, place_of_cursor
from core.ops.notifications import MAX_PAGE
from core.principal import Principal
from core.screener.alerts import Alert, AlertSettings, KeptAlert
from core.workbench import Workbench

PATH = "/screener/alerts"

router = APIRouter()
alerts = APIRouter(route_class=SignedInRoute, tags=["Alerts"])
notifications = APIRouter(route_class=SignedInRoute, tags=["Notifications"])


class NotificationsQuery(BaseModel):
    """Which notifications."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    unread: bool = False
    """Only those that are not read."""
    cursor: str | None = None
    """`next_cursor` of the page before."""
    limit: int = Field(50, ge=1, le=MAX_PAGE)


@alerts.get(PATH, summary="The caller's alerts")
async def list_alerts(principal: SignedIn, bench: Bench, threads: Threads) -> AlertsAnswer:
    """Each with its last message on each channel; nobody sees another's."""
    found = await in_thread(partial(bench.screener.alerts.list, principal), threads)
    return AlertsAnswer(alerts=[AlertAnswer.model_validate(_alert(each)) for each in found])


@alerts.post(PATH, status_code=201, summary="Make an alert")
async def create_alert(given: NewAlert, principal: SignedIn, bench: Bench, threads: Threads) -> KeptAlertAnswer:
    """It tells of what matches newly from now on; the secret of its webhook is in this answer alone."""
    settings = AlertSettings(
        name=given.name,
        screen_id=_id(given.screen_id, "screen"),
        universe_id=given.universe,
        tells_in_app=given.in_app,
        tells_by_mail=given.email,
        webhook_url=given.webhook_url,
    )
    return _kept(await in_thread(partial(bench.screener.alerts.create, principal, settings), threads))


@alerts.patch(f"{PATH}/{{alert_id}}", summary="Change, pause or renew an alert")
async def change_alert(
    alert_id: str, change: AlertChange, principal: SignedIn, bench: Bench, threads: Threads
) -> KeptAlertAnswer:
    """Changes what is given, all or nothing, and leaves the rest; another screen or universe starts it afresh."""
    return _kept(await in_thread(partial(_changed, bench, principal, _id(alert_id), change), threads))


@alerts.delete(f"{PATH}/{{alert_id}}", status_code=204, summary="Delete an alert")
async def delete_alert(alert_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> None:
    """What it has not sent yet is not sent."""
    await in_thread(partial(bench.screener.alerts.delete, principal, _id(alert_id)), threads)


@alerts.get(f"{PATH}/{{alert_id}}/deliveries", summary="What an alert has sent")
async def alert_deliveries(alert_id: str, principal: SignedIn, bench: Bench, threads: Threads) -> DeliveriesAnswer:
    """The last messages, the newest first, kept for 90 days."""
    found = await in_thread(partial(bench.screener.alerts.deliveries, principal, _id(alert_id)), threads)
    return DeliveriesAnswer(deliveries=[_delivery(row) for row in found])


@notifications.get("/notifications", summary="What the caller was told in the app")
async def list_notifications(
    asked: Annotated[NotificationsQuery, Query()], principal: SignedIn, bench: Bench, threads: Threads
) -> NotificationsAnswer:
    """In the token's organisation, the newest first, page by page; kept for 90 days."""
    return await in_thread(partial(_page, asked, bench, principal), threads)


@notifications.post("/notifications/read", summary="Mark notifications as read")
async def read_notifications(
    given: ReadNotifications, principal: SignedIn, bench: Bench, threads: Threads
) -> UnreadAnswer:
    """Those that are named, or all; ids that name none of the caller's are passed over."""
    ids = None if given.ids is None else [_id(each, "notification") for each in given.ids]
    return UnreadAnswer(unread=await in_thread(partial(bench.notifications.mark_read, principal, ids), threads))


router.include_router(alerts)
router.include_router(notifications)


def _id(given: str, what: str = "alert") -> UUID:
    try:
        return UUID(given)
    except ValueError:
        raise NotFound(f"There is no such {what}.") from None


_SETTINGS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("name", str),
    "screen_id": ("screen_id", lambda given: _id(given, "screen")),
    "universe": ("universe_id", str),
    "in_app": ("tells_in_app", bool),
    "email": ("tells_by_mail", bool),
}
"""Fields of a change that may not be null, by what they are called inside."""


def _changed(bench: Workbench, principal: Principal, alert_id: UUID, change: AlertChange) -> KeptAlert:
    given = {
        inner: read(value)
        for outer, (inner, read) in _SETTINGS.items()
        if (value := getattr(change, outer)) is not None
    }
    if "webhook_url" in change.model_fields_set:
        given["webhook_url"] = change.webhook_url
    return bench.screener.alerts.change(
        principal, alert_id, given, renews_secret=change.renew_secret, is_paused=change.paused
    )


def _kept(kept: KeptAlert) -> KeptAlertAnswer:
    return KeptAlertAnswer.model_validate({**_alert(Alert(kept.row, ())), "webhook_secret": kept.webhook_secret})


def _alert(alert: Alert) -> dict[str, Any]:
    row: AlertRow = alert.row
    return {
        "id": str(row.id),
        "name": row.name,
        "screen_id": str(row.screen_id),
        "universe": row.universe_id,
        "in_app": row.tells_in_app,
        "email": row.tells_by_mail,
        "webhook_url": row.webhook_url,
        "paused": row.is_paused,
        "silent_because": row.silent_because,
        "as_of": row.as_of,
        "matching": row.matching,
        "last_told_at": row.told_at,
        "created_at": row.created_at,
        "deliveries": [_delivery(each) for each in alert.deliveries],
    }


def _delivery(row: DeliveryRow) -> DeliveryAnswer:
    return DeliveryAnswer.model_validate(
        {
            "id": str(row.id),
            "channel": row.channel,
            "status": row.status,
            "attempts": row.attempts,
            "matches": row.total,
            "error": row.said,
            "next_attempt_at": row.due_at,
            "created_at": row.created_at,
            "finished_at": row.finished_at,
        }
    )


def _page(asked: NotificationsQuery, bench: Workbench, principal: Principal) -> NotificationsAnswer:
    before = None if asked.cursor is None else place_of_cursor(asked.cursor)
    found = bench.notifications.page(principal, before=before, only_unread=asked.unread, most=asked.limit + 1)
    shown = found[: asked.limit]
    last = shown[-1] if len(found) > asked.limit else None
    return NotificationsAnswer(
        notifications=[_notification(row) for row in shown],
        unread=bench.notifications.unread_count(principal),
        next_cursor=None if last is None else cursor_of(last.created_at, last.id),
    )


def _notification(row: NotificationRow) -> NotificationAnswer:
    return NotificationAnswer(
        id=str(row.id),
        kind=row.kind,
        title=row.title,
        body=row.body,
        link=row.link,
        created_at=row.created_at,
        read_at=row.read_at,
    )

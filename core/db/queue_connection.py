"""Procrastinate's way to the database: the service role, in our schema, patient while the server is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Self, TypeVar

import psycopg
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException
from sqlalchemy import Connection

from core.db.engine import CONNECT_TIMEOUT_S, SERVICE_ROLE, Login, normal_url, preparation
from core.errors import DatabaseUnavailable

QUEUE = "assay"
PATIENCE_S = 60.0
"""So long a worker waits for a server that is away, before it lets its jobs go."""
_RETRY_S = 0.2

_T = TypeVar("_T")

_submitting = App(connector=SyncPsycopgConnector())
"""Never opened: it writes over the connection of the transaction that submits."""


def enqueue(connection: Connection, task: str, lock: str | None = None, **arguments: str) -> None:
    """Puts a task into the queue when the connection's transaction commits; those of one lock come one after another.

    Raises:
        DatabaseUnavailable: the server went away.
    """
    driver = connection.connection.driver_connection
    try:
        _submitting.configure_task(task, queue=QUEUE, lock=lock, connection=driver).defer(**arguments)
    except ConnectorException as error:
        raise DatabaseUnavailable from error


def queue_connector(login: Login, *, pool_size: int) -> PsycopgConnector:
    """A connector of its own for one worker."""
    return PsycopgConnector(
        conninfo=normal_url(login.url).set(drivername="postgresql").render_as_string(hide_password=False),
        connection_class=service_connection(login),
        min_size=1,
        max_size=pool_size,
        timeout=PATIENCE_S,
        kwargs={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": f"{SERVICE_ROLE}_queue"},
    )


def service_connection(login: Login) -> type[psycopg.AsyncConnection[Any]]:
    """The kind of connections under the service role, for the pool and for LISTEN alike."""

    class ServiceConnection(psycopg.AsyncConnection[Any]):
        @classmethod
        async def connect(cls, conninfo: str = "", **options: Any) -> Self:
            connection: Self = await _patient(partial(super().connect, conninfo, **options), login.revive)
            try:
                was_autocommit = connection.autocommit
                await connection.set_autocommit(True)
                await connection.execute(preparation(SERVICE_ROLE))
                await connection.set_autocommit(was_autocommit)
            except BaseException:  # the worker stops in the middle of it, or the server went away again
                await connection.close()
                raise
            return connection

    return ServiceConnection


async def _patient(connect: Callable[[], Awaitable[_T]], revive: Callable[[], object] | None) -> _T:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await connect()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
        if revive is not None:
            await asyncio.to_thread(revive)
        await asyncio.sleep(_RETRY_S)

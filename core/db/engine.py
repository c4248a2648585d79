"""Connections under the two roles: `app`, bound to one principal per transaction, and `service`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
from psycopg import errors as pg_errors
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.errors import ConfigurationError, DatabaseTooSlow, DatabaseUnavailable
from core.principal import Principal

Driver = psycopg.Connection[Any]
Transaction = Connection
"""An open transaction, as the functions of a DAO take it."""
SCHEMA = "assay"
OWNER_ROLE = "assay_owner"
APP_ROLE = "assay_app"
SERVICE_ROLE = "assay_service"
CONNECT_TIMEOUT_S = 5
POOL_WAIT_S = 10.0
STATEMENT_TIMEOUT_MS = 30_000
MINIMUM_VERSION = 150_000
TOO_BUSY = "The database is too busy. Nothing was started; try again soon."

_BIND = text(
    "SELECT set_config('app.user_id', :user_id, true), set_config('app.org_id', :org_id, true), "
    "set_config('app.role', :role, true)"
)
_RETRIED = (pg_errors.SerializationFailure, pg_errors.DeadlockDetected)


@dataclass(frozen=True, slots=True)
class Login:
    """An address of the database, and what brings an embedded server back."""

    url: str = field(repr=False)
    """It may hold a password."""
    revive: Callable[[], object] | None


class Database:
    """A small pool for each of the two roles.

    `revive` is called before a refused connection is tried once more: it brings an embedded server back.
    """

    def __init__(
        self,
        app_url: str,
        service_url: str | None = None,
        *,
        pool_size: int = 8,
        revive: Callable[[], object] | None = None,
    ) -> None:
        self._service_login = Login(service_url or app_url, revive)
        self._app = _engine(app_url, APP_ROLE, pool_size, revive)
        self._service = _engine(service_url or app_url, SERVICE_ROLE, pool_size, revive, pool_pre_ping=True)
        # A pool of its own that never begins or resets a transaction: a statement is one round trip and no more.
        self._single = _engine(
            service_url or app_url,
            SERVICE_ROLE,
            pool_size,
            revive,
            isolation_level="AUTOCOMMIT",
            pool_reset_on_return=None,
            skip_autocommit_rollback=True,
        )

    @contextmanager
    def app(self, principal: Principal) -> Iterator[Connection]:
        """One transaction that sees what this principal may see; row-level security holds it there.

        Raises:
            DatabaseUnavailable: the server cannot be reached.
        """
        binding = {"user_id": str(principal.user_id), "org_id": str(principal.org_id), "role": principal.role}
        with _translated(), self._bound(binding) as connection:
            yield connection
            connection.commit()

    def _bound(self, binding: dict[str, str]) -> Connection:
        """A connection in a bound transaction. Binding is its ping: one that the server has closed is replaced once."""
        try:
            return self._begun(binding)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return self._begun(binding)

    def _begun(self, binding: dict[str, str]) -> Connection:
        connection = self._app.connect()
        try:
            connection.execute(_BIND, binding)
        except DBAPIError:
            connection.close()
            raise
        return connection

    @contextmanager
    def unbound(self) -> Iterator[Connection]:
        """One transaction of the app role that is bound to nobody: no tenant's row is visible in it."""
        with _translated(), self._app.begin() as connection:
            yield connection

    @contextmanager
    def service(self) -> Iterator[Connection]:
        """One transaction under the role of metering, jobs and administration."""
        with _translated(), self._service.begin() as connection:
            yield connection

    @contextmanager
    def single(self) -> Iterator[Connection]:
        """The service role for statements that are each a transaction of their own, in one round trip."""
        with _translated(), self._single.connect() as connection:
            yield connection

    @property
    def service_login(self) -> Login:
        """How a connection of the service role is made, for what keeps connections of its own."""
        return self._service_login

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """One read-only transaction of the service role that sees one moment throughout."""
        with self.service() as connection:
            connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield connection

    @contextmanager
    def heart(self) -> Iterator[Driver]:
        """The driver's own connection under the service role, each statement a transaction: for the heart of metering.

        Raises:
            DatabaseUnavailable: the server cannot be reached, or went away; the statement may have been done.
        """
        proxy = None
        try:
            proxy = self._single.raw_connection()
            driver = proxy.driver_connection
            assert isinstance(driver, psycopg.Connection)
            yield driver
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if isinstance(error, _RETRIED):
                raise
            if proxy is not None:
                proxy.invalidate()
            raise DatabaseUnavailable from error
        except PoolTimeout as error:
            raise DatabaseUnavailable(TOO_BUSY) from error
        finally:
            if proxy is not None:
                proxy.close()

    def ping(self) -> None:
        """Raises DatabaseUnavailable unless the server answers."""
        with self.single() as connection:
            connection.execute(text("SELECT 1"))

    def connections_in_use(self) -> dict[str, int]:
        """How many connections of each pool are lent out at this moment."""
        pools = {"app": self._app, "service": self._service, "single": self._single}
        return {name: cast("QueuePool", engine.pool).checkedout() for name, engine in pools.items()}

    def close(self) -> None:
        """Closes every idle connection."""
        self._app.dispose()
        self._service.dispose()
        self._single.dispose()


def is_worth_repeating(error: BaseException) -> bool:
    """Whether a transaction failed for a reason that is gone when it is run again."""
    return isinstance(error.orig if isinstance(error, DBAPIError) else error, _RETRIED)


def normal_url(url: str) -> URL:
    """The SQLAlchemy URL of a Postgres address as operators write it, for psycopg 3.

    Raises:
        ConfigurationError: not a Postgres URL; the address is not repeated, it may hold a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ConfigurationError("DATABASE_URL is not a URL such as postgresql://user@host/name.") from None
    if parsed.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise ConfigurationError("DATABASE_URL must name a Postgres server: postgresql://user@host/name.")
    return parsed.set(drivername="postgresql+psycopg")


def preparation(role: str) -> str:
    """What a fresh connection is told before anything else: its role, and where names are looked up."""
    return (
        f"SET ROLE {role}; SET search_path = {SCHEMA}, pg_temp; SET timezone = 'UTC'; "
        f"SET statement_timeout = {STATEMENT_TIMEOUT_MS}"
    )


def _engine(url: str, role: str, pool_size: int, revive: Callable[[], object] | None, **options: Any) -> Engine:
    engine = create_engine(
        normal_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": role},
        **options,
    )

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, cargs: Any, cparams: Any) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(*cargs, **cparams)
        except psycopg.OperationalError:
            if revive is None:
                raise
            revive()
            return psycopg.connect(*cargs, **cparams)

    @event.listens_for(engine, "connect")
    def prepare(connection: psycopg.Connection[Any], _record: Any) -> None:
        was_autocommit, connection.autocommit = connection.autocommit, True
        connection.execute(preparation(role))
        connection.autocommit = was_autocommit

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    """Turns a server that cannot be reached, or takes too long, into the domain's error; the rest passes."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if is_worth_repeating(error):
            raise
        raise (DatabaseTooSlow if isinstance(error.orig, pg_errors.QueryCanceled) else DatabaseUnavailable) from error
    except PoolTimeout as error:
        raise DatabaseUnavailable(TOO_BUSY) from error

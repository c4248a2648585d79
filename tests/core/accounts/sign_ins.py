"""People at the page and programs with tokens, as the services see them."""

from __future__ import annotations

from collections.abc import Iterable

import psycopg

from core.principal import Principal, Scope
from core.workbench import Workbench

PASSWORD = "a long password"
HERE = "192.0.2.1"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def new_session(bench: Workbench, who: Principal, *, replaced: str | None = None, address: str = HERE) -> str:
    """The cookie's value of a session that a member opens; without the time that a password takes."""
    ticket = bench.accounts.ticket(who.user_id, who.org_id, method="link")
    return bench.accounts.redeem_ticket(ticket, address=address, agent=AGENT, replaced=replaced)


def signed_in(bench: Workbench, who: Principal) -> Principal:
    """The member as the page has them: with a session."""
    principal = bench.accounts.principal_of_session(new_session(bench, who))
    assert principal is not None
    return principal


def new_token(bench: Workbench, who: Principal, scopes: Iterable[Scope] = tuple(Scope), *, days: int = 30) -> str:
    """A token that a member makes at the page."""
    return bench.tokens.create(signed_in(bench, who), "a program", scopes=tuple(scopes), days=days)


def stop_time(owner: psycopg.Connection[tuple[object, ...]]) -> None:
    """Stops the database's one clock, so that no wait passes while passwords are hashed."""
    owner.execute(
        "CREATE OR REPLACE FUNCTION assay_now() RETURNS timestamptz LANGUAGE sql VOLATILE "
        "AS $$ SELECT '2026-05-05 12:00:00Z'::timestamptz $$"
    )


def with_token(bench: Workbench, who: Principal, *scopes: Scope) -> Principal:
    """The member as the API has them: with a token of these scopes."""
    return bench.accounts.principal_of_token(new_token(bench, who, scopes or tuple(Scope)))

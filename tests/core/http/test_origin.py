"""A line of the audit log tells which request it came from, and its address as a keyed hash."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text

from core.ops.audit import Audit
from tests.core.http.conftest import Api

_LAST = text("SELECT action, request_id, encode(address_hash, 'hex') FROM audit_events ORDER BY seq DESC LIMIT 1")


def test_a_line_has_the_number_of_its_request_and_the_address(live_api: Api) -> None:
    ann = live_api.member("origin")
    database = live_api.workbench.database
    with database.service() as connection:
        made, number, address = connection.execute(_LAST).one()
    assert (number, address) == (None, None), f"{made} is a command's"

    with live_api.client(ann) as client:
        answer = client.patch("/profile", json={"name": "Ann Lee"})
    assert answer.status_code == 200

    with database.service() as connection:
        action, number, address = connection.execute(_LAST).one()
        assert address == Audit.pseudonym(connection, "127.0.0.1")
    assert (action, number) == ("user.profile_changed", UUID(answer.headers["x-request-id"]))

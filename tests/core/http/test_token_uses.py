"""From where tokens are used, over the wire: noted with the program, never with the address."""

from __future__ import annotations

import psycopg

from tests.core.http.conftest import Api


def test_a_call_notes_its_program_and_a_hash_of_its_address(
    api: Api, service: psycopg.Connection[tuple[object, ...]]
) -> None:
    ann = api.member("ann")
    with api.client(ann) as client:
        for agent in ("nightly/1.0 (on a server)", "nightly/1.0 (elsewhere)", "curl/8.5"):
            assert client.get("/profile", headers={"User-Agent": agent}).status_code == 200
        assert client.get("/profile", headers={"Authorization": "Bearer assay_no-such-token"}).status_code == 401
    rows = service.execute("SELECT agent, minutes, address_hash FROM token_uses ORDER BY agent").fetchall()
    assert [(agent, minutes) for agent, minutes, _ in rows] == [("curl/8.5", 1), ("nightly/1.0", 1)]
    assert all(isinstance(hashed, bytes) and b"127.0.0.1" not in hashed and len(hashed) == 16 for *_, hashed in rows)

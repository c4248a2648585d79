"""A provider of OpenID Connect on a local socket: discovery, sign-in, tokens signed by RS256, and lies on request."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "assay-test", "a secret of the provider's"
COOKIE_SECRET = "0123456789abcdef" * 4
TOKEN_LIFE_S = 3600


@dataclass
class Answer:
    """What the provider says about whoever signs in; the default is honest."""

    subject: str = "subject-1"
    email: str | None = "ann@test.example"
    email_verified: bool | str | None = True
    """None: the claim is left out."""
    name: str | None = "Ann Analyst"
    issued_ago_s: int = 0
    """How long ago the token says that it was issued."""
    audience: str = CLIENT_ID
    issuer: str | None = None
    """None: the provider's own."""
    nonce: str | None = "sent"
    """`sent` is the one of the request; None leaves it out; others are sent as they are."""
    is_signed_by_another: bool = False
    denies: bool = False
    """Whether the person does not agree."""
    asks: bool = False
    """Whether a page with a button comes first."""
    is_down: bool = False
    """Whether every address answers 503."""
    more: Mapping[str, object] = field(default_factory=dict)
    """Other claims."""


@dataclass(frozen=True)
class _Request:
    redirect_uri: str
    nonce: str | None
    challenge: str | None


class OpenIdProvider:
    """The running provider; `answer` is what the next sign-in gets."""

    def __init__(self) -> None:
        self.answer = Answer()
        self.requests: list[dict[str, str]] = []
        """Query of each request for a sign-in."""
        self.tokens: list[str] = []
        """Id and access tokens that it gave."""
        self._codes: dict[str, _Request] = {}
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.provider = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    @property
    def issuer(self) -> str:
        """Its name and address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def write_secrets(self, path: Path, redirect_uri: str) -> None:
        """Writes the file of secrets of a workbench that signs people in here, as Acme and as LinkedIn does."""
        path.parent.mkdir(parents=True, exist_ok=True)
        keys = f"""
client_id = "{CLIENT_ID}"
client_secret = "{CLIENT_SECRET}"
server_metadata_url = "{self.issuer}/.well-known/openid-configuration"
"""
        path.write_text(
            f"""
[auth]
redirect_uri = "{redirect_uri}"
cookie_secret = "{COOKIE_SECRET}"
[auth.acme]
{keys}
[auth.linkedin]
{keys}
sends_nonce = false
client_kwargs = {{ token_endpoint_auth_method = "client_secret_post" }}
""",
            "utf-8",
        )

    def metadata(self) -> dict[str, object]:
        """The document of discovery."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def keys(self) -> dict[str, Any]:
        """The public key that honest tokens are signed with."""
        return dict(KeySet([_key(0)]).as_dict(private=False))

    def begin(self, query: dict[str, str]) -> str:
        """Takes a request for a sign-in; gives the address that the browser is sent back to."""
        self.requests.append(query)
        assert query["client_id"] == CLIENT_ID
        assert query["response_type"] == "code"
        assert "openid" in query["scope"].split()
        if self.answer.denies:
            given = {"error": "access_denied", "error_description": "The person did not agree."}
        else:
            given = {"code": secrets.token_urlsafe(16)}
            request = _Request(query["redirect_uri"], query.get("nonce"), query.get("code_challenge"))
            self._codes[given["code"]] = request
        return f"{query['redirect_uri']}?{urlencode({**given, 'state': query['state']})}"

    def grant(self, form: dict[str, str], credentials: str) -> dict[str, object] | None:
        """The tokens for a code, once, for the client that asked; None where anything about it is wrong."""
        request = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        is_right = (
            request is not None
            and form.get("redirect_uri") == request.redirect_uri
            and request.challenge == proof
            and credentials == f"{CLIENT_ID}:{CLIENT_SECRET}"
        )
        if not is_right or request is None:
            return None
        id_token, access_token = self._id_token(request.nonce), secrets.token_urlsafe(32)
        self.tokens += [id_token, access_token]
        return {
            "access_token": access_token,
            "id_token": id_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE_S,
        }

    def _id_token(self, sent_nonce: str | None) -> str:
        answer, now = self.answer, int(time.time())
        claims: dict[str, object] = {
            "iss": answer.issuer or self.issuer,
            "sub": answer.subject,
            "aud": answer.audience,
            "iat": now - answer.issued_ago_s,
            "exp": now - answer.issued_ago_s + TOKEN_LIFE_S,
            "nonce": sent_nonce if answer.nonce == "sent" else answer.nonce,
            "email": answer.email,
            "email_verified": answer.email_verified,
            "name": answer.name,
            **answer.more,
        }
        given = {name: value for name, value in claims.items() if value is not None}
        honest = _key(0)
        header = {"alg": "RS256", "kid": honest.kid}
        return jwt.encode(header, given, _key(1) if answer.is_signed_by_another else honest, algorithms=["RS256"])


@cache
def _key(number: int) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": f"key-{number}"}, auto_kid=False)


class _Server(ThreadingHTTPServer):
    provider: OpenIdProvider


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        provider, address = self.server.provider, urlsplit(self.path)
        query = _values(address.query)
        documents = {"/.well-known/openid-configuration": provider.metadata, "/keys": provider.keys}
        if provider.answer.is_down:
            self._send(503, b"down", "text/plain")
        elif address.path in documents:
            self._send_json(200, documents[address.path]())
        elif address.path != "/authorize":
            self._send(404, b"nothing", "text/plain")
        elif provider.answer.asks and "agreed" not in query:
            link = f"/authorize?{address.query}&agreed=1".replace("&", "&amp;")
            self._send(200, f'<h1>Acme</h1><a href="{link}">Go on as Ann</a>'.encode(), "text/html")
        else:
            self._send(302, b"", "text/plain", {"Location": provider.begin(query)})

    def do_POST(self) -> None:
        form = _values(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        in_form = f"{form.get('client_id', '')}:{form.get('client_secret', '')}"
        credentials = base64.b64decode(given).decode() if scheme == "Basic" else in_form
        granted = self.server.provider.grant(form, credentials) if self.path == "/token" else None
        self._send_json(400 if granted is None else 200, granted or {"error": "invalid_grant"})

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _send_json(self, status: int, content: object) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _values(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}

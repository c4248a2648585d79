"""Which providers of OpenID Connect the table [auth] of the file of secrets names, checked before anything starts.

Streamlit reads the same table when somebody signs in; what it would find out then is said here, at the start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from core.errors import ConfigurationError
from core.settings import LOOPBACK, Settings

CALLBACK = "/oauth2callback"
MIN_SECRET_BYTES = 32
UNNAMED = "default"
"""Streamlit's name of the one provider whose keys stand in [auth] itself."""

OUTCOME = "sign-in"
"""The query parameter in which the start page is told how a sign-in ended that opened nothing."""


class Outcome(StrEnum):
    """Why a sign-in at a provider opened nothing."""

    CANCELLED = "cancelled"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    BUSY = "busy"


_LABELS = {"google": "Google", "linkedin": "LinkedIn", "microsoft": "Microsoft"}
_KEYS = ("client_id", "client_secret", "server_metadata_url")
_OPTIONS = frozenset({"client_kwargs", "authorize_params"})
"""Tables of [auth] that are options of the unnamed provider."""
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_MICROSOFT = "login.microsoftonline.com"
_OF_EVERY_TENANT = frozenset({"common", "organizations"})


@dataclass(frozen=True, slots=True)
class OpenIdProvider:
    """One provider that people may sign in with."""

    name: str
    """As `st.login` takes it."""
    label: str
    """As people know it."""
    sends_nonce: bool = True
    """Whether its answers repeat the nonce of the request."""


def openid_providers(settings: Settings) -> tuple[OpenIdProvider, ...]:
    """The providers, in the order of the file; none where it has no table [auth].

    Raises:
        ConfigurationError: what is there cannot work or would not be safe; the sentence names the key, never its value.
    """
    auth = settings.auth
    if not auth:
        return ()
    _check_shared(auth, settings)
    tables = {name: table for name, table in auth.items() if isinstance(table, Mapping) and name not in _OPTIONS}
    if any(key in auth for key in _KEYS):
        tables = {UNNAMED: auth, **tables}
    if not tables:
        raise _problem(settings, "[auth] names no provider; add one such as [auth.google], or leave [auth] out")
    return tuple(_provider(name, table, settings) for name, table in tables.items())


def _check_shared(auth: Mapping[str, object], settings: Settings) -> None:
    secret = auth.get("cookie_secret")
    if not isinstance(secret, str) or len(secret.encode()) < MIN_SECRET_BYTES:
        wanted = f"at least {MIN_SECRET_BYTES} random bytes, such as `openssl rand -hex 32` prints"
        raise _problem(settings, f"[auth] cookie_secret takes {wanted}")
    address = f"{settings.address}{CALLBACK}"
    if auth.get("redirect_uri") != address:
        raise _problem(settings, f'[auth] redirect_uri must be "{address}": PUBLIC_URL followed by {CALLBACK}')


def _provider(name: str, table: Mapping[str, object], settings: Settings) -> OpenIdProvider:
    place = "[auth]" if name == UNNAMED else f"[auth.{name}]"
    if not _NAME.fullmatch(name):
        raise _problem(settings, f"{place}: a provider's name is made of small letters, digits and hyphens")
    for key in _KEYS:
        value = table.get(key)
        if not isinstance(value, str) or not value.strip():
            raise _problem(settings, f"{place} {key} is missing")
    url = urlsplit(str(table["server_metadata_url"]))
    if url.scheme != "https" and url.hostname not in LOOPBACK:
        raise _problem(settings, f"{place} server_metadata_url must begin with https://")
    if url.hostname == _MICROSOFT and url.path.split("/")[1] in _OF_EVERY_TENANT:
        raise _problem(settings, f"{place} server_metadata_url takes the id of your own tenant, never common")
    given, sends_nonce = table.get("label"), table.get("sends_nonce", True)
    if not isinstance(sends_nonce, bool):
        raise _problem(settings, f"{place} sends_nonce is true or false")
    known = url.hostname or name if name == UNNAMED else _LABELS.get(name, name.capitalize())
    return OpenIdProvider(name, given.strip() if isinstance(given, str) and given.strip() else known, sends_nonce)


def _problem(settings: Settings, words: str) -> ConfigurationError:
    return ConfigurationError(f"{settings.secrets_file.name}: {words}.")

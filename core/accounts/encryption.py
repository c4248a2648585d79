"""Encryption of what has to be read again: keys of providers, secrets of webhooks.

Fernet (AES-128-CBC with HMAC-SHA-256, https://github.com/fernet/spec) under ENCRYPTION_KEYS, the newest first: it
encrypts, and any of them decrypts, so that `python -m core keys rotate` goes over what is kept while the workbench
runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from core.errors import AssayError, ConfigurationError, NotConfigured
from core.settings import Settings

VARIABLE = "ENCRYPTION_KEYS"
FILE_NAME = "encryption_keys"
MAX_KEYS = 20
MARK = "fernet:"
"""Before a value that is kept as text, so that one from the time before encryption can be told from it."""
HOW_TO_MAKE = 'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'


_KEY = re.compile(r"[\w-]{43}=", re.ASCII)


class Undecryptable(AssayError):
    """A kept value that none of the keys decrypts."""

    title = "It cannot be decrypted"

    def __init__(self) -> None:
        super().__init__(f"It was encrypted under a key that is not in {VARIABLE}; add that key at its end.")


class Encryption:
    """Encrypts under the newest key, decrypts under any; no key is in its repr, nor in any error."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Raises ConfigurationError where one is no Fernet key; the sentence gives its place, never the key."""
        if len(keys) > MAX_KEYS:
            raise ConfigurationError(f"{VARIABLE} has {len(keys)} keys; {MAX_KEYS} are enough.")
        self._fernets = [_fernet(key, place) for place, key in enumerate(keys, start=1)]
        self._all = MultiFernet(self._fernets) if self._fernets else None

    @classmethod
    def of(cls, settings: Settings) -> Encryption:
        """By ENCRYPTION_KEYS; unset, and in development only, by a key that is made and kept in ASSAY_HOME.

        A key that was made there goes on decrypting what it encrypted after ENCRYPTION_KEYS was set.

        Raises:
            ConfigurationError: one of the keys is none.
        """
        path = settings.assay_home / FILE_NAME
        given = _split(settings.encryption_keys.get_secret_value()) if settings.encryption_keys else []
        if not given and settings.is_development:
            _make_file(path)
        return cls([*given, *(key for key in _kept(path) if key not in given)])

    @property
    def is_configured(self) -> bool:
        """Whether anything can be encrypted."""
        return self._all is not None

    def encrypt(self, plain: str) -> bytes:
        """A value as it is kept.

        Raises:
            NotConfigured: there is no key.
        """
        return self._multi().encrypt(plain.encode())

    def decrypt(self, kept: bytes) -> str:
        """The value that was encrypted.

        Raises:
            NotConfigured: there is no key.
            Undecryptable: none of the keys is the one that it was encrypted under, or it was damaged.
        """
        try:
            return self._multi().decrypt(kept).decode()
        except InvalidToken:
            raise Undecryptable from None

    def renewed(self, kept: bytes) -> bytes | None:
        """The same under the newest key; None where it is under that already.

        Raises:
            NotConfigured: there is no key.
            Undecryptable: as `decrypt`.
        """
        multi = self._multi()
        with suppress(InvalidToken):
            self._fernets[0].decrypt(kept)
            return None
        try:
            return multi.rotate(kept)
        except InvalidToken:
            raise Undecryptable from None

    def encrypt_text(self, plain: str) -> str:
        """A value for a column of text; as it is where the installation has no key."""
        return MARK + self.encrypt(plain).decode() if self.is_configured else plain

    def decrypt_text(self, kept: str) -> str:
        """The value of a column of text; one from before encryption is given as it is.

        Raises:
            NotConfigured, Undecryptable: as `decrypt`.
        """
        return self.decrypt(kept.removeprefix(MARK).encode()) if kept.startswith(MARK) else kept

    def renewed_text(self, kept: str) -> str | None:
        """As `renewed`, for a column of text: what was kept as it is, is encrypted now.

        Raises:
            NotConfigured, Undecryptable: as `decrypt`.
        """
        if not kept.startswith(MARK):
            return MARK + self.encrypt(kept).decode()
        fresh = self.renewed(kept.removeprefix(MARK).encode())
        return None if fresh is None else MARK + fresh.decode()

    def _multi(self) -> MultiFernet:
        if self._all is None:
            raise NotConfigured(f"Set {VARIABLE} to keep secrets: a Fernet key, as {HOW_TO_MAKE} prints one.")
        return self._all


UNENCRYPTED = Encryption(())
"""Of an installation without a key: texts are kept as they are, and nothing else is kept."""


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", ",").split(",") if part.strip()]


def _fernet(key: str, place: int) -> Fernet:
    if not _KEY.fullmatch(key):
        raise ConfigurationError(
            f"{VARIABLE}: key {place} is no Fernet key (32 bytes in URL-safe base64); {HOW_TO_MAKE} prints one."
        )
    return Fernet(key)


def _kept(path: Path) -> list[str]:
    try:
        return _split(path.read_text("ascii"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        raise ConfigurationError(f"The file {FILE_NAME} in ASSAY_HOME cannot be read.") from None


def _make_file(path: Path) -> None:
    """Makes the file where there is none, whole, for this user alone; of several processes one makes it."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
    draft = path.with_name(f"{FILE_NAME}.{uuid4().hex}")
    opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink()

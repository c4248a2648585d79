"""Encryption: the newest key encrypts, any decrypts, and no error shows a key or what was kept."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from core.accounts.encryption import FILE_NAME, MARK, UNENCRYPTED, Encryption, Undecryptable
from core.errors import ConfigurationError, NotConfigured
from core.settings import Settings, load_settings

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
PLAIN = "sk-a-key-of-a-provider"


def settings_of(home: Path, **environ: str) -> Settings:
    """Settings as an operator would set them."""
    return load_settings({"ASSAY_HOME": str(home), **environ}, root=home)


def test_the_newest_key_encrypts_and_any_decrypts() -> None:
    kept = Encryption([OLD]).encrypt(PLAIN)
    both = Encryption([NEW, OLD])
    assert both.decrypt(kept) == PLAIN
    assert Encryption([NEW]).decrypt(both.encrypt(PLAIN)) == PLAIN
    fresh = both.renewed(kept)
    assert fresh is not None
    assert Encryption([NEW]).decrypt(fresh) == PLAIN
    assert both.renewed(fresh) is None


def test_what_no_key_decrypts_says_so_without_showing_it() -> None:
    kept = Encryption([OTHER]).encrypt(PLAIN)
    for broken in (kept, kept[:-4], b"", b"nonsense"):
        for action in (Encryption([NEW, OLD]).decrypt, Encryption([NEW, OLD]).renewed):
            with pytest.raises(Undecryptable) as caught:
                action(broken)
            assert caught.value.__cause__ is None
            assert PLAIN not in str(caught.value)


def test_texts_from_before_encryption_are_read_as_they_are_and_encrypted_when_renewed() -> None:
    encryption = Encryption([NEW])
    assert encryption.decrypt_text("whsec_abc") == "whsec_abc"
    kept = encryption.renewed_text("whsec_abc")
    assert kept is not None and kept.startswith(MARK) and "whsec_abc" not in kept
    assert encryption.decrypt_text(kept) == "whsec_abc"
    assert encryption.renewed_text(kept) is None
    assert Encryption([OLD, NEW]).renewed_text(kept) not in (None, kept)


def test_without_a_key_nothing_is_kept_but_texts_as_they_are() -> None:
    assert UNENCRYPTED.encrypt_text("whsec_abc") == "whsec_abc"
    assert not UNENCRYPTED.is_configured
    for action in (UNENCRYPTED.encrypt, UNENCRYPTED.renewed_text):
        with pytest.raises(NotConfigured, match="ENCRYPTION_KEYS"):
            action(PLAIN)
    for kept in (b"kept", Encryption([OLD]).encrypt(PLAIN)):
        with pytest.raises(NotConfigured, match="ENCRYPTION_KEYS"):
            UNENCRYPTED.decrypt(kept)


@pytest.mark.parametrize("wrong", ["short", "!" * 44, OLD[:-1], OLD + "AAAA"], ids=["short", "signs", "cut", "long"])
def test_a_wrong_key_is_told_at_the_start_by_its_place_and_never_shown(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Encryption.of(settings_of(tmp_path, ENCRYPTION_KEYS=f"{NEW}, {wrong}"))
    assert "ENCRYPTION_KEYS: key 2" in str(caught.value)
    assert wrong not in str(caught.value) and caught.value.__cause__ is None


def test_neither_settings_nor_encryption_show_a_key(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, ENCRYPTION_KEYS=f"{NEW},{OLD}")
    encryption = Encryption.of(settings)
    assert NEW not in repr(settings) + repr(encryption) + str(vars(encryption))
    assert not (tmp_path / FILE_NAME).exists()
    assert encryption.decrypt(Encryption([OLD]).encrypt(PLAIN)) == PLAIN


def test_in_development_a_key_is_made_once_for_this_user_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Encryption.of(settings_of(home)), range(16)))
    assert stat.S_IMODE((home / FILE_NAME).stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == [FILE_NAME]
    kept = made[0].encrypt(PLAIN)
    assert all(each.decrypt(kept) == PLAIN for each in made)
    later = Encryption.of(settings_of(home, ENCRYPTION_KEYS=NEW, HOST="0.0.0.0"))
    assert later.decrypt(kept) == PLAIN
    assert Encryption([NEW]).decrypt(later.encrypt(PLAIN)) == PLAIN


@pytest.mark.parametrize("environ", [{"HOST": "0.0.0.0"}, {"PUBLIC_URL": "https://assay.example"}])
def test_outside_development_no_key_is_made(tmp_path: Path, environ: dict[str, str]) -> None:
    encryption = Encryption.of(settings_of(tmp_path, **environ))
    assert not encryption.is_configured
    assert list(tmp_path.iterdir()) == []

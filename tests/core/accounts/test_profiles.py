"""What users and organisations set for themselves, and the forms that names, addresses and passwords have."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from core.accounts.addresses import looked_up, normal_address
from core.accounts.passwords import MAX_BYTES, MIN_CHARS, check_password, check_policy, hash_password
from core.accounts.people import MAX_NAME_CHARS, checked_name
from core.accounts.profiles import AUTO, Profile, zones
from core.errors import Forbidden, InvalidRequest
from core.principal import Principal, Role
from core.workbench import Workbench
from tests.conftest import MakeMember
from tests.core.accounts.sign_ins import new_session, new_token, signed_in

Service = psycopg.Connection[tuple[object, ...]]
MARKUP = "<script>alert(1)</script> **Ann** [x](http://evil.example) $a$"


@pytest.fixture
def ann(workbench: Workbench, member: MakeMember) -> Principal:
    """An owner at the page."""
    return signed_in(workbench, member("ann", org="Acme", plan="team"))


def test_what_is_kept_is_seen_by_the_next_look_at_the_session_and_the_token(
    workbench: Workbench, ann: Principal
) -> None:
    model = workbench.catalogue.chat_models()[0].id
    session, token = new_session(workbench, ann), new_token(workbench, ann)
    profiles = workbench.profiles
    profiles.keep(ann, Profile("Ann O’Neill", "Asia/Kathmandu", model, False, True, False))
    profiles.keep_organisation(ann, replace(profiles.organisation(ann), zone="Europe/Berlin", allowed_models=(model,)))
    for seen in (workbench.accounts.principal_of_session(session), workbench.accounts.principal_of_token(token)):
        assert seen is not None
        assert (seen.name, seen.zone, seen.default_model, seen.uses_router, seen.allowed_models) == (
            "Ann O’Neill", "Asia/Kathmandu", model, False, (model,),
        )  # fmt: skip
    profiles.keep(ann, Profile("Ann", None, AUTO, True, False, True))
    seen = workbench.accounts.principal_of_session(session)
    assert seen is not None
    assert (seen.zone, seen.default_model, seen.uses_router) == ("Europe/Berlin", None, True)


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": " \n\t "},
        {"name": "x" * 10_000},
        {"name": "a\x00b"},
        {"name": "\u202eevil"},
        {"name": "\ud800"},
        {"zone": "Mars/Olympus"},
        {"zone": "europe/berlin"},
        {"zone": "localtime"},
        {"zone": "Factory"},
        {"zone": "../../etc/passwd"},
        {"zone": ""},
        {"zone": "UTC'; DROP TABLE users; --"},
        {"default_model": "no-such-model"},
        {"default_model": "x" * 10_000},
        {"default_model": "\ud800"},
        {"default_model": None, "uses_router": False},
        {"default_model": AUTO, "uses_router": False},
    ],
)
def test_what_no_profile_can_hold_is_refused_and_nothing_is_kept(
    workbench: Workbench, ann: Principal, change: dict[str, object]
) -> None:
    before = workbench.profiles.profile(ann)
    with pytest.raises(InvalidRequest) as refusal:
        workbench.profiles.change(ann, change)
    assert len(refusal.value.detail) < 300
    assert refusal.value.detail.isprintable()
    assert workbench.profiles.profile(ann) == before


@pytest.mark.parametrize(
    "change",
    [
        {"name": "x" * 201},
        {"zone": "Nowhere/At all"},
        {"risk_free_rate": Decimal("1.01")},
        {"risk_free_rate": Decimal("-0.51")},
        {"risk_free_rate": Decimal("NaN")},
        {"risk_free_rate": Decimal("Infinity")},
        {"risk_free_rate": Decimal("1e999999")},
        {"benchmark": ""},
        {"benchmark": " "},
        {"benchmark": "x" * 41},
        {"benchmark": "DAX\x00"},
        {"benchmark": "ДАКС"},
        {"allowed_models": ()},
        {"allowed_models": ("no-such-model",)},
        {"allowed_providers": ()},
        {"allowed_providers": ("no-such-provider",)},
        {"allowed_providers": ("offline",)},
        {"default_model": "no-such-model"},
        {"default_model": "text-embedding-3-small"},
        {"default_model": "gpt-4o", "allowed_models": ("gpt-4o-mini",)},
        {"default_model": "gpt-4o", "allowed_providers": ("anthropic",)},
    ],
)
def test_what_no_organisation_can_hold_is_refused_and_nothing_is_kept(
    workbench: Workbench, ann: Principal, change: dict[str, object]
) -> None:
    before = workbench.profiles.organisation(ann)
    with pytest.raises(InvalidRequest):
        workbench.profiles.keep_organisation(ann, replace(before, **change))  # type: ignore[arg-type]  # wrong on purpose
    assert workbench.profiles.organisation(ann) == before


def test_a_default_of_a_provider_that_is_not_allowed_is_refused_in_words(workbench: Workbench, ann: Principal) -> None:
    settings = replace(workbench.profiles.organisation(ann), default_model="gpt-4o", allowed_providers=("anthropic",))
    with pytest.raises(InvalidRequest, match="one of OpenAI, which is not among the providers that are allowed"):
        workbench.profiles.keep_organisation(ann, settings)
    allowed = replace(settings, allowed_providers=("anthropic", "openai"))
    assert workbench.profiles.keep_organisation(ann, allowed).default_model == "gpt-4o"
    offline = replace(settings, default_model="offline-glossary")
    assert workbench.profiles.keep_organisation(ann, offline).default_model == "offline-glossary"


def test_an_organisations_settings_are_kept_in_one_form_and_for_itself_alone(
    workbench: Workbench, ann: Principal, member: MakeMember
) -> None:
    profiles, other = workbench.profiles, signed_in(workbench, member("eve", org="Elsewhere"))
    before = profiles.organisation(other)
    model = workbench.catalogue.chat_models()[0].id
    kept = profiles.keep_organisation(
        ann,
        replace(
            profiles.organisation(ann),
            name=f"  {MARKUP}\n ",
            risk_free_rate=Decimal("0.0312345678"),
            benchmark=" ^gspc ",
            allowed_models=(model, model),
            allowed_providers=("openai", "anthropic", "openai"),
            default_model=model,
            asks_models=False,
        ),
    )
    assert kept == profiles.organisation(ann)
    assert (kept.name, kept.risk_free_rate, kept.benchmark) == (MARKUP, Decimal("0.031235"), "^GSPC")
    assert (kept.allowed_models, kept.allowed_providers) == ((model,), ("anthropic", "openai"))
    assert (kept.default_model, kept.asks_models) == (model, False)
    who = signed_in(workbench, ann)
    assert (who.allowed_providers, who.org_default_model, who.asks_models) == (("anthropic", "openai"), model, False)
    anew = profiles.keep_organisation(ann, replace(kept, allowed_providers=None, default_model=AUTO, asks_models=True))
    assert (anew.allowed_providers, anew.default_model, anew.asks_models) == (None, None, True)
    assert profiles.organisation(other) == before


def test_only_managers_change_an_organisation(workbench: Workbench, ann: Principal, member: MakeMember) -> None:
    settings = workbench.profiles.organisation(ann)
    for role in (Role.ANALYST, Role.VIEWER):
        who = signed_in(workbench, member(role.value, org="Acme", plan="team", role=role))
        with pytest.raises(Forbidden, match="may not change the organisation"):
            workbench.profiles.keep_organisation(who, settings)


def test_every_zone_that_can_be_chosen_is_one_that_the_database_knows(service: Service) -> None:
    known = {str(name) for (name,) in service.execute("SELECT name FROM pg_timezone_names").fetchall()}
    assert len(zones()) > 400
    assert not set(zones()) - known


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("ann@test.example", "ann@test.example"),
        ("  ANN@Test.EXAMPLE\n", "ann@test.example"),
        ("ann+broker@test.example", "ann+broker@test.example"),
        ("ann@büro.example", "ann@xn--bro-hoa.example"),
        ("ann@xn--bro-hoa.example", "ann@xn--bro-hoa.example"),
        ("ann@BÜRO.example", "ann@xn--bro-hoa.example"),
        ("ann@例え.example", "ann@xn--r8jz45g.example"),
        ("ann@mail.local", "ann@mail.local"),
    ],
)
def test_an_address_has_one_form_however_it_is_written(given: str, kept: str) -> None:
    assert normal_address(given) == looked_up(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        "ann",
        "ann@",
        "@test.example",
        "ann@@test.example",
        "ann@test@test.example",
        "ann @test.example",
        "ann@test .example",
        "ann@test.example, bob@test.example",
        "ann@test.example\nBcc: all@test.example",
        "ann@test.example\r\nSubject: x",
        "Ann <ann@test.example>",
        "аnn@test.example",  # the first letter is Cyrillic
        "ann＠test.example",
        "ﬁn@test.example",
        '"ann bob"@test.example',
        "ann@[127.0.0.1]",
        "ann@-test.example",
        "ann@test..example",
        "ann@test.example.",
        ".ann@test.example",
        "ann\x00@test.example",
        "ann\u200b@test.example",
        "\ud800@test.example",
        "ann@\ud800.example",
        "a" * 65 + "@test.example",
        "ann@" + "b" * 300 + ".example",
        "a" * 10_000,
    ],
)
def test_what_is_no_address_makes_no_account(given: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        normal_address(given)
    assert refusal.value.detail.isascii()
    assert len(looked_up(given)) <= 254


@pytest.mark.parametrize(
    "password",
    [
        "x" * (MIN_CHARS - 1),
        "x" * 10,
        "1234567890",
        "9876543210",
        "abcdefghij",
        "password123",
        "PASSWORD123!",
        "!!Password!!",
        "qwertyuiop",
        "ababababab",
        "Ann Example",
        "ann example1",
        "ann.example@test.example",
        "ann.example",
        "ä" * (MAX_BYTES // 2 + 1),
        "a long one" + "\x00",
        "a long\none here",
        "a long \ud800 one",
        "\u202ea long one",
    ],
)
def test_a_weak_or_unusable_password_is_refused(password: str) -> None:
    with pytest.raises(InvalidRequest):
        check_policy(password, email="ann.example@test.example", name="Ann Example")


@pytest.mark.parametrize(
    "password", ["correct horse", "ünïcödé ist gut", "密码很长而且不常见的一句话", "a" * 30 + "bcd" * 14]
)
def test_a_password_in_any_script_up_to_72_bytes_is_good_and_checked_whole(password: str) -> None:
    hashed = hash_password(password)
    assert password not in hashed
    assert check_password(password, hashed)
    for other in (password[:-1], password + " ", password.upper() + "x", "", password + "\ud800"):
        assert not check_password(other, hashed)


def test_a_longer_password_is_not_taken_for_its_first_72_bytes() -> None:
    hashed = hash_password("ab cd ef " * 8)
    assert check_password("ab cd ef " * 8, hashed)
    assert not check_password("ab cd ef " * 8 + "x", hashed)


def test_a_name_is_kept_in_one_line_whatever_it_says() -> None:
    assert checked_name("  Ann \t\n O’Neill ") == "Ann O’Neill"
    assert checked_name(MARKUP) == MARKUP
    assert checked_name("山田 太郎") == "山田 太郎"
    assert checked_name("x" * MAX_NAME_CHARS)
    for bad in ("", "\n", "x" * (MAX_NAME_CHARS + 1), "x" * 10_000, "a\x1bb", "a\u200bb", "\u202egnp"):
        with pytest.raises(InvalidRequest):
            checked_name(bad)

"""Each change of accounts, flags and experiments leaves its line, in the transaction of the change; no method is
forgotten: one that is neither tried here nor excused fails."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy import text

from core import accounts
from core.accounts.accounts import Accounts
from core.accounts.directory import Directory
from core.accounts.encryption import Encryption
from core.accounts.erasure import Erasure
from core.accounts.joining import Joining
from core.accounts.members import Members
from core.accounts.openid import Claims, OpenId
from core.accounts.profiles import Profiles
from core.accounts.provider_keys import KeyChange, KeyDraft, ProviderKeys
from core.accounts.rotation import rotate
from core.accounts.secrets import digest
from core.accounts.tokens import Tokens
from core.ai.experiments import Experiment, Experiments
from core.ai.flags import Flag, Flags
from core.db import joining_dao
from core.errors import AssayError
from core.ops.audit import AuditAction, Subject, audit_principal
from core.principal import Role, Scope
from tests.core.ops.audited_scene import ADDRESS, PASSWORD, Line, Scene

NEW_PASSWORD = "staple correct horse"
SECRET = "sk-" + "a" * 40


def _sign_in(scene: Scene) -> list[Line]:
    ticket = scene.bench.accounts.sign_in(scene.ann.email, PASSWORD, address=ADDRESS)
    scene.bench.accounts.redeem_ticket(ticket, address=ADDRESS, agent="test")
    return scene.lines.new()


def _wrong_password(scene: Scene) -> list[Line]:
    with pytest.raises(AssayError):
        scene.bench.accounts.sign_in(scene.ann.email, "wrong", address=ADDRESS)
    return scene.lines.new()


def _sign_out(scene: Scene) -> list[Line]:
    cookie, _ = scene.session(scene.ann)
    scene.lines.new()
    scene.bench.accounts.sign_out(cookie)
    scene.bench.accounts.sign_out(cookie)
    return scene.lines.new()


def _end_session(scene: Scene) -> list[Line]:
    _, other = scene.session(scene.ann)
    _, here = scene.session(scene.ann)
    scene.lines.new()
    assert other.credential_id is not None
    scene.bench.accounts.end_session(here, other.credential_id)
    return scene.lines.new()


def _end_others(scene: Scene) -> list[Line]:
    scene.session(scene.ann)
    _, here = scene.session(scene.ann)
    scene.lines.new()
    scene.bench.accounts.end_other_sessions(here)
    scene.bench.accounts.end_other_sessions(here)
    return scene.lines.new()


def _change_password(scene: Scene) -> list[Line]:
    _, here = scene.session(scene.ann)
    scene.lines.new()
    scene.bench.accounts.change_password(here, PASSWORD, NEW_PASSWORD, address=ADDRESS)
    return scene.lines.new()


def _switch(scene: Scene) -> list[Line]:
    scene.bench.directory.add_user(scene.ann.email, org_name="Other", plan="team", role=Role.ANALYST)
    there = scene.bench.directory.member(scene.ann.email, "Other").org_id
    _, here = scene.session(scene.ann)
    scene.lines.new()
    scene.bench.accounts.switch_organisation(here, there)
    found = scene.lines.new()
    assert [line.org_id for line in found] == [scene.ann.org_id, there]
    return found


def _make_token(scene: Scene) -> list[Line]:
    scene.bench.tokens.create(scene.ann, "Script", scopes=[Scope.READ], days=7)
    return scene.lines.new()


def _revoke_token(scene: Scene) -> list[Line]:
    scene.bench.tokens.create(scene.ann, "Script", scopes=[Scope.READ], days=7)
    scene.lines.new()
    scene.bench.tokens.revoke(scene.ann, scene.bench.tokens.all(scene.ann)[0].id)
    return scene.lines.new()


def _invite(scene: Scene) -> list[Line]:
    scene.bench.members.invite(scene.ann, "cleo@test.example", Role.ANALYST)
    return scene.lines.new()


def _invited(scene: Scene) -> tuple[str, UUID]:
    link = scene.bench.members.invite(scene.ann, "cleo@test.example", Role.ANALYST)
    assert link is not None
    scene.lines.new()
    return link.partition("token=")[2], scene.bench.members.invitations(scene.ann)[0].id


def _invite_again(scene: Scene) -> list[Line]:
    _, invitation_id = _invited(scene)
    scene.bench.members.invite_again(scene.ann, invitation_id)
    return scene.lines.new()


def _take_back(scene: Scene) -> list[Line]:
    _, invitation_id = _invited(scene)
    scene.bench.members.take_back(scene.ann, invitation_id)
    return scene.lines.new()


def _set_role(scene: Scene) -> list[Line]:
    scene.bench.members.set_role(scene.ann, scene.bob.user_id, Role.VIEWER)
    scene.bench.members.set_role(scene.ann, scene.bob.user_id, Role.VIEWER)
    return scene.lines.new()


def _remove(scene: Scene) -> list[Line]:
    scene.bench.members.remove(scene.ann, scene.bob.user_id)
    return scene.lines.new()


def _leave(scene: Scene) -> list[Line]:
    scene.bench.members.remove(scene.bob, scene.bob.user_id)
    return scene.lines.new()


def _make_account(scene: Scene) -> list[Line]:
    token, _ = _invited(scene)
    scene.bench.joining.make_account(token, PASSWORD, "Cleo")
    return scene.lines.new()


def _accept(scene: Scene) -> list[Line]:
    scene.bench.directory.add_user("cleo@test.example", org_name="Cleo's", plan="free", role=Role.OWNER)
    cleo = scene.bench.directory.member("cleo@test.example", "Cleo's")
    token, _ = _invited(scene)
    scene.bench.joining.accept(cleo, token)
    return scene.lines.new()


def _add_user(scene: Scene) -> list[Line]:
    scene.bench.directory.add_user("dan@test.example", org_name="Dan's", plan="free", role=Role.OWNER, is_operator=True)
    scene.bench.directory.add_user("dan@test.example", org_name="Dan's", plan="free", role=Role.OWNER)
    return scene.lines.new()


def _command_token(scene: Scene) -> list[Line]:
    scene.bench.directory.create_token(scene.ann.email)
    return scene.lines.new()


def _deactivate(scene: Scene) -> list[Line]:
    scene.bench.directory.set_active(scene.bob.email, is_active=False)
    scene.bench.directory.set_active(scene.bob.email, is_active=False)
    scene.bench.directory.set_active(scene.bob.email, is_active=True)
    return scene.lines.new()


def _erase(scene: Scene) -> list[Line]:
    scene.bench.directory.erase(scene.bob.email)
    return scene.lines.new()


def _erase_as_operator(scene: Scene) -> list[Line]:
    scene.bench.admin.erasure.erase(scene.operator, scene.bob.user_id)
    return scene.lines.new()


def _set_plan(scene: Scene) -> list[Line]:
    scene.bench.directory.set_plan("Acme", "premium")
    scene.bench.directory.set_plan("Acme", "premium")
    return scene.lines.new()


def _keep_profile(scene: Scene) -> list[Line]:
    profile = scene.bench.profiles.profile(scene.ann)
    scene.bench.profiles.keep(scene.ann, profile)
    scene.bench.profiles.keep(scene.ann, replace(profile, name="Ann Lee", zone="Asia/Kolkata"))
    return scene.lines.new()


def _change_profile(scene: Scene) -> list[Line]:
    scene.bench.profiles.change(scene.ann, {"gets_notices": False})
    return scene.lines.new()


def _keep_organisation(scene: Scene) -> list[Line]:
    settings = scene.bench.profiles.organisation(scene.ann)
    scene.bench.profiles.keep_organisation(scene.ann, settings)
    scene.bench.profiles.keep_organisation(
        scene.ann, replace(settings, benchmark="NDX", risk_free_rate=Decimal("0.02"))
    )
    return scene.lines.new()


def _add_key(scene: Scene) -> list[Line]:
    scene.bench.provider_keys.add(scene.ann, KeyDraft("openai", "Ours", SecretStr(SECRET)))
    return scene.lines.new()


def _kept_key(scene: Scene) -> UUID:
    made = scene.bench.provider_keys.add(scene.ann, KeyDraft("openai", "Ours", SecretStr(SECRET)))
    scene.lines.new()
    return made


def _change_key(scene: Scene) -> list[Line]:
    key_id = _kept_key(scene)
    change = KeyChange("Ours", limit_usd_month=Decimal(5), secret=SecretStr(SECRET + "b"))
    scene.bench.provider_keys.change(scene.ann, key_id, change)
    return scene.lines.new()


def _revoke_key(scene: Scene) -> list[Line]:
    scene.bench.provider_keys.revoke(scene.ann, _kept_key(scene))
    return scene.lines.new()


def _refuse_key(scene: Scene) -> list[Line]:
    key_id = _kept_key(scene)
    scene.bench.provider_keys.note_refused(scene.ann, key_id)
    scene.bench.provider_keys.note_refused(scene.ann, key_id)
    return scene.lines.new()


def _keep_flag(scene: Scene) -> list[Line]:
    scene.bench.flags.keep(scene.operator, Flag("beta", percentage=Decimal(10)))
    scene.bench.flags.keep(scene.operator, Flag("beta", percentage=Decimal(20)))
    return scene.lines.new()


def _remove_flag(scene: Scene) -> list[Line]:
    scene.bench.flags.keep(scene.operator, Flag("beta"))
    scene.lines.new()
    scene.bench.flags.remove(scene.operator, "beta")
    return scene.lines.new()


def _started(scene: Scene) -> Experiment:
    variant = next(iter(scene.bench.experiments.variants["model"]))
    task = next(iter(sorted(scene.bench.experiments.tasks)))
    return scene.bench.experiments.start(
        scene.operator, Experiment(name="Try", kind="model", task=task, variant=variant, percentage=Decimal(10))
    )


def _start_experiment(scene: Scene) -> list[Line]:
    _started(scene)
    return scene.lines.new()


def _end_experiment(scene: Scene) -> list[Line]:
    started = _started(scene)
    scene.lines.new()
    assert started.id is not None
    scene.bench.experiments.end(scene.operator, started.id)
    return scene.lines.new()


Try = Callable[[Scene], list[Line]]
TRIED: dict[Callable[..., Any], list[tuple[Try, list[AuditAction]]]] = {
    Accounts.sign_in: [(_wrong_password, [AuditAction.SIGN_IN_FAILED])],
    Accounts.redeem_ticket: [(_sign_in, [AuditAction.SIGNED_IN])],
    Accounts.sign_out: [(_sign_out, [AuditAction.SIGNED_OUT])],
    Accounts.end_session: [(_end_session, [AuditAction.SESSIONS_ENDED])],
    Accounts.end_other_sessions: [(_end_others, [AuditAction.SESSIONS_ENDED])],
    Accounts.change_password: [(_change_password, [AuditAction.PASSWORD_CHANGED])],
    Accounts.switch_organisation: [(_switch, [AuditAction.SESSION_MOVED] * 2)],
    Tokens.create: [(_make_token, [AuditAction.TOKEN_MADE])],
    Tokens.revoke: [(_revoke_token, [AuditAction.TOKEN_REVOKED])],
    Members.invite: [(_invite, [AuditAction.INVITED])],
    Members.invite_again: [(_invite_again, [AuditAction.INVITED])],
    Members.take_back: [(_take_back, [AuditAction.INVITATION_WITHDRAWN])],
    Members.set_role: [(_set_role, [AuditAction.MEMBER_ROLE_CHANGED])],
    Members.remove: [(_remove, [AuditAction.MEMBER_REMOVED]), (_leave, [AuditAction.MEMBER_LEFT])],
    Joining.make_account: [(_make_account, [AuditAction.USER_MADE, AuditAction.MEMBER_JOINED])],
    Joining.accept: [(_accept, [AuditAction.MEMBER_JOINED])],
    Directory.add_user: [
        (
            _add_user,
            [
                AuditAction.ORGANISATION_MADE,
                AuditAction.USER_MADE,
                AuditAction.OPERATOR_MADE,
                AuditAction.MEMBER_JOINED,
            ],
        )
    ],
    Directory.create_token: [(_command_token, [AuditAction.TOKEN_MADE])],
    Directory.set_active: [(_deactivate, [AuditAction.USER_DEACTIVATED, AuditAction.USER_REACTIVATED])],
    Directory.erase: [(_erase, [AuditAction.USER_ERASED])],
    Erasure.erase: [(_erase_as_operator, [AuditAction.USER_ERASED])],
    Directory.set_plan: [(_set_plan, [AuditAction.PLAN_SET])],
    Profiles.keep: [(_keep_profile, [AuditAction.PROFILE_CHANGED])],
    Profiles.change: [(_change_profile, [AuditAction.PROFILE_CHANGED])],
    Profiles.keep_organisation: [(_keep_organisation, [AuditAction.ORGANISATION_CHANGED])],
    ProviderKeys.add: [(_add_key, [AuditAction.PROVIDER_KEY_ADDED])],
    ProviderKeys.change: [(_change_key, [AuditAction.PROVIDER_KEY_CHANGED])],
    ProviderKeys.revoke: [(_revoke_key, [AuditAction.PROVIDER_KEY_REVOKED])],
    ProviderKeys.note_refused: [(_refuse_key, [AuditAction.PROVIDER_KEY_REFUSED])],
    Flags.keep: [(_keep_flag, [AuditAction.FLAG_SET] * 2)],
    Flags.remove: [(_remove_flag, [AuditAction.FLAG_REMOVED])],
    Experiments.start: [(_start_experiment, [AuditAction.EXPERIMENT_STARTED])],
    Experiments.end: [(_end_experiment, [AuditAction.EXPERIMENT_ENDED])],
}
"""What is done with each method that changes something, and the lines that it leaves."""

_READS = "changes nothing"
EXCUSED: dict[Callable[..., Any], str] = {
    Accounts.ticket: "a ticket lives for seconds; what is opened with it is a line",
    Accounts.principal_of_session: "keeps when a session was seen last",
    Accounts.principal_of_token: "keeps when a token was used last",
    Accounts.sessions: _READS,
    Accounts.organisations: _READS,
    Accounts.count_request: "counts requests of an address",
    Accounts.forget_failures: "belongs to a reset of the password, which is a line",
    Tokens.all: _READS,
    Members.all: _READS,
    Members.invitations: _READS,
    Members.seats: _READS,
    Joining.request_account: "mails a link to an address that is nobody's yet; the account made by it is a line",
    Joining.request_reset: "mails a link; anybody may ask for it, and the new password is a line",
    Joining.look_at: _READS,
    Joining.reset_password: "tried below, since it takes the mailed link",
    OpenId.claims_of: _READS,
    OpenId.sign_in: "tried below, since it takes a provider's claims",
    Directory.member: _READS,
    Directory.owner: _READS,
    Directory.has_user: _READS,
    Directory.organisation_id: _READS,
    Profiles.profile: _READS,
    Profiles.organisation: _READS,
    ProviderKeys.all: _READS,
    ProviderKeys.usable: _READS,
    ProviderKeys.warn: "notes that somebody was told",
    Flags.is_on: _READS,
    Flags.offers: _READS,
    Flags.all: _READS,
    Flags.close: _READS,
    Experiments.assigned: _READS,
    Experiments.all: _READS,
    Experiments.compared: _READS,
    Experiments.close: _READS,
}
SERVICES = (
    Accounts, Tokens, Members, Joining, OpenId, Directory, Erasure, Profiles, ProviderKeys, Flags, Experiments,
)  # fmt: skip


OTHER_CLASSES = {
    "Seats": "only refuses",
    "TokenUses": "notes from where tokens are used",
    "Tours": "notes that somebody saw the tour",
}
"""Classes of accounts that are given the database and change nothing that is to be recorded."""


def test_no_service_of_accounts_is_forgotten() -> None:
    found = {
        name
        for module in pkgutil.iter_modules(accounts.__path__)
        for name, each in inspect.getmembers(importlib.import_module(f"core.accounts.{module.name}"), inspect.isclass)
        if each.__module__.startswith("core.accounts.") and "database" in inspect.signature(each).parameters
    }
    assert found - {each.__name__ for each in SERVICES} - OTHER_CLASSES.keys() == set()


@pytest.mark.parametrize("service_class", SERVICES, ids=lambda each: each.__name__)
def test_every_method_is_tried_or_excused(service_class: type) -> None:
    methods = {
        method for name, method in inspect.getmembers(service_class, inspect.isfunction) if not name.startswith("_")
    }
    assert {method.__qualname__ for method in methods - TRIED.keys() - EXCUSED.keys()} == set()


CASES = [(method, attempt, actions) for method, tries in TRIED.items() for attempt, actions in tries]


@pytest.mark.parametrize(
    ("method", "attempt", "actions"), CASES, ids=[f"{case[0].__qualname__}-{case[1].__name__}" for case in CASES]
)
def test_a_change_leaves_its_line(
    method: Callable[..., Any], attempt: Try, actions: list[AuditAction], scene: Scene
) -> None:
    found = attempt(scene)
    assert [line.action for line in found] == actions
    people = (scene.ann, scene.bob)
    kept = str([(line.subject, line.before, line.after) for line in found])
    for secret in (PASSWORD, NEW_PASSWORD, SECRET, "Ann Lee", *(person.email for person in people)):
        assert secret not in kept
    if not isinstance(found[0].org_id, UUID):
        assert method.__qualname__.split(".")[0] in ("Flags", "Experiments"), "the rest is of an organisation"


BEFORE_AND_AFTER: dict[Try, tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]] = {
    _set_role: ({"role": "analyst"}, {"role": "viewer"}),
    _remove: ({"role": "analyst"}, None),
    _set_plan: ({"plan": "team"}, {"plan": "premium"}),
    _keep_profile: ({"name": "before", "zone": None}, {"name": "withheld", "zone": "Asia/Kolkata"}),
    _change_profile: ({"gets_notices": True}, {"gets_notices": False}),
    _keep_organisation: (
        {"benchmark": "SP500", "risk_free_rate": "0.040000"},
        {"benchmark": "NDX", "risk_free_rate": "0.020000"},
    ),
    _change_key: ({"limit_usd_month": None, "is_replaced": None}, {"limit_usd_month": "5.00", "is_replaced": True}),
    _make_token: (None, {"scopes": ["read"], "days": 7}),
    _take_back: ({"role": "analyst"}, None),
    _invite: (None, {"role": "analyst", "address": "c…@test.example"}),
}


@pytest.mark.parametrize("attempt", BEFORE_AND_AFTER, ids=lambda attempt: attempt.__name__)
def test_a_line_has_what_was_and_what_is(attempt: Try, scene: Scene) -> None:
    [line] = attempt(scene)
    assert (line.before, line.after) == BEFORE_AND_AFTER[attempt]


def test_a_flag_that_is_changed_tells_the_changed_fields(scene: Scene) -> None:
    made, changed = _keep_flag(scene)
    assert made.before is None
    assert made.after is not None and made.after["percentage"] == "10.00"
    assert (changed.before, changed.after) == ({"percentage": "10.00"}, {"percentage": "20.00"})
    assert changed.actor_kind == "operator"


def test_wrong_passwords_are_of_the_user_or_of_nobody_and_tell_when_they_block(scene: Scene) -> None:
    [line] = _wrong_password(scene)
    assert (line.org_id, line.actor, line.subject) == (scene.ann.org_id, None, ("user", str(scene.ann.user_id)))
    with pytest.raises(AssayError):
        scene.bench.accounts.sign_in("nobody@test.example", "wrong", address=ADDRESS)
    [line] = scene.lines.new()
    assert (line.org_id, line.subject[0]) == (None, "address")
    assert len(line.subject[1]) == 32
    actions = [_wrong_password(scene)[0].action for _ in range(4)]
    assert actions[-1] == AuditAction.SIGN_IN_BLOCKED or AuditAction.SIGN_IN_BLOCKED in actions


def test_a_password_that_is_reset_leaves_its_line(scene: Scene) -> None:
    scene.session(scene.ann)
    scene.lines.new()
    with scene.bench.database.service() as connection:
        joining_dao.add_link(
            connection,
            token_hash=digest("link"),
            purpose="reset",
            email=scene.ann.email,
            name=scene.ann.name,
            user_id=scene.ann.user_id,
            life=timedelta(hours=1),
        )
    scene.bench.joining.reset_password("link", NEW_PASSWORD)
    [line] = scene.lines.new()
    assert (line.action, line.actor, line.org_id) == (AuditAction.PASSWORD_RESET, scene.ann.user_id, scene.ann.org_id)
    assert line.after == {"sessions_ended": 1}


def test_a_provider_of_sign_in_that_is_linked_leaves_its_line(scene: Scene) -> None:
    now = datetime.now(UTC)
    claims = Claims(
        issuer="https://issuer.example",
        subject="subject",
        email=scene.ann.email,
        is_email_verified=True,
        name="Ann",
        issued_at=now,
        expires_at=now + timedelta(hours=1),
        fingerprint=b"1" * 32,
    )
    scene.bench.openid.sign_in(claims)
    scene.bench.openid.sign_in(replace(claims, fingerprint=b"2" * 32))
    [line] = scene.lines.new()
    assert (line.action, line.actor) == (AuditAction.IDENTITY_LINKED, scene.ann.user_id)
    assert line.after == {"issuer": "https://issuer.example"}


def test_encryption_that_is_rotated_leaves_its_line(scene: Scene) -> None:
    database = scene.bench.database
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with database.service() as connection:
        key_id = _kept_key(scene)
        kept = Encryption([old]).encrypt(SECRET)
        connection.execute(text("UPDATE provider_keys SET secret = :s WHERE id = :id"), {"s": kept, "id": key_id})
    rotate(database, Encryption([new, old]))
    [line] = scene.lines.new()
    assert (line.action, line.actor_kind, line.after) == (AuditAction.SECRETS_ROTATED, "command", {"renewed": 1})
    rotate(database, Encryption([new, old]))
    assert scene.lines.new() == []


def test_a_refused_change_leaves_nothing(scene: Scene) -> None:
    with pytest.raises(AssayError):
        scene.bench.members.remove(scene.ann, scene.ann.user_id)
    with pytest.raises(AssayError):
        scene.bench.flags.remove(scene.operator, "there.is.none")
    assert scene.lines.new() == []


def test_a_principal_of_a_command_is_told_from_one_at_the_page(scene: Scene) -> None:
    subject = Subject("x", "x")
    assert audit_principal(scene.ann, AuditAction.PLAN_SET, subject).actor_kind == "command"
    at_page = replace(scene.ann, via="session")
    assert audit_principal(at_page, AuditAction.PLAN_SET, subject).actor_kind == "member"
    everything = audit_principal(at_page, AuditAction.PLAN_SET, subject, as_operator=True)
    assert (everything.actor_kind, everything.org_id) == ("operator", None)

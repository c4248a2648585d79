"""Whose rows somebody may look over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.admin.reach import may_oversee, reach_of
from core.errors import Forbidden
from core.principal import EVERY_SCOPE, Principal, Role, Scope
from tests.conftest import MakeMember


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_those_who_manage_look_over_their_organisation_and_no_other(member: MakeMember, role: Role) -> None:
    ann = member("ann", org="Acme", role=role)
    assert reach_of(ann, everything=False) == ann.org_id
    assert may_oversee(ann)
    with pytest.raises(Forbidden, match="takes the role of an operator"):
        reach_of(ann, everything=True)


@pytest.mark.parametrize("role", [Role.ANALYST, Role.VIEWER])
@pytest.mark.parametrize("everything", [False, True])
def test_others_look_over_nothing(member: MakeMember, role: Role, everything: bool) -> None:
    ann = member("ann", org="Acme", role=role)
    with pytest.raises(Forbidden):
        reach_of(ann, everything=everything)
    assert not may_oversee(ann)


@pytest.mark.parametrize("role", list(Role))
def test_operators_look_over_everything_or_the_organisation_they_are_in(member: MakeMember, role: Role) -> None:
    olga = replace(member("olga", org="Acme", role=role), is_operator=True)
    assert reach_of(olga, everything=True) is None
    assert reach_of(olga, everything=False) == olga.org_id


def test_a_token_needs_the_scope_that_the_role_needs(olga: Principal) -> None:
    reader = replace(olga, via="token", scopes=EVERY_SCOPE - {Scope.ADMIN})
    for everything in (False, True):
        with pytest.raises(Forbidden, match="lacks the scope admin"):
            reach_of(reader, everything=everything)

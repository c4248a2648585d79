"""Members: who belongs to the organisation and as what, who is invited, and how many seats are left."""

from __future__ import annotations

from core import workbench
from core.principal import Role
from pages.components import members_invitations, members_list, members_seats
from pages.components.errors import show_errors
from pages.components.headings import page_head
from pages.components.session import require

principal = require(*(role for role in Role if role.manages))
bench = workbench.current()

page_head("Members", plan=principal.plan)
with show_errors(principal):
    members, invitations = bench.members.all(principal), bench.members.invitations(principal)
    members_seats.show(len(members), invitations, bench.members.seats(principal))
    members_invitations.show_form("members_invite", principal)
    members_list.show("members_list", principal, members)
    members_invitations.show("members_invitations", principal, invitations)

"""Access tokens: with which programs act for their owner in this organisation."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from uuid import UUID
from zoneinfo import ZoneInfo

import streamlit as st

from core import workbench
from core.accounts.tokens import MAX_DAYS, scopes_of
from core.db.tokens_dao import TokenRow
from core.principal import Principal, Scope
from pages.components import secret_once
from pages.components.badges import Badge
from pages.components.confirm import Question, confirm_button
from pages.components.forms import saving, submit_button, text_field
from pages.components.headings import section
from pages.components.rows import Row, show_list, show_row
from pages.components.session import require
from pages.components.states import show_empty
from pages.components.words import when

SECRET = "settings_token"  # noqa: S105 (where it is kept, not what it is)
MADE = "settings_tokens_made"
DAYS = 90
SOON_DAYS = 7
SCOPES = {
    Scope.READ: ("Read", "see what you see"),
    Scope.ASK: ("Ask", "ask models within your limits, and keep conversations"),
    Scope.ADMIN: ("Admin", "change your profile, and what your role may manage"),
}
"""What each scope is called, and what it lets a program do."""
EXAMPLES = """\
curl {address}/api/ai/chat \\
  -H "Authorization: Bearer $ASSAY_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{{"message": "What is duration?"}}'

# with OpenAI's client for Python
client = openai.OpenAI(base_url="{address}/v1", api_key=os.environ["ASSAY_TOKEN"])
"""


def show(principal: Principal) -> None:
    """The new token, once; those that there are; the form for another one; how a program uses it."""
    tokens = workbench.current().tokens
    section("Access tokens", f"With a token a program acts for you, in {principal.org_name} alone.")
    secret_once.show(SECRET, "token")
    rows = tokens.all(principal)
    if rows:
        with show_list("settings_tokens"):
            for row in rows:
                with show_row(_row(row, principal)):
                    _show_revoke(row)
    else:
        show_empty("No tokens yet", "A token that you make is listed here, until it ends.", icon=":material/key:")
    _show_form(principal)
    _show_use()


def _row(row: TokenRow, principal: Principal) -> Row:
    now, zone = datetime.now(UTC), ZoneInfo(principal.zone)
    details = [
        ", ".join(SCOPES[scope][0] for scope in SCOPES if scope in row.scopes),
        f"made on {_day(row.created_at, zone)}",
        f"ends on {_day(row.expires_at, zone)}" if row.expires_at else "does not end by itself",
        f"last used {when(row.last_used_at, now, principal.zone)}" if row.last_used_at else "never used",
    ]
    ends_soon = row.expires_at is not None and (row.expires_at - now).days < SOON_DAYS
    badges = (Badge("Ends soon", "orange", ":material/schedule:"),) if ends_soon else ()
    return Row(row.name, " · ".join(details), badges, icon=":material/key:")


def _show_revoke(row: TokenRow) -> None:
    question = Question(
        "Revoke this token?",
        "Programs that use it are refused at once. This cannot be taken back.",
        "Revoke",
        subject=row.name,
        done="The token is revoked",
    )
    confirm_button(f"settings_revoke_{row.id}", "Revoke", question, partial(_revoke, row.id))


def _revoke(token_id: UUID) -> None:
    workbench.current().tokens.revoke(require(), token_id)


def _show_form(principal: Principal) -> None:
    may_have, made = scopes_of(principal.role), st.session_state.get(MADE, 0)
    with st.form(f"settings_new_token_{made}"):  # another form once a token was made, so that it is empty
        st.markdown("**Make a token**")
        name = text_field(
            "Name", required=True, autocomplete="off", hint="By which you know it again.", key=f"settings_name_{made}"
        )
        chosen = {
            scope: st.checkbox(f"{label}: {what}", scope is Scope.READ, key=f"settings_scope_{scope}_{made}")
            for scope, (label, what) in SCOPES.items()
            if scope in may_have
        }
        days = st.number_input("Valid for how many days", 1, MAX_DAYS, DAYS, width=220, key=f"settings_days_{made}")
        if submit_button("Make token"):
            scopes = [scope for scope, is_chosen in chosen.items() if is_chosen]
            with saving("The token is made", principal):
                token = workbench.current().tokens.create(principal, name, scopes=scopes, days=int(days))
                secret_once.keep(SECRET, token)
                st.session_state[MADE] = made + 1


def _show_use() -> None:
    address = workbench.current().settings.address
    with st.expander("How a program uses it", icon=":material/terminal:"):
        st.markdown(
            "It goes into the header `Authorization` of every call: of `/api`, and of `/v1`, which speaks as OpenAI "
            "does. Keep it as you keep a password: in a variable of the environment, never in code."
        )
        st.markdown(f"[What /api takes and answers]({address}/api/docs)")
        st.code(EXAMPLES.format(address=address), language="bash", wrap_lines=True)


def _day(moment: datetime, zone: ZoneInfo) -> str:
    at = moment.astimezone(zone)
    return f"{at.day} {at:%B %Y}"

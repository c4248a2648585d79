"""The script that every visit runs: lets people in, and holds the only list of pages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import streamlit as st

from core import workbench
from core.errors import DatabaseUnavailable
from core.principal import Principal, Role
from core.settings import VERSION
from pages.components import connection, notifications_bell, session, tour
from pages.components.frame import show_logo, show_sidebar
from pages.components.theme import show_style

SIGN_IN = "Sign in · Assay"
ABOUT = f"**Assay {VERSION}**  \nWhat each signal, each AI verdict and each AI dollar was worth."
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Room:
    """A page: its file is also its address."""

    file: str
    title: str
    icon: str
    help: str
    roles: frozenset[Role] = frozenset(Role)
    visibility: Literal["visible", "hidden"] = "visible"
    opens_to_operators: bool = False
    """Whether those who run the installation find it in any role."""

    def opens_to(self, principal: Principal) -> bool:
        """Whether this person finds the page at all."""
        return principal.role in self.roles or (self.opens_to_operators and principal.is_operator)


MANAGERS = frozenset(role for role in Role if role.manages)
ROOMS = (
    Room("chat.py", "Chat", ":material/forum:", "Ask a model; see what each answer cost and what is left."),
    Room("screener.py", "Screener", ":material/filter_alt:", "Scan a market; see what its signals were worth."),
    Room("verdicts.py", "Verdicts", ":material/verified:", "What models said of signals, and what it was worth."),
    Room(
        "symbol.py", "Symbol", ":material/candlestick_chart:", "One instrument: price, chart, figures, news, filings."
    ),
    Room(
        "portfolio.py",
        "Portfolio",
        ":material/account_balance:",
        "What you hold: value, returns, risk, income, and what would lead to your targets.",
    ),
    Room("usage.py", "Usage", ":material/data_usage:", "Your limits, what was used and spent, and the log."),
    Room("billing.py", "Billing", ":material/toll:", "Your plan beside the others, your credits and where they went."),
    Room("members.py", "Members", ":material/group:", "Who belongs to your organisation, and as what.", MANAGERS),
    Room("settings.py", "Settings", ":material/settings:", "Your profile, sign-in and tokens; your organisation."),
    Room(
        "admin.py",
        "Admin",
        ":material/monitoring:",
        "Who uses what, what it costs, and whether it is healthy.",
        MANAGERS,
        opens_to_operators=True,
    ),
    Room("link.py", "Invitation", ":material/mail:", "What a link in a mail is for.", visibility="hidden"),
)
DOORS = ("sign_up.py", "forgot.py", "link.py")
"""What is there for those who are not signed in, beside the sign-in form at every other address."""


def every_address(script: str, title: str, *, but: Collection[str] = ()) -> list[st.Page]:
    """Every address, answered by one script: whoever is let in later finds what they asked for."""
    files = dict.fromkeys([*(room.file for room in ROOMS), *DOORS])
    places = [st.Page(HERE / script, title=title, url_path=Path(file).stem) for file in files if file not in but]
    return [st.Page(HERE / script, title=title, url_path="home", default=True), *places]


def doors() -> list[st.Page]:
    """What stands open to whoever is not signed in; at every other address the sign-in form."""
    return [*every_address("sign_in.py", SIGN_IN, but=DOORS), *(st.Page(HERE / file, title=SIGN_IN) for file in DOORS)]


def rooms_of(principal: Principal) -> list[st.Page]:
    """The pages that this person may open, and the ways in, which have no page of their own."""
    rooms = [
        st.Page(HERE / room.file, title=room.title, icon=room.icon, help=room.help, visibility=room.visibility)
        for room in ROOMS
        if room.opens_to(principal)
    ]

    def enter() -> None:
        st.switch_page(rooms[0])

    own = {room.file for room in ROOMS}
    ways_in = [
        st.Page(enter, title="Assay", url_path=Path(file).stem, visibility="hidden")
        for file in DOORS
        if file not in own
    ]
    return [st.Page(enter, title="Assay", url_path="home", default=True, visibility="hidden"), *rooms, *ways_in]


def main() -> None:
    """Sign-in form, outage, or the page that was asked for: `st.navigation` is called in every case."""
    st.set_page_config(page_icon=str(HERE / "assets" / "favicon.png"))
    show_style()
    try:
        principal = session.arrive()
        organisations = workbench.current().accounts.organisations(principal) if principal else []
    except DatabaseUnavailable:
        show_logo()
        st.navigation(every_address("outage.py", "Assay"), position="hidden").run()
        return
    if principal is None:
        st.navigation(doors(), position="hidden").run()
        return
    page = st.navigation(rooms_of(principal))
    # A menu with an entry of ours is shown, and holds the choice between light and dark.
    st.set_page_config(page_title=f"{page.title} · Assay", menu_items={"About": ABOUT})
    show_logo()
    show_sidebar(principal, organisations)
    with st.sidebar:
        notifications_bell.show("bell", principal)
        tour.show_offer("tour", principal)
    connection.watch()
    tour.show_stop("tour", principal, [room.file for room in ROOMS if room.opens_to(principal)])
    page.run()


main()

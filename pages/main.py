"""The script that every visit runs: lets people in, and holds the only list of pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.errors import DatabaseUnavailable
from core.principal import Principal, Role
from core.settings import VERSION
from pages.components import session
from pages.components.frame import show_logo, show_sidebar

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

    def opens_to(self, principal: Principal) -> bool:
        """Whether this person finds the page at all."""
        return principal.role in self.roles


ROOMS = (
    Room("chat.py", "Chat", ":material/forum:", "Ask a model; see what each answer cost and what is left."),
    Room("usage.py", "Usage", ":material/data_usage:", "Your limits, what was used and spent, and the log."),
)


def addresses_answered_by(script: str, title: str) -> list[st.Page]:
    """Every address, answered by one script: whoever is let in later finds what they asked for."""
    places = [st.Page(HERE / script, title=title, url_path=Path(room.file).stem) for room in ROOMS]
    return [st.Page(HERE / script, title=title, url_path="home", default=True), *places]


def rooms_of(principal: Principal) -> list[st.Page]:
    """The pages that this person may open, after the way in, which has no page of its own."""
    rooms = [
        st.Page(HERE / room.file, title=room.title, icon=room.icon, help=room.help)
        for room in ROOMS
        if room.opens_to(principal)
    ]
    way_in = st.Page(
        lambda: st.switch_page(rooms[0]), title="Assay", url_path="home", default=True, visibility="hidden"
    )
    return [way_in, *rooms]


def main() -> None:
    """Sign-in form, outage, or the page that was asked for: `st.navigation` is called in every case."""
    st.set_page_config(page_icon=str(HERE / "assets" / "favicon.png"))
    try:
        principal = session.current_principal()
    except DatabaseUnavailable:
        show_logo()
        st.navigation(addresses_answered_by("outage.py", "Assay"), position="hidden").run()
        return
    if principal is None:
        st.navigation(addresses_answered_by("sign_in.py", "Sign in · Assay"), position="hidden").run()
        return
    page = st.navigation(rooms_of(principal))
    # A menu with an entry of ours is shown, and holds the choice between light and dark.
    st.set_page_config(page_title=f"{page.title} · Assay", menu_items={"About": ABOUT})
    show_logo()
    show_sidebar(principal)
    page.run()


main()

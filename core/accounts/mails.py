"""What the workbench writes to people: in plain words, with one link."""

from __future__ import annotations

import re

from core.ops.mail import Mail

_LINK = re.compile(r"(?<=[./:@])(?=\w|/)")
"""Where a name begins to be taken for a link."""
_WORD_JOINER = "\u2060"
_SIGNED = "\n\nAssay, an analyst workbench\n{place}\n"
_NOT_YOU = "If it was not you, do nothing: nothing changes."


def join(to: str, link: str, place: str) -> Mail:
    """The link with which an account is made."""
    text = (
        "Somebody, hopefully you, wants to make an account at Assay with this address.\n\n"
        f"To confirm the address and choose a password, open\n\n{link}\n\n"
        f"The link works once, within a day. {_NOT_YOU}"
    )
    return Mail(to, "Confirm your address", text + _SIGNED.format(place=place))


def already_there(to: str, link: str, place: str) -> Mail:
    """To somebody who has an account and asked for another, or of whom somebody else did."""
    text = (
        "Somebody, hopefully you, wanted to make an account at Assay with this address. You have one already.\n\n"
        f"Sign in at {place}\n\nIf you do not know your password any more, ask for a new one at\n\n{link}\n\n{_NOT_YOU}"
    )
    return Mail(to, "You have an account already", text + _SIGNED.format(place=place))


def reset(to: str, link: str, place: str) -> Mail:
    """The link with which a new password is chosen."""
    text = (
        "Somebody, hopefully you, has forgotten the password of your account at Assay.\n\n"
        f"To choose a new one, open\n\n{link}\n\n"
        f"The link works once, within an hour. {_NOT_YOU}"
    )
    return Mail(to, "Choose a new password", text + _SIGNED.format(place=place))


def invitation(to: str, link: str, place: str, *, org_name: str, invited_by: str, role: str) -> Mail:
    """The link with which an organisation is joined."""
    text = (
        f"{_unlinked(invited_by)} invites you to {_unlinked(org_name)} at Assay, as {role}.\n\n"
        f"To join, open\n\n{link}\n\n"
        "The link works for this address alone, once, within a week. If you do not expect it, do nothing."
    )
    return Mail(to, f"Invitation to {org_name}", text + _SIGNED.format(place=place))


def password_changed(to: str, link: str, place: str) -> Mail:
    """What the owner of an account has to know."""
    text = (
        "The password of your account at Assay was changed, and every session was ended.\n\n"
        f"If it was not you, choose a new one at once:\n\n{link}"
    )
    return Mail(to, "Your password was changed", text + _SIGNED.format(place=place))


def role_changed(to: str, place: str, *, org_name: str, role: str | None) -> Mail:
    """To a member whose role was changed, or (None) who was removed."""
    name = _unlinked(org_name)
    what = f"Your role in {name} is now {role}." if role else f"You do not belong to {name} any more."
    return Mail(to, f"Your place in {org_name}", what + _SIGNED.format(place=place))


def _unlinked(name: str) -> str:
    """A name that somebody gave, in which no program for mails finds a link: the only one is ours."""
    return _LINK.sub(_WORD_JOINER, name)

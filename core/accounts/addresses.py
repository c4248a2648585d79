"""E-mail addresses, in the one form in which accounts have them."""

from __future__ import annotations

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email

from core.errors import InvalidRequest

MAX_ADDRESS_CHARS = 254

# A company may have its mail at .local or .test; whether a mail arrives is found out by sending it.
SPECIAL_USE_DOMAIN_NAMES.clear()


def normal_address(email: str) -> str:
    """The address in lower case without spaces around it, its domain in ASCII (RFC 5891): one address, one account.

    Raises:
        InvalidRequest: it is none, or the part before the @ is not made of Latin letters, digits and signs.
    """
    given = email.strip()
    if len(given) > MAX_ADDRESS_CHARS:
        raise InvalidRequest(f"An e-mail address has at most {MAX_ADDRESS_CHARS} characters.")
    if not given.rpartition("@")[0].isascii():
        raise InvalidRequest("In an e-mail address the part before the @ is made of Latin letters, digits and signs.")
    try:
        checked = validate_email(
            given, check_deliverability=False, globally_deliverable=False, allow_smtputf8=False, strict=True
        )
    except EmailNotValidError:
        raise InvalidRequest("The e-mail address must look like name@example.org.") from None
    return (checked.ascii_email or "").lower()


def looked_up(email: str) -> str:
    """The form in which an address is looked for at sign-in; what cannot be one is empty, and nobody's."""
    try:
        return normal_address(email)
    except InvalidRequest:
        given = email.strip().lower()
        return given if given.isprintable() and len(given) <= MAX_ADDRESS_CHARS else ""

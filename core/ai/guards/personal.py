"""Personal data and secrets in a text that is about to leave: found where they are certain, so that figures stay.

Prices, dates, quantities, identifiers of securities and filings, and order numbers in tables are never touched: a
number has to pass its check, and to stand where a person's would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from core.ai.guards.national_ids import national_ids_in
from core.ai.guards.secret_kinds import secrets_in
from core.ai.guards.spans import Span, without_overlaps

CONTEXT_CHARS = 40
"""Characters before a number that say what it is."""

_NAME = re.compile(r"(?<![\w.+%-])[A-Za-z0-9_%+-]+(?:\.[A-Za-z0-9_%+-]+)*$")
_DOMAIN = re.compile(r"@[^\W_](?:[\w-]{0,61}[^\W_])?(?:\.[^\W_](?:[\w-]{0,61}[^\W_])?){0,8}\.[^\W\d_]{2,24}(?![\w@])")
MAX_NAME_CHARS = 64
"""Characters before the sign of an address at most (RFC 5321)."""
_ASSIGNED = re.compile(
    r"(?<![a-z])(?:(?:pass(?:word|wd|phrase)|passwor[dt]|kennwort|mot de passe|contrase[nñ]a|api[_ -]?key"
    r"|secret[_ -]?key|access[_ -]?key|client[_ -]?secret|auth[_ -]?token|access[_ -]?token)[\"']?"
    r"(?: ?[:=] ?| (?:is|ist|est|es|lautet):? )|bearer )[\"'`]?([^\s\"'`,;<>(){}\[\]]{8,200})(?![(\[{])"
)
_ASSIGNED_MARKS = ("pass", "kennwort", "contrase", "key", "secret", "token", "bearer")
_INTERNATIONAL = re.compile(r"\+(?<![\w+.,]\+)[1-9]\d{0,3}[\d ().\-/]{5,18}\d(?!\w|[.,]\d| ?%)")
_AMERICAN = re.compile(
    r"[(\d](?<![\w.,+-][(\d])(?:(?<=\()\d{3}\) ?\d{3}[-. ]\d{4}|(?<=\d)\d{2}-\d{3}-\d{4})(?![\w-]|[.,]\d)"
)
_CALLED = re.compile(
    r"(?:phone|telephone|tel|call(?: me| us)?(?: at| on|:)|mobile|cell|fax|whatsapp|sms|telefon|handy|mobil|rufnummer"
    r"|t[eé]l[eé]phone|portable|tel[eé]fono|m[oó]vil|telefone|celular|cellulare|telefoon)"
    r"(?: (?:no|nr|number|nummer|is|ist|me|at|on|est"
    r"|es)\b)*[ .:#]{0,3}(?:\+\d{1,3} )?(\(?\d[\d ().\-/]{6,18}\d)(?!\w|[.,]\d)"
)
_CALLED_MARKS = (
    "phone",
    "tel",
    "call",
    "mob",
    "cell",
    "fax",
    "whatsapp",
    "sms",
    "handy",
    "ruf",
    "portable",
    "vil",
    "celu",
)
_THOUSANDS = re.compile(r"\+\d{1,3}(?:[ .]\d{3})+")
_MONEY = re.compile(r"^ ?(?:[€$£¥₹%]|[A-Z]{3}\b|bn\b|m\b|bps?\b|shares)")
_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "BR", "CH", "AT", "NL")
_CARD = re.compile(
    r"\d(?<![\w.,/+-]\d)(?<!\d \d)(?:\d{3}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{3}([ -])\d{6}\2\d{4,5}|\d{12,18})"
    r"(?!\w|[.,]\d|-\w| \d)"
)
_BRANDS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)
_OF_A_CARD = re.compile(
    r"card|visa|master ?card|amex|american express|credit|debit|karte|carte|tarjeta|\bcarta\b|\bpan\b|\bcc\b"
)
_OF_SOMETHING_ELSE = re.compile(
    r"order|trade|ref|\blot\b|batch|\bid\b|\bno\b|\bnr\b|num|serial|imei|acc(?:oun)?t|isin|cusip|lei\b"
    r"|sequence|volume|units"
    r"|time|epoch|txn|transaction|barcode|\bean\b|isbn|invoice|ticket|key|hash|\bcik\b"
)
_IBAN = re.compile(
    r"\d{2}(?<=[A-Za-z]{2}\d{2})(?<![\w.-][A-Za-z]{2}\d{2})(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?(?!\w)"
)
"""From its check digits on: a search that begins with a figure is quick."""
_LEAST_IBAN_CHARS = 15


def found_in(text: str) -> list[Span]:
    """What must not leave, in order, no two places overlapping."""
    spans = [*secrets_in(text), *_all_in(text)]
    return without_overlaps(spans) if spans else []


def _all_in(text: str) -> Iterator[Span]:
    small = text.lower()
    if len(small) != len(text):  # a letter whose small form is two
        small = "".join(each.lower()[:1] for each in text)
    yield from _assigned_in(text, small)
    if "@" in text:
        yield from _emails_in(text)
    if _HAS_DIGITS.search(text):
        yield from _phones_in(text, small)
        yield from _cards_in(text, small)
        yield from _ibans_in(text)
        yield from national_ids_in(text, small)


_HAS_DIGITS = re.compile(r"\d{2}")


def _assigned_in(text: str, small: str) -> Iterator[Span]:
    """What a text itself calls a password or a key."""
    if not any(mark in small for mark in _ASSIGNED_MARKS):
        return
    for found in _ASSIGNED.finditer(small):
        value = text[found.start(1) : found.end(1)].rstrip(".!?:")
        has_both = any(each.isdigit() for each in value) and any(each.isalpha() for each in value)
        if has_both and len(value) >= 8 and "://" not in value and not value.startswith(("$", "os.", "env.")):
            yield Span(found.start(1), found.start(1) + len(value), "SECRET")


def _emails_in(text: str) -> Iterator[Span]:
    for domain in _DOMAIN.finditer(text):
        first = max(0, domain.start() - MAX_NAME_CHARS)
        name = _NAME.search(text, first, domain.start())
        if name is not None and name[0] != "git":
            yield Span(name.start(), domain.end(), "EMAIL")


def _phones_in(text: str, small: str) -> Iterator[Span]:
    candidates: list[tuple[int, int, tuple[str | None, ...]]] = []
    if "+" in text:
        for found in _INTERNATIONAL.finditer(text):
            is_amount = _THOUSANDS.fullmatch(found[0]) or _MONEY.match(text[found.end() : found.end() + 8])
            candidates += [] if is_amount else [(*found.span(), (None,))]
    if "-" in text or ")" in text:
        for found in _AMERICAN.finditer(text):
            if not _OF_SOMETHING_ELSE.search(small[max(0, found.start() - CONTEXT_CHARS) : found.start()]):
                candidates.append((*found.span(), ("US",)))
    if any(mark in small for mark in _CALLED_MARKS):
        candidates += [(*found.span(1), _REGIONS) for found in _CALLED.finditer(small)]
    for start, end, regions in candidates:
        if any(_is_phone(text[start:end], region) for region in regions):
            yield Span(start, end, "PHONE")


def _is_phone(text: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, region))
    except phonenumbers.NumberParseException:
        return False


def _cards_in(text: str, small: str) -> Iterator[Span]:
    for found in _CARD.finditer(text):
        digits = re.sub(r"[ -]", "", found[0])
        if not _BRANDS.fullmatch(digits) or not _passes_luhn(digits):
            continue
        before = small[max(0, found.start() - CONTEXT_CHARS) : found.start()]
        is_bare = len(digits) == len(found[0])
        is_another = (
            (_OF_SOMETHING_ELSE.search(before) or _is_in_a_table(text, found)) if is_bare else _is_a_row(found[0])
        )
        if _OF_A_CARD.search(before) or not is_another:
            yield Span(*found.span(), "CARD")


def _passes_luhn(digits: str) -> bool:
    """The check of ISO/IEC 7812-1."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(each - 9 if each > 9 else each for each in doubled)) % 10 == 0


def _is_in_a_table(text: str, found: re.Match[str]) -> bool:
    """Whether its line has cells, of which it is one."""
    begin = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    line = text[begin : len(text) if end < 0 else end]
    return "\t" in line or "|" in line or ";" in line or line.count(",") - line.count(", ") >= 2


def _is_a_row(text: str) -> bool:
    """Whether the groups are figures of one row, such as strikes or years: each near the one before, all one way."""
    groups = [int(group) for group in text.split(" ") if len(group) == 4]
    if len(groups) < 3 or min(groups) == 0:
        return False
    rises = [second - first for first, second in pairwise(groups)]
    return max(groups) <= 2 * min(groups) and (min(rises) > 0 or max(rises) < 0)


def _ibans_in(text: str) -> Iterator[Span]:
    for found in _IBAN.finditer(text):
        start = found.start() - 2
        whole = text[start : found.end()]
        while len(whole) >= _LEAST_IBAN_CHARS:
            if _is_iban(whole):
                yield Span(start, start + len(whole), "IBAN")
                break
            whole = whole.rpartition(" ")[0]


def _is_iban(text: str) -> bool:
    from stdnum import iban

    compact = text.replace(" ", "").upper()
    return _has_iban_check(compact) and iban.is_valid(compact, check_country=False)


def _has_iban_check(compact: str) -> bool:
    """The check of ISO 13616, before the country's own form is looked at."""
    turned = compact[4:] + compact[:4]
    return int("".join(str(int(each, 36)) for each in turned)) % 97 == 1

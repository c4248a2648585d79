"""Numbers that states give to people, told by the words before them and by their check digits.

A row of digits alone is never taken for one: tables of prices, order numbers and identifiers of securities are full of
rows that pass somebody's check. Only those whose form nothing else has are found without words before them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from core.ai.guards.spans import Span

REACH = 48
"""Characters between a word and the end of the number that it speaks of, at most."""
MOST_WHOLE_CHARS = 4

Check = Callable[[str], bool]


def _by(module: str) -> Check:
    """The check of a country's number, whose module is loaded when one is first looked at."""

    def check(number: str) -> bool:
        return bool(import_module(f"stdnum.{module}").is_valid(number))

    return check


_NINO = re.compile(r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]\d{6}[A-D]")


def _is_nino(number: str) -> bool:
    """The form of a British National Insurance number, which has no check digit (HMRC NIM39110)."""
    return _NINO.fullmatch(re.sub(r"\s", "", number).upper()) is not None


@dataclass(frozen=True, slots=True)
class _NationalId:
    words: tuple[str, ...]
    """What stands before it, in small letters; one of four letters or fewer is a whole word."""
    form: re.Pattern[str]
    is_valid: Check


def _id(words: str, form: str, is_valid: Check) -> _NationalId:
    pattern = re.compile(rf"(?<![\w.,]){form}(?![\w]|[.,]\d)", re.IGNORECASE)
    return _NationalId(tuple(words.split("|")), pattern, is_valid)


_IDS = (
    _id("ssn|social security", r"\d{3}[- ]?\d{2}[- ]?\d{4}", _by("us.ssn")),
    _id("itin|taxpayer identification", r"9\d{2}[- ]?\d{2}[- ]?\d{4}", _by("us.itin")),
    _id(
        "steuer-id|steuerid|steueridentifikation|steuerliche identifikation|idnr|steuernummer|tax id",
        r"\d{2} ?\d{3} ?\d{3} ?\d{3}",
        _by("de.idnr"),
    ),
    _id(
        "sécurité sociale|securite sociale|nir|numéro de sécu|numero de secu|insee",
        r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[ab]) ?\d{3} ?\d{3} ?\d{2}",
        _by("fr.nir"),
    ),
    _id("national insurance|nino|ni no|ni number", r"[a-z]{2} ?\d{2} ?\d{2} ?\d{2} ?[a-d]", _is_nino),
    _id("nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", _by("gb.nhs")),
    _id("dni|nif|nie|documento nacional|identidad", r"\d{8}-?[a-z]", _by("es.dni")),
    _id("nie|dni|nif|extranjero", r"[xyz]-?\d{7}-?[a-z]", _by("es.nie")),
    _id("codice fiscale", r"[a-z]{6}\d{2}[a-z]\d{2}[a-z]\d{3}[a-z]", _by("it.codicefiscale")),
    _id("aadhaar|aadhar|uidai", r"\d{4} ?\d{4} ?\d{4}", _by("in_.aadhaar")),
    _id("pan|permanent account", r"[a-z]{5}\d{4}[a-z]", _by("in_.pan")),
    _id("cpf", r"\d{3}\.?\d{3}\.?\d{3}-?\d{2}", _by("br.cpf")),
    _id("bsn|burgerservice|sofinummer", r"\d{4}\.?\d{2}\.?\d{3}", _by("nl.bsn")),
    _id("pesel", r"\d{11}", _by("pl.pesel")),
    _id("personnummer|personal identity", r"(?:\d{2})?\d{6}[-+]?\d{4}", _by("se.personnummer")),
    _id("ahv|avs|sozialversicherung", r"756\.?\d{4}\.?\d{4}\.?\d{2}", _by("ch.ssn")),
    _id("rijksregister|registre national|national number", r"\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}", _by("be.nn")),
    _id("sin|social insurance", r"\d{3}[- ]?\d{3}[- ]?\d{3}", _by("ca.sin")),
    _id("tfn|tax file", r"\d{3} ?\d{3} ?\d{3}", _by("au.tfn")),
    _id("cpr|personnummer", r"\d{6}-?\d{4}", _by("dk.cpr")),
    _id("fødselsnummer|fodselsnummer", r"\d{6} ?\d{5}", _by("no.fodselsnummer")),
    _id("henkilötunnus|henkilotunnus|hetu", r"\d{6}[-+a-y]\d{3}[0-9a-y]", _by("fi.hetu")),
    _id("pps|ppsn", r"\d{7}[a-w][a-i]?", _by("ie.pps")),
    _id("contribuinte|nif", r"[123]\d{8}", _by("pt.nif")),
    _id("sozialversicherungsnummer|svnr", r"\d{4} ?\d{6}", _by("at.vnr")),
)
_LIKELY = re.compile(r"\d(?:[ .-]?\d){5}|[a-z]{5}\d{4}[a-z]|[a-z]{6}\d{2}[a-z]\d{2}")
"""Every form has so many digits in a row, or letters before them."""
_BY_WORD: dict[str, list[_NationalId]] = {}
for _each in _IDS:
    for _word in _each.words:
        _BY_WORD.setdefault(_word, []).append(_each)
_FORMS = (
    (re.compile(r"\d{3}-\d{2}-\d{4}(?![\w-]|[.,]\d)"), _by("us.ssn")),
    (re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}(?![\w-])"), _by("br.cpf")),
    (re.compile(r"756\.\d{4}\.\d{4}\.\d{2}(?![\w-])"), _by("ch.ssn")),
    (re.compile(r"[12] \d{2} \d{2} (?:\d{2}|2[ABab]) \d{3} \d{3} \d{2}(?!\w| \d)"), _by("fr.nir")),
)
"""Forms that nothing else has; what stands right before one is looked at afterwards, which is quicker."""
_CODICE_FISCALE = re.compile(r"(?<!\w)[A-Za-z]{6}\d{2}[A-Za-z]\d{2}[A-Za-z]\d{3}[A-Za-z](?!\w)")
_CODICE_FISCALE_CHARS = 16
_NOT_OF_A_PERSON = re.compile(
    r"(?:order|part|model|case|ref(?:erence)?|sku|item|lot|batch|ticket|invoice|acct|account|file|serial"
    r"|page|docket|matter)"
    r"[^\n]{0,24}$",
    re.IGNORECASE,
)


def national_ids_in(text: str, small: str) -> Iterator[Span]:
    """The numbers in a text; `small` is the text in small letters, of the same length."""
    if _LIKELY.search(small) is None:
        return
    yield from _by_form(text)
    for word, ids in _BY_WORD.items():
        at = small.find(word)
        while at >= 0:
            end = at + len(word)
            if _is_word(small, at, end, is_whole=len(word) <= MOST_WHOLE_CHARS):
                for each in ids:
                    for found in each.form.finditer(text[end : end + REACH]):
                        if each.is_valid(found[0]):
                            yield Span(end + found.start(), end + found.end(), "ID")
            at = small.find(word, end)


def _by_form(text: str) -> Iterator[Span]:
    for form, is_valid in _FORMS:
        for found in form.finditer(text):
            before = text[max(0, found.start() - REACH) : found.start()]
            is_alone = not before or not (before[-1].isalnum() or before[-1] in ".,-_")
            if is_alone and not _NOT_OF_A_PERSON.search(before) and is_valid(found[0]):
                yield Span(found.start(), found.end(), "ID")
    if any(len(word) >= _CODICE_FISCALE_CHARS for word in text.split()):
        is_code = _by("it.codicefiscale")
        yield from (Span(*found.span(), "ID") for found in _CODICE_FISCALE.finditer(text) if is_code(found[0]))


def _is_word(small: str, start: int, end: int, *, is_whole: bool) -> bool:
    """Whether a word begins there, and with `is_whole` ends there too."""
    begins = start == 0 or not small[start - 1].isalnum()
    return begins and not (is_whole and end < len(small) and small[end].isalnum())

"""Texts with variables: what stands in them, what may be given for it, and what they say once it is.

{{name}}              the value of a variable
{{template:Title}}    the text of another template, by its title or its id
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Literal, get_args
from uuid import UUID

from core.ai.outside import plain
from core.errors import InvalidRequest
from core.market.symbols import checked_symbol

Kind = Literal["text", "number", "date", "symbol", "choice"]
KINDS: tuple[str, ...] = get_args(Kind)
MAX_VARIABLES = 20
MAX_NAME_CHARS = 40
MAX_LABEL_CHARS = 80
MAX_CHOICES = 50
MAX_CHOICE_CHARS = 100
MAX_VALUE_CHARS = 4_000
MAX_FILLED_CHARS = 100_000
"""Characters of a text once its variables and the templates that it asks for are in it."""
MAX_INCLUDED = 50
"""Templates that one text asks for in all, however often it asks for the same."""
MAX_DEPTH = 5
"""Templates within one another, below the first."""
INCLUDES = "template:"
Value = str | int | float
"""As it comes of a form or of JSON."""

_MARK = re.compile(r"\{\{([^{}\n]*)\}\}")
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_NAME_CHARS - 1}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Variable:
    """Something that is given each time a template is used."""

    name: str
    """As it stands in the text: lower-case letters, digits, underscores."""
    label: str = ""
    """As it is asked for; empty: its name."""
    kind: Kind = "text"
    default: str = ""
    """What is taken where nothing is given; empty: nothing."""
    choices: tuple[str, ...] = ()
    """Of the kind `choice`: what can be given."""
    is_required: bool = True
    """Whether a value has to be there; otherwise it may stay empty."""

    @property
    def asked(self) -> str:
        """What a form calls it."""
        return self.label or self.name.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Source:
    """A template as others ask for it."""

    id: UUID
    title: str
    sharing: str
    version: int
    text: str
    variables: tuple[Variable, ...]


Find = Callable[[str, Source], Source]
"""The template that another asks for, by title or id; raises `InvalidRequest` where there is none that it may use."""


@dataclass(frozen=True, slots=True)
class Assembled:
    """A text with those that it asks for in their places."""

    text: str
    variables: tuple[Variable, ...]
    """All that stand in it; of those that several declare, as the outermost does."""
    digest: str
    """Changes with every text and version in it."""

    def filled(self, given: Mapping[str, object]) -> str:
        """The text with values in place of its variables; nothing in a value is a variable.

        Raises:
            InvalidRequest: values that are missing, unknown or of the wrong kind, each by name.
        """
        values = _values(self.variables, given)
        text = _MARK.sub(lambda found: values[found[1].strip()], self.text).strip()
        if not text:
            raise InvalidRequest("The template says nothing with these values.")
        if len(text) > MAX_FILLED_CHARS:
            raise InvalidRequest(f"The filled template is too long: at most {MAX_FILLED_CHARS:,} characters.")
        return text


def names_in(text: str) -> list[str]:
    """Names of the variables in a text, each once, in their order."""
    return list(dict.fromkeys(inner for inner in _inner(text) if not inner.startswith(INCLUDES)))


def assembled(source: Source, find: Find) -> Assembled:
    """A template with those that it asks for.

    Raises:
        InvalidRequest: it asks for itself, directly or round about, for one that is not there, too deep, or for too
            many; or two of them mean different things by one name.
    """
    parts: list[Source] = []
    text = _expanded(source, find, (source,), parts)
    variables: dict[str, Variable] = {}
    for variable in (each for part in (source, *parts) for each in part.variables):
        known = variables.setdefault(variable.name, variable)
        if (known.kind, known.choices) != (variable.kind, variable.choices):
            raise InvalidRequest(
                f"The templates that are asked for use the name {variable.name} for different things; rename one."
            )
    digest = hashlib.sha256()
    for part in (source, *parts):
        digest.update(f"{part.id}/{part.version}/{hashlib.sha256(part.text.encode()).hexdigest()}\n".encode())
    return Assembled(text, tuple(variables.values()), digest.hexdigest()[:12])


def check_variables(text: str, variables: Sequence[Variable]) -> None:
    """Refuses a text and variables that do not belong together.

    Raises:
        InvalidRequest: the sentence names what is declared and not in the text, what is in it and not declared, and
            what is declared wrongly.
    """
    if len(variables) > MAX_VARIABLES:
        raise InvalidRequest(f"A template has at most {MAX_VARIABLES} variables.")
    if "{{" in _MARK.sub("", text):
        raise InvalidRequest("The text has a {{ without its }}, or with a line break or a brace between the two.")
    for inner in _inner(text):
        if not inner.startswith(INCLUDES) and not _NAME.fullmatch(inner):
            raise InvalidRequest(f"{{{{{inner[:MAX_NAME_CHARS]}}}}} is no variable: {_SPELLING}")
    names = [variable.name for variable in variables]
    if len(set(names)) < len(names):
        raise InvalidRequest(f"Variables are declared twice: {_listed({n for n in names if names.count(n) > 1})}.")
    for variable in variables:
        _check_variable(variable)
    standing = set(names_in(text))
    flaws = []
    if standing - set(names):
        flaws.append(f"Not declared: {_listed(standing - set(names))}.")
    if set(names) - standing:
        flaws.append(f"Declared, and not in the text: {_listed(set(names) - standing)}.")
    if flaws:
        raise InvalidRequest(" ".join(flaws))


def value_of(variable: Variable, given: object) -> str:
    """A value as it stands in the text.

    Raises:
        InvalidRequest: it is not of the variable's kind; the sentence goes on after the variable's name.
    """
    if isinstance(given, bool) or not isinstance(given, str | int | float | Decimal | date):
        raise InvalidRequest(_WRONG[variable.kind])
    return _READERS[variable.kind](variable, given)


def _expanded(source: Source, find: Find, trail: tuple[Source, ...], parts: list[Source]) -> str:
    written: list[str] = []
    at = size = 0
    for found in _MARK.finditer(source.text):
        inner = found[1].strip()
        if not inner.startswith(INCLUDES):
            continue
        text = _included(find(inner.removeprefix(INCLUDES).strip(), source), find, trail, parts)
        written += [source.text[at : found.start()], text]
        size, at = size + len(text), found.end()
        if size > MAX_FILLED_CHARS:
            raise InvalidRequest(f"The template is too long with those that it asks for: {MAX_FILLED_CHARS:,} at most.")
    return "".join([*written, source.text[at:]])


def _included(wanted: Source, find: Find, trail: tuple[Source, ...], parts: list[Source]) -> str:
    if any(each.id == wanted.id for each in trail):
        way = " → ".join([*(each.title for each in trail), wanted.title])
        raise InvalidRequest(f"The template asks for itself: {way}.")
    if len(trail) > MAX_DEPTH:
        raise InvalidRequest(f"Templates may ask for one another at most {MAX_DEPTH} deep.")
    if len(parts) >= MAX_INCLUDED:
        raise InvalidRequest(f"A template may ask for at most {MAX_INCLUDED} others in all.")
    parts.append(wanted)
    return _expanded(wanted, find, (*trail, wanted), parts)


def _values(variables: Sequence[Variable], given: Mapping[str, object]) -> dict[str, str]:
    unknown = sorted(set(given) - {variable.name for variable in variables})
    missing, wrong = [], []
    values: dict[str, str] = {}
    for variable in variables:
        value = given.get(variable.name)
        if value is None or (isinstance(value, str) and not value.strip()):
            value = variable.default
        if value == "" and variable.is_required:
            missing.append(variable.name)
        try:
            values[variable.name] = "" if value == "" else value_of(variable, value)
        except InvalidRequest as error:
            wrong.append(f"{variable.name} {error.detail}")
    flaws = []
    if missing:
        flaws.append(f"The template needs a value for: {_listed(missing)}.")
    if unknown:
        known = f"it has {_listed(variable.name for variable in variables)}" if variables else "it has none"
        flaws.append(f"The template has no variable {_listed(name[:MAX_NAME_CHARS] for name in unknown)}; {known}.")
    flaws += [f"The value of {each}" for each in wrong]
    if flaws:
        raise InvalidRequest(" ".join(flaws))
    return values


def _check_variable(variable: Variable) -> None:
    name = variable.name
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{name[:MAX_NAME_CHARS]!r} is no name of a variable: {_SPELLING}")
    if variable.kind not in KINDS:
        raise InvalidRequest(f"The variable {name} is of an unknown kind; there are {_listed(KINDS)}.")
    if len(variable.label) > MAX_LABEL_CHARS or not variable.label.isprintable():
        raise InvalidRequest(f"The label of {name} takes at most {MAX_LABEL_CHARS} characters that are shown.")
    _check_choices(variable)
    if variable.default:
        try:
            value_of(variable, variable.default)
        except InvalidRequest as error:
            raise InvalidRequest(f"The default of {name} {error.detail}") from None


def _check_choices(variable: Variable) -> None:
    choices, name = variable.choices, variable.name
    if (variable.kind == "choice") != bool(choices):
        raise InvalidRequest(f"The variable {name} needs choices if it is of the kind choice, and none otherwise.")
    if len(choices) > MAX_CHOICES or len(set(choices)) < len(choices):
        raise InvalidRequest(f"The variable {name} takes at most {MAX_CHOICES} choices, each once.")
    for choice in choices:
        if not choice.strip() or len(choice) > MAX_CHOICE_CHARS or not choice.isprintable():
            raise InvalidRequest(f"A choice of {name} is one line of 1 to {MAX_CHOICE_CHARS} characters.")


def _inner(text: str) -> Iterator[str]:
    return (found[1].strip() for found in _MARK.finditer(text))


def _text(_variable: Variable, given: object) -> str:
    if not isinstance(given, str):
        raise InvalidRequest(_WRONG["text"])
    if len(given) > MAX_VALUE_CHARS:
        raise InvalidRequest(f"is too long: {len(given):,} characters, of at most {MAX_VALUE_CHARS:,}.")
    return "\n".join(plain(line) for line in given.splitlines()).strip()


def _number(_variable: Variable, given: object) -> str:
    written = str(given).strip()
    try:
        is_number = len(written) <= MAX_NUMBER_CHARS and Decimal(written).is_finite()
    except InvalidOperation:
        is_number = False
    if not is_number or "_" in written or not written.isascii():
        raise InvalidRequest(_WRONG["number"])
    return written


def _date(_variable: Variable, given: object) -> str:
    try:
        return (given if isinstance(given, date) else date.fromisoformat(str(given).strip())).isoformat()
    except ValueError:
        raise InvalidRequest(_WRONG["date"]) from None


def _symbol(_variable: Variable, given: object) -> str:
    try:
        return checked_symbol(str(given))
    except InvalidRequest:
        raise InvalidRequest(_WRONG["symbol"]) from None


def _choice(variable: Variable, given: object) -> str:
    if str(given) not in variable.choices:
        raise InvalidRequest(f"is none of: {_listed(variable.choices)}.")
    return str(given)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names) if isinstance(names, set) else names)


MAX_NUMBER_CHARS = 40
_SPELLING = "a name has lower-case letters, digits and underscores, and begins with a letter."
_WRONG = {
    "text": "is not a text.",
    "number": "is not a number.",
    "date": "is not a date, as in 2024-03-01.",
    "symbol": "is not a symbol, as in MSFT.",
    "choice": "is not one of its choices.",
}
_READERS: dict[str, Callable[[Variable, object], str]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "symbol": _symbol,
    "choice": _choice,
}

"""Calls of tools on the wire: put together from the pieces of an answer, and written back as hosts take them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from core.ai.providers.contract import MAX_ARGUMENT_CHARS, ChatRequest, Message, ToolCall, ToolSpec
from core.ai.providers.failures import MalformedChunk
from core.ai.providers.hosts import Host

MAX_CALLS = 32
"""Of one answer; a model that asks for more is not heard."""
MAX_CALL_CHARS = 1_048_576
"""Of all calls of one answer, with what is not kept of them."""
MAX_CARRIED_CHARS = 1_048_576
MAX_ID_CHARS = 200
MAX_NAME_CHARS = 100
MAX_SENT_NAME_CHARS = 64
_OURS = re.compile("call_[0-9]+")


@dataclass(slots=True)
class _Piecewise:
    """A call on its way."""

    id: str = ""
    name: str = ""
    arguments: str = ""
    carried: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are a JSON object already."""
        return self.arguments.rstrip().endswith("}") and arguments_of(self.arguments) is not None


class Calls:
    """The calls of one answer, in the order in which they began; none where the request offers no tools."""

    def __init__(self, request: ChatRequest | None = None) -> None:
        messages = request.messages if request is not None else ()
        self._is_asked = request is not None and bool(request.tools)
        self._taken = {call.id for message in messages for call in message.calls}
        self._found: list[_Piecewise] = []
        self._places: dict[object, _Piecewise] = {}
        self._chars = 0

    @property
    def has_begun(self) -> bool:
        """Whether a piece of a call has come."""
        return self._chars > 0

    def whole(self, name: object, arguments: object, *, call_id: object = None, carried: str = "") -> None:
        """Takes a call that comes in one piece.

        Raises:
            MalformedChunk: there is more than anybody asks for in earnest.
        """
        self._add(_Piecewise(carried=carried), call_id, name, arguments)

    def piece(self, place: object, *, call_id: object = None, name: object = None, arguments: object = None) -> None:
        """Takes a piece of the call at this place (its index, or None where the host numbers none).

        An id that is another than the call's begins a new one, since some hosts number all calls 0; so does a name
        with arguments after a call that is whole.

        Raises:
            MalformedChunk: there is more than anybody asks for in earnest.
        """
        last = self._found[-1] if self._found else None
        known = last if place is None else self._places.get(place)
        if known is not None and _is_another(known, call_id, name, arguments):
            known = None
        self._places[place] = self._add(known, call_id, name, arguments)

    def made(self, carried: str = "") -> tuple[ToolCall, ...]:
        """All calls, each with an id that is its own in the conversation; `carried` goes with the first.

        Arguments that are too long are cut, one character above what is taken; no arguments are an empty object.
        A call without name and arguments is none.
        """
        made: list[ToolCall] = []
        for found in self._found if self._is_asked else ():
            if not (found.name or found.arguments):
                continue
            name, arguments = _storable(found.name), _storable(found.arguments)
            call_id = self._own_id(_storable(found.id))
            made.append(ToolCall(call_id, name, arguments or "{}", found.carried or (carried if not made else "")))
        return tuple(made)

    def _add(self, known: _Piecewise | None, call_id: object, name: object, arguments: object) -> _Piecewise:
        found = known if known is not None else _Piecewise()
        told_id, told_name, told = _text(call_id), _text(name), _written(arguments)
        self._chars += len(told_id) + len(told_name) + len(told) + len(found.carried) + 1
        if self._chars > MAX_CALL_CHARS:
            raise MalformedChunk
        if len(self._found) < MAX_CALLS and not any(each is found for each in self._found):
            self._found.append(found)
        found.id = found.id or told_id
        found.name = _named(found, told_name)[:MAX_NAME_CHARS]
        found.arguments = (found.arguments + told)[: MAX_ARGUMENT_CHARS + 1]
        return found

    def _own_id(self, given: str) -> str:
        """The given id, or one of ours where it is none or is taken."""
        call_id, number = given, len(self._taken)
        while not call_id or len(call_id) > MAX_ID_CHARS or call_id in self._taken:
            number += 1
            call_id = f"call_{number}"
        self._taken.add(call_id)
        return call_id


def arguments_of(text: str) -> dict[str, Any] | None:
    """The JSON object that arguments are; None where they are none."""
    try:
        value = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def sent_arguments(call: ToolCall) -> dict[str, Any]:
    """The arguments as hosts take them back, which refuse a conversation over a slip of their own model."""
    return arguments_of(call.arguments) or {}


def sent_name(name: str) -> str:
    """The name as hosts take it back, also one that a model made up."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:MAX_SENT_NAME_CHARS] or "unknown"


def sent_id(call_id: str, length: int | None = None) -> str:
    """The id as hosts take it back: of letters, digits, `_` and `-`, or of `length` letters and digits."""
    pattern = "[A-Za-z0-9_-]+" if length is None else f"[A-Za-z0-9]{{{length}}}"
    if re.fullmatch(pattern, call_id):
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[: length or 32]


def is_our_id(call_id: str) -> bool:
    """Whether the host gave none."""
    return _OURS.fullmatch(call_id) is not None


def carried_by(host: Host, data: str) -> str:
    """What a call carries for its host; nothing where it is too much."""
    return f"{host.name}:{data}" if data and len(data) <= MAX_CARRIED_CHARS else ""


def carried_for(host: Host, calls: Iterable[ToolCall]) -> str:
    """What the first call carries for this host; empty where it is nothing, or another's."""
    carried = next((call.carried for call in calls), "")
    return carried.removeprefix(f"{host.name}:") if carried.startswith(f"{host.name}:") else ""


def system_first(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages with all that the system says in the first, for models that take it nowhere else."""
    given = tuple(messages)
    said = [message.text for message in given if message.role == "system"]
    others = (message for message in given if message.role != "system")
    return (Message("system", "\n\n".join(said)), *others) if said else given


def turns(messages: Iterable[Message]) -> Iterator[tuple[Message, ...]]:
    """The messages one by one; results of tools that follow each other together, as one turn."""
    results: list[Message] = []
    for message in messages:
        if message.role == "tool":
            results.append(message)
            continue
        if results:
            yield tuple(results)
            results = []
        yield (message,)
    if results:
        yield tuple(results)


def earlier_tools(request: ChatRequest) -> tuple[ToolSpec, ...]:
    """Bare specs of the tools that earlier turns used, for hosts that want each of them declared."""
    names = dict.fromkeys(sent_name(call.name) for message in request.messages for call in message.calls)
    return tuple(ToolSpec(name, "Not to be used any more.", {"type": "object"}) for name in names)


def _is_another(known: _Piecewise, call_id: object, name: object, arguments: object) -> bool:
    told_id = _text(call_id)
    if told_id and known.id:
        return told_id != known.id
    return bool(_text(name)) and bool(_written(arguments)) and known.is_whole


def _named(found: _Piecewise, told: str) -> str:
    """The name with what a piece says of it: nothing, the whole again, or some more."""
    if not told or found.arguments or told == found.name:
        return found.name or told
    return told if told.startswith(found.name) else found.name + told


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _written(arguments: object) -> str:
    """As text: some hosts send the object itself."""
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return json.dumps(arguments, ensure_ascii=False)


def _storable(text: str) -> str:
    """Text that can be kept: halves of a character that came in two pieces are joined, others and NUL replaced."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "\ufffd")


def _no_number(name: str) -> float:
    raise ValueError(name)

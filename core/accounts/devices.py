"""What a browser says it is, in the words of the person who sits at it."""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "Unknown device"
MAX_WORDS_CHARS = 60
_HAND_HELD = frozenset({"iOS", "iPadOS", "Android"})


@dataclass(frozen=True, slots=True)
class Device:
    """A browser and the system that it runs on."""

    words: str
    """As in "Firefox on Linux"."""
    is_hand_held: bool = False


def device_of(agent: str) -> Device:
    """The device of a User-Agent header. Whoever sends it chooses it, so it is a hint and never a proof."""
    from ua_parser import parse  # half a second of tables, for the one page that needs them

    found = parse(agent)
    browser = found.user_agent.family if found.user_agent else None
    system = found.os.family if found.os else None
    model = found.device.family if found.device else None
    place = model if model in ("iPhone", "iPad") else system
    words = " on ".join(word for word in (browser, place) if word)
    return Device((words or UNKNOWN)[:MAX_WORDS_CHARS], system in _HAND_HELD)

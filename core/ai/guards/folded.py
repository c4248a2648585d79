"""A text as it is read for orders: folded, and with what was disguised undone.

What looks alike is written alike (NFKC, without accents, look-alikes of Latin letters as those), what cannot be seen is
left out, and what was encoded, turned round, spelt with figures or apart is read as well.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterator

MOST_DECODED = 8
"""Pieces of one text that are decoded."""
MOST_DECODED_CHARS = 4_000
LEAST_DECODED_CHARS = 24

_WORDS = ("ignor", "instruct", "previous", "prompt", "reveal", "disregard", "jailbreak", "forget", "restrict", "system")
"""Of which a disguised order has one or two."""
_ROTATED = tuple(codecs.encode(word, "rot13") for word in ("ignor", "instruct", "previous", "prompt", "disregard"))
_REVERSED = tuple(word[::-1] for word in ("ignore", "instructions", "previous", "prompt", "disregard"))
_ALIKE = str.maketrans(
    "авсdеғԍһіјкӏмпорԛгѕтцѵԝхуᴢαβγεηικνορτυχωѕⅼ",
    "abcdefghijklmnopqrstuvwxyzabyenikvoptuxwsl",
)
"""Cyrillic and Greek letters that look like Latin ones."""
_FIGURES = str.maketrans("013457@$!|", "oieastasil")
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
    "|[\U000e0000-\U000e01ef]"
)
_ACCENTS = re.compile("[\u0300-\u036f]")
_AMONG_LETTERS = re.compile(r"[a-z][013457@$!|][a-z]")
_SPELT = re.compile(
    r"\b[a-z][0-9@$!|](?=[a-z0-9@$!|]*[a-z])[a-z0-9@$!|]+|\b[0-9@$!|][a-z][a-z0-9@$!|]+|\b[a-z]{2,}[0-9@$!|]+[a-z]\w*"
)
_APART = re.compile(r"\b[a-z](?:[ ._*-]{1,4}[a-z]){6,}\b")
_SLIPS = {
    **dict.fromkeys(("ur", "yor", "youre"), "your"),
    **dict.fromkeys(("promt", "prmpt", "pormpt", "promtp"), "prompt"),
    **dict.fromkeys(("instrucions", "instuctions", "intructions", "instrutions", "instructons"), "instructions"),
    **dict.fromkeys(("previus", "previos", "prevous", "priviously"), "previous"),
    **dict.fromkeys(("ingore", "ignor", "ignroe", "igore"), "ignore"),
    **dict.fromkeys(("sytem", "sysem", "systm"), "system"),
}
"""Words as they are written in a hurry, or to slip through."""
_ALONE = 1
MOST_ALONE = 6
_BETWEEN = frozenset("-._*")
_BROKEN = re.compile(r"(?<=[a-z])-(?=[a-z])")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")
_HEX = re.compile(r"(?:[0-9a-f]{2}){16,}")
_LEAST_READABLE = 0.95
_LATIN = re.compile("[a-z]")
_LOOK_ALIKES = re.compile("[\u0370-\u03ff\u0400-\u052f]")


def folded(text: str) -> str:
    """In small letters, without accents, signs that are not seen, and more than one blank at a time."""
    if not text.isascii():
        text = _UNSEEN.sub("", unicodedata.normalize("NFKC", text))
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text.casefold())))
    lines = (" ".join(line.split()) for line in text.lower().split("\n"))
    return "\n".join(line for line in lines if line)


def undisguised(text: str, plain: str) -> Iterator[str]:
    """What a text says besides what it seems to; `plain` is the text as it is folded."""
    if not plain.isascii() and _LOOK_ALIKES.search(plain) and _LATIN.search(plain):
        yield plain.translate(_ALIKE)
    words = plain.split()
    slips = _SLIPS.keys() & set(words)
    if slips:
        plain = " ".join(_SLIPS.get(word, word) for word in words)
        yield plain
    yield from _respelt(text, plain, words)
    yield from _decoded(text, plain, words)


def _respelt(text: str, plain: str, words: list[str]) -> Iterator[str]:
    if _AMONG_LETTERS.search(plain):
        respelt = _SPELT.sub(lambda found: found[0].translate(_FIGURES), plain)
        if _more_words(respelt, plain) > 0:
            yield respelt
    if _is_apart(words):
        spaced = text.lower() if text.isascii() else _UNSEEN.sub("", unicodedata.normalize("NFKC", text)).lower()
        joined = _APART.sub(lambda found: _joined(found[0]), spaced)
        if joined != spaced:
            yield folded(joined)
    broken = " ".join(word for word in words if "-" in word)
    if broken and _more_words(broken.replace("-", ""), broken) > 0:
        yield _BROKEN.sub("", plain)


def _is_apart(words: list[str]) -> bool:
    """Whether letters may stand apart: many alone, or one after the other with a sign between."""
    if sum(map(_ALONE.__eq__, map(len, words))) > MOST_ALONE:
        return True
    return any(word[1] in _BETWEEN and word[3] in _BETWEEN for word in words if len(word) > MOST_ALONE)


def _decoded(text: str, plain: str, words: list[str]) -> Iterator[str]:
    if max(map(len, words), default=0) >= LEAST_DECODED_CHARS:
        long = " ".join(word for word in text.split() if len(word) >= LEAST_DECODED_CHARS)
        pieces = [_from_base64(piece[:MOST_DECODED_CHARS]) for piece in _BASE64.findall(long)[:MOST_DECODED]]
        pieces += [bytes.fromhex(piece[:MOST_DECODED_CHARS]) for piece in _HEX.findall(long.lower())[:MOST_DECODED]]
        yield from (folded(readable) for piece in pieces if (readable := _readable(piece)))
    if sum(word in plain for word in _ROTATED) > 1:
        yield codecs.encode(plain, "rot13")
    if sum(word in plain for word in _REVERSED) > 1:
        yield plain[::-1]


def _joined(letters: str) -> str:
    """Letters that stand apart, as words: two blanks or more part words where single ones part letters."""
    words = re.split(r" {2,}", letters) if "  " in letters else re.split(r" ", letters) if " " in letters else [letters]
    joined = [re.sub(r"[ ._*-]", "", word) for word in words]
    return " ".join(joined) if any(len(word) > 1 for word in joined) else _parted("".join(joined))


def _parted(letters: str) -> str:
    """A row of letters with blanks around the words of an order."""
    return re.sub(
        r"(ignore|disregard|forget|all|previous|prior|your|system|instructions|prompt|rules|print|reveal)",
        r" \1 ",
        letters,
    )


def _more_words(new: str, old: str) -> int:
    return sum(word in new for word in _WORDS) - sum(word in old for word in _WORDS)


def _from_base64(piece: str) -> bytes:
    try:
        return base64.b64decode(piece + "=" * (-len(piece) % 4))
    except (binascii.Error, ValueError):
        return b""


def _readable(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    seen = sum(each.isprintable() or each.isspace() for each in text)
    return text if text and seen >= _LEAST_READABLE * len(text) else ""

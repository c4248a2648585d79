"""The process that reads one file: `python -m core.research.attachments.reading`, file on stdin, answer on stdout.

It knows no secrets, may not write files, reach the network or start programs, and ends when it takes too much. What
native code of a library can be made to do, the operating system's limits alone hold.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress

from core.errors import AssayError, PayloadTooLarge
from core.research.attachments.formats import read_file
from core.research.attachments.found import MAX_ANSWER_BYTES, Found, Refusal, written
from core.research.attachments.limits import CPU_S, MAX_FILE_BYTES, MEMORY_BYTES

TOO_LARGE = "This file takes too much memory once it is opened. Divide it, and attach the parts."
_LIMITS = {
    resource.RLIMIT_AS: MEMORY_BYTES,
    resource.RLIMIT_CPU: CPU_S,
    resource.RLIMIT_FSIZE: MAX_ANSWER_BYTES,
    resource.RLIMIT_NOFILE: 64,
    resource.RLIMIT_CORE: 0,
}
_FORBIDDEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "shutil.")
"""Beginnings of the names of what Python reports before it does it."""
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC


def answer(given: bytes) -> Found | Refusal:
    """What a file holds: a line of JSON with its name and type, then the file."""
    head, _, data = given.partition(b"\n")
    told = json.loads(head)
    try:
        return read_file(data, told["name"], told["media_type"])
    except AssayError as error:
        return Refusal(refused=error.detail, is_too_large=isinstance(error, PayloadTooLarge))
    except (MemoryError, RecursionError):
        return Refusal(refused=TOO_LARGE, is_too_large=True)


def main() -> None:
    """Reads one file within limits."""
    for kind, most in _LIMITS.items():
        with suppress(ValueError, OSError):  # a system that does not have it, or allows less already
            resource.setrlimit(kind, (most, most))
    sys.addaudithook(_refuse)
    given = sys.stdin.buffer.read(MAX_FILE_BYTES + 10_000)
    sys.stdout.buffer.write(written(answer(given)))
    sys.stdout.buffer.flush()


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        flags = arguments[2] if len(arguments) > 2 else 0
        if isinstance(flags, int) and flags & _WRITES:
            raise PermissionError("A reader of files writes none.")
    elif event.startswith(_FORBIDDEN):
        raise PermissionError("A reader of files does nothing else.")


if __name__ == "__main__":
    main()

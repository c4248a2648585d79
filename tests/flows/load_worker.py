"""A process that asks many questions from many threads, and says what came of each.

Arguments: the user's email, how many threads, how many questions. It says `ready`, waits for a line, and ends with one
line of JSON: how many answers it was given, and how many errors of which kind.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from core.ai.providers.contract import Message
from core.errors import AssayError
from core.settings import load_settings
from core.workbench import open_workbench
from tests.flows.gateway_worker import QUESTION


def main(email: str, threads: int, questions: int) -> None:
    """Asks them all, each in words of its own."""
    workbench = open_workbench(load_settings())
    who = workbench.directory.member(email)

    def ask(number: int) -> str:
        asked = replace(QUESTION, messages=(Message("user", f"Question {number} of {os.getpid()}?"),))
        try:
            workbench.gateway.session(who, asked, runs_here=True).result()
        except AssayError as error:
            return type(error).__name__
        return "answer"

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        outcomes = Counter(pool.map(ask, range(questions)))
    workbench.close()
    sys.stdout.write(json.dumps(outcomes) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

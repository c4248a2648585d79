"""What no linter knows: where SQL may stand, that an ignore gives its reason, that no file names one machine."""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tree import files, parsed, place, run

TEXT = (*".py .sql .toml .yaml .yml .css .js .html .md .txt .lock .mako .example".split(), "")
"""Suffixes of files that people write; the last are Makefile and scripts without one."""
UNFINISHED = re.compile(r"\b(TOD[O]|FIXM[E])\b")
ONE_MACHINE = re.compile(r"(?<![\w.~$})-])/(home|Users|root|work)/[\w.-]|\b[A-Z]:\\Users\\")
INDEX = re.compile(r"^\s*(-i|--(extra-)?index-url|-f|--find-links)\b|@ file:", re.MULTILINE)
IGNORE = re.compile(r"#\s*(type:\s*ignore|noqa)\b")
WITH_REASON = re.compile(r"#\s*(type:\s*ignore\[[\w, -]+\]|noqa:\s*[A-Z]+\d+(,\s*[A-Z]+\d+)*)\s*[#(:-]+\s*\w")
"""As in `# noqa: S105 (a prefix, no secret)` and `# type: ignore[misc]  # the stubs are wrong`."""
SQL = re.compile(
    r"\bSELECT\b.+\bFROM\b|\bINSERT\s+INTO\b|\bUPDATE\b.+\bSET\b|\bDELETE\s+FROM\b"
    r"|^\s*(select\s.+\sfrom|insert\s+into|update\s+\w+\s+set|delete\s+from)\s",
    re.DOTALL,
)
SQL_LIVES_IN = ("core/db/", "data/migrations/")


def offences(root: Path) -> Iterator[str]:
    """One sentence for each breach of a rule of the house."""
    yield from _words(root)
    yield from _ignores(root)
    yield from _sql(root)


def _words(root: Path) -> Iterator[str]:
    for path in files(root, *TEXT):
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1):
            if UNFINISHED.search(line):
                yield f"{place(path, root, number)}: unfinished; do it, or leave the words out"
            if ONE_MACHINE.search(line):
                yield f"{place(path, root, number)}: a path of one machine"
            if path.name.startswith("requirements") and INDEX.search(line):
                yield f"{place(path, root, number)}: a requirement names a package, never where it comes from"


def _ignores(root: Path) -> Iterator[str]:
    """Ignores in shipped code say why; in tests the code alone is enough (the linter wants that one)."""
    for path in files(root, ".py"):
        if path.relative_to(root).parts[0] == "tests":
            continue
        with path.open("rb") as source:
            for token in tokenize.tokenize(source.readline):
                is_ignore = token.type == tokenize.COMMENT and IGNORE.search(token.string)
                if is_ignore and not WITH_REASON.search(token.string):
                    yield f"{place(path, root, token.start[0])}: an ignore names its code and its reason"


def _sql(root: Path) -> Iterator[str]:
    for path, module in parsed(root, "core", "pages", "data"):
        if path.relative_to(root).as_posix().startswith(SQL_LIVES_IN):
            continue
        docstrings = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
        for node in ast.walk(module):
            if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docstrings:
                continue
            if SQL.search(node.value):
                yield f"{place(path, root, node.lineno)}: SQL lives in {' and '.join(SQL_LIVES_IN)} alone"


if __name__ == "__main__":
    sys.exit(run(offences))

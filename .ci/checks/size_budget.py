"""A Python file has at most 600 lines, a function at most 70. SQL and data files are exempt."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from tree import CODE_FOLDERS, parsed, place, run

MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 70
TABLES_OF_DATA: frozenset[str] = frozenset()
"""Files that are a table of data in Python's clothes, by path; each needs a reason beside it."""


def offences(root: Path) -> Iterator[str]:
    """One sentence for each file and function over its budget."""
    for path, module in parsed(root, *CODE_FOLDERS):
        if path.relative_to(root).as_posix() in TABLES_OF_DATA:
            continue
        lines = len(path.read_text("utf-8").splitlines())
        if lines > MAX_FILE_LINES:
            yield f"{place(path, root, 1)}: {lines} lines, at most {MAX_FILE_LINES}: split it by what it owns"
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    where = place(path, root, node.lineno)
                    yield f"{where}: {node.name} has {length} lines, at most {MAX_FUNCTION_LINES}"


if __name__ == "__main__":
    sys.exit(run(offences))

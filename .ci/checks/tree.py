"""The project's own files, for the checks beside this one."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

OWN_HIDDEN = frozenset({".ci", ".streamlit"})
LEFT_OUT = frozenset({"__pycache__", "artefacts"})
LEFT_OUT_AT_ROOT = frozenset({"bench"})
"""Where `make bench` writes; `tests/bench` is ours."""
CODE_FOLDERS = ("core", "pages", "data", "tests", ".ci")


def files(root: Path, *suffixes: str) -> Iterator[Path]:
    """The project's files with one of these suffixes, sorted; those of the root included."""
    for folder, below, names in os.walk(root):
        here = Path(folder)
        below[:] = sorted(name for name in below if _is_ours(name, is_at_root=here == root))
        yield from (here / name for name in sorted(names) if Path(name).suffix in suffixes)


def parsed(root: Path, *folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Each Python file below the folders (and those of the root itself), with its syntax tree."""
    for path in files(root, ".py"):
        parts = path.relative_to(root).parts
        if len(parts) == 1 or parts[0] in folders:
            yield path, ast.parse(path.read_text("utf-8"), filename=str(path))


def run(check: Callable[[Path], Iterator[str]]) -> int:
    """Runs a check on the folder given, or on the project; prints the offences, exits 1 when there are any."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    offences = list(check(root))
    for offence in offences:
        print(offence)
    return 1 if offences else 0


def place(path: Path, root: Path, line: int) -> str:
    """Where an offence is, as editors understand it."""
    return f"{path.relative_to(root).as_posix()}:{line}"


def _is_ours(name: str, *, is_at_root: bool) -> bool:
    if is_at_root and name in LEFT_OUT_AT_ROOT:
        return False
    return name in OWN_HIDDEN if name.startswith(".") else name not in LEFT_OUT

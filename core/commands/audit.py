"""`python -m core doctor --audit`: whether the audit log is as it was sealed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

from core.errors import InvalidRequest
from core.ops.audit_seal import Sealing
from core.ops.audit_verify import Anchor, Report, Verification
from core.settings import Settings
from core.workbench import open_database

_ANCHOR = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


def run(settings: Settings, *, anchor: str | None = None) -> int:
    """Seals what is not sealed yet, reads everything through and prints what differs; 1 where something does.

    Raises:
        InvalidRequest: the anchor is none.
    """
    given = None if anchor is None else anchor_of(anchor)
    database, _server = open_database(settings)
    with closing(database):
        Sealing(database).seal()
        report = Verification(database).everything(anchor=given)
    for line in lines(report):
        print(line)
    return 0 if report.holds else 1


def anchor_of(text: str) -> Anchor:
    """An anchor as an earlier run printed it.

    Raises:
        InvalidRequest: it is none.
    """
    found = _ANCHOR.fullmatch(text.strip().lower())
    if found is None:
        raise InvalidRequest("An anchor is the number of a block, a colon and 64 hexadecimal digits, as printed here.")
    return Anchor(int(found[1]), bytes.fromhex(found[2]))


def lines(report: Report) -> Iterator[str]:
    """What an operator reads: each finding with its place, and one line of result."""
    for finding in report.findings:
        whose = f"organisation {finding.org_id}" if finding.org_id else "the installation"
        yield f"DIFFERENCE {finding}; {whose}"
    if report.count > len(report.findings):
        yield f"and {report.count - len(report.findings):,} more"
    if report.usage_kept_from:
        yield f"Usage of before {report.usage_kept_from} was dropped by retention; its hashes stay in their blocks."
    unsealed = [chain for chain in report.chains if chain.unsealed]
    if unsealed:
        oldest = min(chain.oldest_unsealed for chain in unsealed if chain.oldest_unsealed is not None)
        number = sum(chain.unsealed for chain in unsealed)
        yield f"{number:,} rows are not sealed yet, the oldest of {oldest:%Y-%m-%d %H:%M:%S} UTC."
    rows, blocks = (sum(getattr(chain, name) for chain in report.chains) for name in ("rows", "blocks"))
    if report.holds:
        yield f"The audit log is as it was sealed: {rows:,} rows in {blocks:,} blocks, {len(report.chains):,} chains."
    else:
        yield f"{report.count:,} differences."
    if report.anchor is not None:
        yield (
            f"Anchor: {report.anchor}. Keep it elsewhere: what is cut off the end of the log together with its blocks "
            "shows only against it, by --anchor."
        )

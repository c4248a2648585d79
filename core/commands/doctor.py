"""`python -m core doctor`: what is configured, reachable and missing, and whether the books balance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from core.ai.providers.hosts import HOSTS
from core.errors import AssayError
from core.metering.books import Audit, audit
from core.settings import VERSION, Settings
from core.workbench import Workbench, open_database, open_workbench


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor."""

    subject: str
    state: str
    """`ok`, `off` (optional and not configured) or `missing`."""
    words: str

    def __str__(self) -> str:
        return f"{self.state:8}{self.subject:12}{self.words}"


def run(settings: Settings) -> int:
    """Prints one line for each part; 1 where something needed is missing."""
    print(f"Assay {VERSION}")
    try:
        bench = open_workbench(settings)
    except AssayError as error:
        print(Finding(error.title.lower(), "missing", error.detail))
        return 1
    with closing(bench):
        findings = list(_findings(bench))
    for finding in findings:
        print(finding)
    return 1 if any(finding.state == "missing" for finding in findings) else 0


def run_accounting(settings: Settings) -> int:
    """Prints every difference in the books; 1 where there is one."""
    database, _server = open_database(settings)
    with closing(database):
        found = audit(database)
    for line in _lines(found):
        print(line)
    return 0 if found.balances else 1


def _findings(bench: Workbench) -> Iterator[Finding]:
    settings = bench.settings
    server = bench.embedded
    where = f"embedded Postgres {server.version}, data in {server.data_dir}" if server else "the server of DATABASE_URL"
    yield Finding("database", "ok", f"{where}; migrated")
    yield Finding("plans", "ok", f"{', '.join(bench.plans.plans)} ({settings.plans_file.name})")
    yield Finding("models", "ok", f"{len(bench.catalogue.all())} models, each with a price")
    for host in HOSTS.values():
        if host.name in bench.providers:
            yield Finding(host.name, "ok", "live")
        else:
            yield Finding(host.name, "off", f"set {host.live_variable}")
    yield Finding("offline", "ok", "glossary; answers when no provider is live")
    yield Finding(
        "demo", "ok" if settings.loads_demo else "off", "loaded at start" if settings.loads_demo else "ASSAY_DEMO=1"
    )
    yield Finding("https", "ok" if settings.is_https else "off", "" if settings.is_https else "PUBLIC_URL is not https")


def _lines(found: Audit) -> Iterator[str]:
    for difference in found.differences:
        yield (
            f"DIFFERENCE {difference.name}: {difference.scope} {difference.period}: the counter or row says "
            f"{difference.counter}, the holds say {difference.holds} (organisation {difference.org_id}, "
            f"user {difference.user_id}). Nothing is corrected by itself: report it."
        )
    for call in found.unresolved:
        yield (
            f"unresolved {call.at} {call.provider} {call.model}: cost at most {call.cost_usd} USD; compare with the "
            f"provider's own log (hold {call.hold_id})."
        )
    for call in found.quarantined:
        yield f"quarantined {call.at} {call.provider} {call.model}: {call.why}; our estimate is {call.cost_usd} USD."
    if found.overdue_holds:
        yield f"{found.overdue_holds} overdue holds; the next request of their users expires them."
    yield "The books balance." if found.balances else f"The books differ in {len(found.differences)} places."

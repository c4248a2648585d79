"""`python -m core doctor`: what is configured, reachable and missing, and whether the books balance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby

from core.ai.providers.hosts import HOSTS
from core.errors import AssayError
from core.market.sources.registry import SWITCHED_ON_BY
from core.metering.books import NOBODY, ODD_ADVICE, Audit, DifferenceRow, OddCall, advice, audit
from core.ops.smtp import mail_server_of
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
        return f"{self.state:8}{self.subject:14}{self.words}"


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
    for line in accounting_lines(found):
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
    yield from _market(bench)
    yield Finding(
        "demo", "ok" if settings.loads_demo else "off", "loaded at start" if settings.loads_demo else "ASSAY_DEMO=1"
    )
    yield from _jobs(bench)
    keeps = bench.provider_keys.can_be_kept
    where = "by ENCRYPTION_KEYS" if settings.encryption_keys else "by a key made in ASSAY_HOME"
    yield Finding("encryption", "ok" if keeps else "off", where if keeps else "set ENCRYPTION_KEYS to keep own keys")
    mail = mail_server_of(settings)
    yield Finding("mail", "ok" if mail else "off", mail.host if mail else "set SMTP_URL")
    providers = ", ".join(provider.label for provider in bench.openid.providers)
    yield Finding("openid", "ok" if providers else "off", providers or "see docs/sign-in.md")
    yield from _stripe(bench)
    yield Finding("https", "ok" if settings.is_https else "off", "" if settings.is_https else "PUBLIC_URL is not https")


def _stripe(bench: Workbench) -> Iterator[Finding]:
    """What is sold and what is missing; prices are compared at Stripe now."""
    billing = bench.billing
    sold = ", ".join(["credits", *billing.offers.price_ids])
    unset = billing.missing_settings
    yield Finding("stripe", "off" if unset else "ok", f"set {' and '.join(unset)}" if unset else f"sells {sold}")
    if billing.is_configured:
        try:
            billing.price_check.look()
        except AssayError as error:
            yield Finding("stripe", "missing", error.detail)
    for trouble in billing.troubles.all():
        yield Finding("stripe", "missing", trouble)


def _jobs(bench: Workbench) -> Iterator[Finding]:
    figures = bench.queue.figures()
    counts = f"{figures.waiting:,} waiting, {figures.running:,} running, {figures.failed:,} failed in 24 hours"
    inside = "starts with the server" if bench.settings.runs_worker else "start `python -m core worker`"
    alive = f"{figures.workers} alive" if figures.workers else f"none alive: {inside}"
    # Where the server brings its own, none while it is stopped is how it should be.
    is_missing = not figures.workers and not bench.settings.runs_worker
    yield Finding("worker", "missing" if is_missing else "ok", f"{alive}; jobs: {counts}")
    has_secret = bench.settings.cron_secret is not None
    yield Finding("cron", "ok" if has_secret else "off", "configured" if has_secret else "set CRON_SECRET")


def _market(bench: Workbench) -> Iterator[Finding]:
    sources, as_of = bench.market.sources, bench.market.time.default()
    live = {source.name for source in sources.all}
    seen = "today, on live quotes" if as_of.is_live else "the last session of the shipped history"
    yield Finding("market", "ok", f"as of {as_of.day}, {seen}")
    for name, setting in SWITCHED_ON_BY.items():
        yield Finding(name, "ok" if name in live else "off", "configured" if name in live else f"set {setting}")
    newer = "new ones are fetched every day" if sources.rates is not None else "new ones are not fetched"
    yield Finding("rates", "ok", f"of the European Central Bank up to {bench.market.fx.last_day}; {newer}")


def accounting_lines(found: Audit) -> Iterator[str]:
    """What an operator reads: each difference and what to do, calls of uncertain cost, and one line of result."""
    for kind, of_kind in groupby(found.differences, key=lambda row: row.kind):
        rows = list(of_kind)
        yield f"DIFFERENCE {kind}, {_counted(rows[0].of_kind, len(rows))}. {advice(kind)}"
        for row in rows:
            yield f"  {row.figure} of {row.place} says {row.says}, should be {row.should}; {_owner(row)}"
    for kind, of_this_kind in groupby(found.odd_calls, key=lambda call: call.kind):
        calls = list(of_this_kind)
        number, total_usd = found.odd(kind)
        most = "at most " if kind == "unresolved" else ""
        yield f"{kind}, {_counted(number, len(calls))}, {most}{_usd(total_usd)} together. {ODD_ADVICE[kind]}"
        for call in calls:
            yield (
                f"  {call.at:%Y-%m-%d %H:%M:%S} UTC {call.provider} {call.model}: {most}{_usd(call.cost_usd)}"
                f"{_why(call)}; hold {call.hold_id}, organisation {call.org_id}, user {call.user_id}"
            )
    totals = found.totals
    if totals.overdue:
        yield (
            f"warning: {_number(totals.overdue, 'hold')} overdue, the oldest since "
            f"{totals.oldest_overdue:%Y-%m-%d %H:%M} UTC. Such a hold keeps a slot and its amount until the next "
            "request of its member ends it; nothing is lost."
        )
    if not found.balances:
        yield _number(found.count, "difference")
        return
    (unresolved, unresolved_usd), (quarantined, _) = found.odd("unresolved"), found.odd("quarantined")
    yield (
        f"The books balance: {_number(totals.calls, 'call')}, {totals.open:,} open, {totals.overdue:,} overdue, "
        f"{unresolved:,} unresolved (at most {_usd(unresolved_usd)}), {quarantined:,} quarantined, "
        f"{totals.free:,} cached or denied."
    )


def _number(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _counted(number: int, listed: int) -> str:
    return f"{number:,} found" if number == listed else f"{number:,} found, {listed} listed"


def _owner(row: DifferenceRow) -> str:
    if row.org_id is None:
        return "of everyone"
    return f"organisation {row.org_id}, " + ("its own" if row.user_id == NOBODY else f"user {row.user_id}")


def _why(call: OddCall) -> str:
    if call.reason is not None:
        return f", reported usage was refused: {call.reason}"
    return "" if call.reported_usd is None else f", its late worker reported {_usd(call.reported_usd)}"


def _usd(amount: Decimal) -> str:
    return f"{amount.normalize():f} USD"

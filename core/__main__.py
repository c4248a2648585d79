"""The command line: `python -m core …`. Exit 0 on success, 2 on bad use, 1 on failure with one line on stderr."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from core.errors import AssayError, InvalidRequest
from core.principal import Role
from core.settings import Settings, load_settings

Command = Callable[[Settings, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit status."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        run: Command = given.run
        return run(load_settings(), given)
    except AssayError as error:
        print(f"{error.title}: {error.detail}", file=sys.stderr)
        return 2 if isinstance(error, InvalidRequest) else 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description="Assay, an analyst workbench.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve the pages and the HTTP API")
    serve.add_argument("--host", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=int, help="port to listen on (8501)")
    serve.set_defaults(run=_serve)

    worker = commands.add_parser("worker", help="work on queued jobs until SIGTERM")
    worker.set_defaults(run=_worker)

    migrate = commands.add_parser("migrate", help="bring the database to this version")
    migrate.set_defaults(run=_migrate)

    demo = commands.add_parser("demo", help="load the demo organisation, and print its sign-ins")
    demo.add_argument("--reset", action="store_true", help="as new; what there was is kept under other names")
    demo.set_defaults(run=_demo)

    _add_users(commands.add_parser("user", help="users").add_subparsers(required=True, metavar="COMMAND"))

    _add_plan(commands.add_parser("plan", help="plans").add_subparsers(required=True, metavar="COMMAND"))

    _add_credits(commands.add_parser("credits", help="credits").add_subparsers(required=True, metavar="COMMAND"))

    _add_bars(commands.add_parser("bars", help="daily bars").add_subparsers(required=True, metavar="COMMAND"))

    scan = commands.add_parser("scan", help="scan a universe now")
    scan.add_argument("--universe", metavar="NAME", help="id or title of the universe (the default one)")
    scan.add_argument("--org", metavar="NAME", help="organisation whose own universe or bars they are")
    scan.add_argument("--date", type=date.fromisoformat, metavar="YYYY-MM-DD", help="a past day to scan as of")
    scan.set_defaults(run=_scan)

    validate = commands.add_parser("validate", help="validate signals of the newest scan now")
    validate.add_argument("--org", metavar="NAME", help="organisation that asks (all that switched it on)")
    validate.add_argument("--universe", metavar="ID", help="id or title of the universe (the default one)")
    validate.add_argument("--model", metavar="ID", help="model that is asked (auto)")
    validate.add_argument("--most", type=int, metavar="N", help="most signals, the most confident first (50)")
    validate.set_defaults(run=_validate)

    _add_verdicts(commands.add_parser("verdicts", help="verdicts").add_subparsers(required=True, metavar="COMMAND"))

    _add_usage(commands.add_parser("usage", help="usage log").add_subparsers(required=True, metavar="COMMAND"))

    _add_keys(commands.add_parser("keys", help="encryption keys").add_subparsers(required=True, metavar="COMMAND"))

    doctor = commands.add_parser("doctor", help="what is configured, reachable and missing")
    doctor.add_argument("--accounting", action="store_true", help="check that the books balance")
    doctor.add_argument("--audit", action="store_true", help="check that the audit log is as it was sealed")
    doctor.add_argument("--anchor", metavar="NUMBER:HASH", help="with --audit: what an earlier check printed last")
    doctor.set_defaults(run=_doctor)
    return parser


def _add_users(user: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    add = user.add_parser("add", help="make a user; prints the user's id")
    add.add_argument("email", metavar="EMAIL")
    add.add_argument("--org", required=True, metavar="NAME", help="organisation; made when there is none of that name")
    add.add_argument("--plan", default="free", metavar="PLAN", help="plan of the organisation (free)")
    add.add_argument("--role", default="owner", choices=list(Role), help="role in the organisation (owner)")
    add.add_argument("--password", metavar="P", help="password to sign in with; without one only tokens work")
    add.add_argument("--operator", action="store_true", help="they run the installation; said when the user is made")
    add.set_defaults(run=_user_add)
    token = user.add_parser("token", help="make an access token for the API; prints it, and nothing else")
    token.add_argument("email", metavar="EMAIL")
    token.add_argument("--org", metavar="NAME", help="organisation the token is bound to (the user's first)")
    token.set_defaults(run=_user_token)

    for name, words in (("deactivate", "stop a user's sessions and tokens at once"), ("activate", "take that back")):
        change = user.add_parser(name, help=words)
        change.add_argument("email", metavar="EMAIL")
        change.set_defaults(run=_user_set_active, is_active=name == "activate")

    erase = user.add_parser("erase", help="erase a person for good: their content goes, the books keep an id")
    erase.add_argument("email", metavar="EMAIL")
    erase.add_argument("--yes", action="store_true", help="do not ask whether it is meant")
    erase.set_defaults(run=_user_erase)


def _add_plan(plan: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    plan_set = plan.add_parser("set", help="put an organisation on a plan")
    plan_set.add_argument("org", metavar="ORG")
    plan_set.add_argument("plan", metavar="PLAN")
    plan_set.set_defaults(run=_plan_set)


def _add_credits(credits: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    grant = credits.add_parser("grant", help="give an organisation credits; prints its balance")
    grant.add_argument("org", metavar="ORG", help="name or id of the organisation")
    grant.add_argument("amount", type=_credits, metavar="AMOUNT", help="how many, such as 25 or 0.5")
    grant.add_argument("--reason", required=True, metavar="TEXT", help="why, as its ledger will say")
    grant.add_argument("--expires", type=date.fromisoformat, metavar="DATE", help="last day, UTC (they do not end)")
    grant.add_argument("--key", metavar="KEY", help="the grant's own: it is granted once, however often it is run")
    grant.set_defaults(run=_credits_grant)


def _add_bars(bars: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    update = bars.add_parser("update", help="load what is shipped, and fetch new bars from the configured sources")
    update.add_argument("--universe", metavar="ID", help="universe whose symbols are fetched (the default one)")
    update.add_argument("--org", metavar="NAME", help="organisation whose own universe it is")
    update.add_argument(
        "--first", type=date.fromisoformat, metavar="DATE", help="first day (where the last update ended)"
    )
    update.add_argument("--last", type=date.fromisoformat, metavar="DATE", help="last day (the last closed session)")
    update.set_defaults(run=_bars_update)
    bring = bars.add_parser("import", help="bring bars of your own as CSV or Parquet; all of a file or nothing")
    bring.add_argument("file", type=Path, metavar="FILE")
    bring.add_argument("--org", required=True, metavar="NAME", help="organisation that alone will see them")
    bring.add_argument("--universe", required=True, metavar="NAME", help="universe that their symbols make")
    bring.add_argument("--dry-run", action="store_true", help="tell every row's fate, and load nothing")
    bring.add_argument("--currency", metavar="CODE", help="currency, where no column tells it: USD, INR, ...")
    bring.add_argument("--exchange", metavar="MIC", help="exchange, where no column tells it: XNYS, XNSE, ...")
    bring.add_argument("--adjusted", action="store_true", help="the prices are adjusted for splits already")
    bring.add_argument("--decimal", choices=[".", ","], help="decimal sign, where the file does not show it")
    bring.add_argument(
        "--dates", choices=["dmy", "mdy"], help="order of day and month, where the file does not show it"
    )
    bring.set_defaults(run=_bars_import)
    check = bars.add_parser("check", help="look for gaps, impossible bars, unadjusted splits and stale histories")
    check.add_argument("--universe", metavar="ID", help="universe that is looked at (the default one)")
    check.add_argument("--org", metavar="NAME", help="organisation whose own universe or bars they are")
    check.set_defaults(run=_bars_check)


def _add_usage(usage: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    prune = usage.add_parser("prune", help="export and drop months that ended long ago, by USAGE_RETENTION_MONTHS")
    prune.add_argument("--dry-run", action="store_true", help="tell what would go, and drop nothing")
    prune.add_argument(
        "--with-uncertain",
        action="store_true",
        help="drop calls that are unresolved or quarantined, too",
    )
    prune.set_defaults(run=_usage_prune)


def _add_keys(keys: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    rotate = keys.add_parser(
        "rotate", help="re-encrypt everything under the newest of ENCRYPTION_KEYS; can be interrupted and begun again"
    )
    rotate.set_defaults(run=_keys_rotate)


def _add_verdicts(verdicts: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    replay = verdicts.add_parser(
        "replay", help="show stored snapshots to another model or under another prompt, and compare; changes nothing"
    )
    replay.add_argument("--org", required=True, metavar="NAME", help="organisation whose verdicts they are")
    replay.add_argument("--model", required=True, metavar="ID", help="model that is shown them")
    replay.add_argument("--prompt", type=Path, metavar="FILE", help="prompt to ask under (the one in force)")
    replay.add_argument("--budget", required=True, type=_amount, metavar="USD", help="most that it may cost")
    replay.add_argument("--most", type=int, default=100, metavar="N", help="most snapshots, the newest (100)")
    replay.add_argument("--scored-only", action="store_true", help="only those whose outcome is known")
    replay.add_argument("--yes", action="store_true", help="do not ask whether it may cost this")
    replay.set_defaults(run=_verdicts_replay)


def _amount(words: str) -> Decimal:
    """An amount in USD."""
    try:
        amount = Decimal(words)
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise argparse.ArgumentTypeError(f"an amount in USD, from 0, is wanted: {words}")
    return amount


def _credits(words: str) -> Decimal:
    """An amount of credits; whether it can be granted is told where it is."""
    try:
        return Decimal(words)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"an amount of credits is wanted: {words}") from None


def _verdicts_replay(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import verdicts

    asked = verdicts.Asked(
        org=given.org,
        model=given.model,
        prompt=given.prompt,
        budget_usd=given.budget,
        most=given.most,
        is_scored_only=given.scored_only,
        is_agreed=given.yes,
    )
    return verdicts.replay(settings, asked)


def _scan(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import scan

    return scan.run(settings, universe=given.universe, org=given.org, day=given.date)


def _validate(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import validate

    return validate.run(settings, validate.Asked(given.org, given.universe, given.model, given.most))


def _bars_update(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import bars

    return bars.update(settings, universe=given.universe, org=given.org, first=given.first, last=given.last)


def _bars_import(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import bars

    return bars.bring(settings, given.file, bars.Brought(**{key: getattr(given, key) for key in bars.BROUGHT}))


def _bars_check(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import bars

    return bars.check(settings, universe=given.universe, org=given.org)


def _usage_prune(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import usage

    return usage.prune(settings, is_dry_run=given.dry_run, drops_uncertain=given.with_uncertain)


def _keys_rotate(settings: Settings, _given: argparse.Namespace) -> int:
    from core.commands import keys

    return keys.rotate_all(settings)


def _serve(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import serve

    return serve.run(settings, host=given.host, port=given.port)


def _worker(settings: Settings, _given: argparse.Namespace) -> int:
    from core.commands import worker

    return worker.run(settings)


def _migrate(settings: Settings, _given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.migrate_database(settings)


def _demo(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.print_demo(settings, as_new=given.reset)


def _user_add(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.add_user(
        settings,
        given.email,
        org=given.org,
        plan=given.plan,
        role=Role(given.role),
        password=given.password,
        is_operator=given.operator,
    )


def _user_token(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.print_token(settings, given.email, org=given.org)


def _user_set_active(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.set_active(settings, given.email, is_active=given.is_active)


def _user_erase(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.erase_user(settings, given.email, is_agreed=given.yes)


def _plan_set(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.set_plan(settings, given.org, given.plan)


def _credits_grant(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.grant_credits(
        settings, given.org, given.amount, reason=given.reason, last_day=given.expires, key=given.key
    )


def _doctor(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import audit, doctor

    if given.audit or given.anchor:
        return audit.run(settings, anchor=given.anchor)
    return doctor.run_accounting(settings) if given.accounting else doctor.run(settings)


if __name__ == "__main__":
    sys.exit(main())

"""The command line: `python -m core …`. Exit 0 on success, 2 on bad use, 1 on failure with one line on stderr."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Sequence

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

    migrate = commands.add_parser("migrate", help="bring the database to this version")
    migrate.set_defaults(run=_migrate)

    demo = commands.add_parser("demo", help="load the demo organisation, and print its sign-ins")
    demo.set_defaults(run=_demo)

    user = commands.add_parser("user", help="users").add_subparsers(required=True, metavar="COMMAND")
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

    plan = commands.add_parser("plan", help="plans").add_subparsers(required=True, metavar="COMMAND")
    plan_set = plan.add_parser("set", help="put an organisation on a plan")
    plan_set.add_argument("org", metavar="ORG")
    plan_set.add_argument("plan", metavar="PLAN")
    plan_set.set_defaults(run=_plan_set)

    doctor = commands.add_parser("doctor", help="what is configured, reachable and missing")
    doctor.add_argument("--accounting", action="store_true", help="check that the books balance")
    doctor.set_defaults(run=_doctor)
    return parser


def _serve(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import serve

    return serve.run(settings, host=given.host, port=given.port)


def _migrate(settings: Settings, _given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.migrate_database(settings)


def _demo(settings: Settings, _given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.print_demo(settings)


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


def _plan_set(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import admin

    return admin.set_plan(settings, given.org, given.plan)


def _doctor(settings: Settings, given: argparse.Namespace) -> int:
    from core.commands import doctor

    return doctor.run_accounting(settings) if given.accounting else doctor.run(settings)


if __name__ == "__main__":
    sys.exit(main())

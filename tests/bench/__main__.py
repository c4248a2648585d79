"""`python -m tests.bench [--only NAME …] [--quick] [--list]`: measures, prints one table, writes `bench/latest.json`.

Exit 0 where everything was measured, whether or not each goal was met; 1 where a measurement broke.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import time
from collections.abc import Sequence

from tests.bench import machine, report
from tests.bench.figures import Figure
from tests.bench.ground import FOLDER, Ground, prepared_ground
from tests.bench.registry import MEASUREMENTS

MAX_REASON_CHARS = 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures what was asked for."""
    given = _parser().parse_args(arguments)
    if given.list:
        width = max(map(len, MEASUREMENTS))
        print("\n".join(f"{name:{width}}  {entry.summary}" for name, entry in MEASUREMENTS.items()))
        return 0
    _forget_own_settings()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    before = machine.machine()
    with prepared_ground(is_quick=given.quick) as ground:
        postgres = ground.server.version
        areas = {name: _measured(name, ground) for name in MEASUREMENTS if name in (given.only or MEASUREMENTS)}
    file = FOLDER / ("latest.json" if not given.quick and not given.only else "partial.json")
    print(f"\n{machine.words(before, machine.versions(postgres))}\n")
    print(report.table(areas))
    report.write(file, areas, machine=before, postgres=postgres, is_quick=given.quick)
    print(f"\nWritten to {FOLDER.name}/{file.name}.")
    return 1 if any(figure.is_broken for figures in areas.values() for figure in figures) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure the workbench.")
    parser.add_argument("--only", nargs="+", choices=list(MEASUREMENTS), metavar="NAME", help="these alone")
    parser.add_argument("--quick", action="store_true", help="few repetitions, to see that everything works")
    parser.add_argument("--list", action="store_true", help="say what can be measured, and measure nothing")
    return parser


def _forget_own_settings() -> None:
    """A developer's keys and databases are none of the benchmark's."""
    for name in [*os.environ]:
        if name.endswith(("_API_KEY", "_BASE_URL")) or name in (
            "DATABASE_URL",
            "DATABASE_SERVICE_URL",
            "PLANS_FILE",
            "ASSAY_DEMO",
            "HOST",
            "PUBLIC_URL",
        ):
            del os.environ[name]


def _measured(name: str, ground: Ground) -> Sequence[Figure]:
    """The figures of one measurement; where it breaks the others are measured all the same."""
    begun = time.monotonic()
    print(f"{name}: {MEASUREMENTS[name].summary} …", file=sys.stderr, flush=True)
    try:
        return MEASUREMENTS[name].run(ground)
    except Exception as error:  # noqa: BLE001 (one that breaks must not take the other figures along)
        words = re.sub(r"\S*/\S+", "…", str(error))[:MAX_REASON_CHARS]
        return [Figure(name, "", why_not=f"it broke: {type(error).__name__}: {words}", is_broken=True)]
    finally:
        print(f"{name}: {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

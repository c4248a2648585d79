"""A process that evaluates the rules of alerts once, or dies in the middle: `watch_process URL evaluate|die`."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from dataclasses import replace

from core.admin.alerts.telling import Telling
from core.admin.alerts.watch import AlertWatch
from core.db.engine import Database, Transaction
from core.db.oversight_alerts_dao import AlertRow
from core.ops.notifications import Notifications


class Dying(Telling):
    """Tells somebody, and is killed before that is kept."""

    def tell(self, transaction: Transaction, alert: AlertRow, event: str) -> bool:
        """Ends this process at once."""
        super().tell(transaction, alert, event)
        os.kill(os.getpid(), signal.SIGKILL)
        return False


def main(url: str, what: str) -> None:
    """Evaluates once, and says how many alerts were raised."""
    with closing(Database(url, pool_size=2)) as database:
        notifications = Notifications(database)
        watch = AlertWatch(database, Telling(notifications, has_mail=True), lambda: None)
        if what == "die":
            watch = replace(watch, telling=Dying(notifications, has_mail=True))
        sys.stdout.write(str(watch.evaluate()))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A fence around one piece of periodic work: when it fails it is logged, and what comes after goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable

from core.errors import AssayError, place_of

_log = logging.getLogger(__name__)


def fenced(what: str, work: Callable[[], object]) -> bool:
    """Does it; False, with a line in the log, where it fails. It is done again in the next round."""
    try:
        work()
    except AssayError as error:
        _log.warning("Billing: %s was not done: %s", what, error.detail)
    except Exception as error:  # noqa: BLE001 (the outermost edge of one piece of work: the others go on)
        _log.error("Billing: %s was not done: %s.", what, place_of(error))
    else:
        return True
    return False

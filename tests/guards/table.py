"""The guards, area by area."""

from __future__ import annotations

from tests.guards.calls import CALL_GUARDS
from tests.guards.credits import CREDIT_GUARDS
from tests.guards.functions import FUNCTION_GUARDS
from tests.guards.runner import Guard

GUARDS: tuple[Guard, ...] = (*FUNCTION_GUARDS, *CALL_GUARDS, *CREDIT_GUARDS)

"""The documentation names every figure as the table of figures has it."""

from __future__ import annotations

import json
import re

from core.screener.criteria import checked, from_json
from core.screener.fields import FIELDS, Operator
from tests.core.screener.figures_page import PAGE, as_it_should_be


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text("utf-8")
    assert page == as_it_should_be(), "run python -m tests.core.screener.figures_page"
    assert page.count("| `") >= len(FIELDS)
    assert all(f"`{operator}`" in page for operator in Operator)


def test_the_example_is_a_screen() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert checked(from_json(json.loads(example)))  # type: ignore[truthy-bool]

"""In place of the page Symbol, to which components link: it needs a workbench."""

from __future__ import annotations

from pages.components.states import show_empty

show_empty("Symbol needs a workbench", "The gallery has none: `make run` starts one.")

"""How the calls of a request ended."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.ai.answer import Question
from core.ai.attempts import Attempt, Counted, counted, summed
from core.ai.tools import Course
from core.errors import AssayError


@dataclass(frozen=True, slots=True)
class Ended:
    """How the calls of a request ended."""

    outcome: str
    """`success`; `cut` or `early_cut` (before anything came); `broken` or `failed`, which are free."""
    text: str
    made_of: tuple[Attempt, ...]
    """The attempts that the answer is made of, one a round, the last being the one that ended it."""
    cut: str | None = None
    """Why we ended it ourselves, where we did."""
    is_stopped: bool = False
    """Whether it ended at a limit, with what it had."""
    course: Course | None = field(default=None, repr=False)
    error: AssayError | None = None
    """Why it brought nothing, where it did not."""

    @property
    def last(self) -> Attempt:
        """The attempt that ended it."""
        return self.made_of[-1]

    @property
    def finish_reason(self) -> str:
        """Why the text ends where it does."""
        if self.outcome != "success" or self.last.finish is None:
            return "cut"
        return "length" if self.is_stopped else self.last.finish.reason

    def counted(self, question: Question) -> Counted:
        """The tokens of all rounds together."""
        return summed([counted(attempt, question) for attempt in self.made_of])

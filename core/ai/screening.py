"""The guards at work for one question: what leaves for a provider, and what comes back from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.ai.answer import Question
from core.ai.guards.guards import TYPED_TASKS, Guards
from core.ai.guards.outflow import Outflow
from core.ai.guards.vault import Vault
from core.ai.providers.contract import Finish, Message, ToolCall
from core.errors import UnusableAnswer
from core.principal import Principal

WITHHELD = "The answer was withheld: it held what must not be told. It cost you nothing; ask in other words."


@dataclass(slots=True)
class Screen:
    """What stands between one question and its providers."""

    guards: Guards
    principal: Principal
    vault: Vault
    moderates: bool = False
    """Whether a provider's moderation is asked as well, once the cost is held."""
    _latest: tuple[Sequence[Message], tuple[Message, ...]] | None = None
    """Messages, and how they leave: they are asked for several times in a row."""

    def check(self, question: Question) -> None:
        """Asks for the moderation of a provider, where that is switched on.

        Raises:
            PromptRejected: the question may not be asked.
        """
        if not self.moderates or question.task not in TYPED_TASKS:
            return
        verdict = self.guards.moderate(self.vault.hidden(question.messages[-1].text))
        if verdict.is_refused:
            raise self.guards.refused(self.principal, verdict, self.vault.request_id)

    def outgoing(self, messages: Sequence[Message]) -> tuple[Message, ...]:
        """The messages as they leave this machine.

        Raises:
            PromptRejected: a guard broke; nothing may leave.
        """
        latest = self._latest
        if latest is None or latest[0] is not messages:
            sent = self.guards.outgoing(self.vault, self.principal, messages, is_local=False)
            latest = self._latest = (messages, sent)
        return latest[1]

    def incoming(self, question: Question) -> Incoming | None:
        """What an answer's text goes through; None where it is no text for a reader: vectors, a picture."""
        if question.operation in ("embedding", "image"):
            return None
        return Incoming(self, question.json_schema is not None)


class Incoming:
    """One answer on its way back."""

    def __init__(self, screen: Screen, in_json: bool) -> None:
        self._screen = screen
        self._flow = self._new_flow(in_json=in_json)

    def text(self, piece: str) -> str:
        """What can be shown after this piece.

        Raises:
            UnusableAnswer: the model said what it must never say.
        """
        shown = self._flow.push(piece)
        _withhold(self._flow)
        return shown

    def rest(self) -> str:
        """What waited, once nothing more comes; empty where the answer is withheld."""
        shown = self._flow.flush()
        return "" if self._flow.has_leaked else shown

    def finish(self, finish: Finish) -> Finish:
        """The last event, with the arguments of calls as they are to be used.

        Raises:
            UnusableAnswer: likewise.
        """
        _withhold(self._flow)
        return replace(finish, calls=tuple(map(self._call, finish.calls))) if finish.calls else finish

    def _call(self, call: ToolCall) -> ToolCall:
        flow = self._new_flow(in_json=True)
        arguments = flow.push(call.arguments) + flow.flush()
        _withhold(flow)
        return replace(call, arguments=arguments)

    def _new_flow(self, *, in_json: bool) -> Outflow:
        return self._screen.guards.incoming(self._screen.vault, self._screen.principal, in_json=in_json)


def _withhold(flow: Outflow) -> None:
    if flow.has_leaked:
        raise UnusableAnswer(WITHHELD, provider="")

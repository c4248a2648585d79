"""People at work on a page: many sockets that speak Streamlit's wire format, in a light process of their own.

`python -m tests.bench.visitors` reads its plan from its input as JSON, and prints what it saw.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import sys
import time
from dataclasses import asdict, dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from tests.bench.application import cpu_s, machine_cpu_s

ANSWER_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """A page, and what is done there."""

    page: str
    query: str
    """Of its address."""
    widget: str
    """Key of the row of buttons that is pressed."""
    choices: list[str]
    """What each rerun chooses in turn, so that the page's chart is made and sent anew."""
    needed: list[str]
    """Kinds of elements without which it was not drawn whole."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who visits what, how often and how long."""

    place: Place
    base_url: str
    server_pid: int
    cookies: list[str]
    sessions: int
    every_s: float
    warm_up_s: float
    watched_s: float


@dataclass(frozen=True, slots=True)
class Seen:
    """Durations of the reruns that were sent while we watched, and the shares of one core used meanwhile."""

    durations_ms: list[float]
    own_cpu_share: float
    server_cpu_share: float | None
    machine_busy_share: float | None
    """Of all cores, whoever used them; None where the system does not tell."""


@dataclass(frozen=True, slots=True)
class Used:
    """Processor seconds used so far by us, by the server, and by everybody; None where the system does not tell."""

    own_s: float
    server_s: float | None
    machine_s: float | None

    @classmethod
    def now(cls, server_pid: int) -> Used:
        """What was used until now."""
        return cls(time.process_time(), cpu_s(server_pid), machine_cpu_s())


@dataclass
class Drawn:
    """What one run of the script put on the page."""

    kinds: set[str] = field(default_factory=set)
    widget_id: str = ""
    page_hash: str = ""


class Visitor:
    """One tab of a browser."""

    def __init__(self, socket: ClientConnection, place: Place) -> None:
        self._socket = socket
        self._place = place
        self._known: set[str] = set()
        self._drawn = Drawn()
        self._turn = 0

    async def open_page(self) -> None:
        """Opens the page; a page without its chart or table fails."""
        wish = BackMsg()
        wish.rerun_script.page_name = self._place.page
        wish.rerun_script.query_string = self._place.query
        self._drawn = await self._run(wish)
        missing = set(self._place.needed) - self._drawn.kinds
        if missing or not self._drawn.widget_id:
            raise RuntimeError(f"The page was drawn without {', '.join(sorted(missing)) or self._place.widget}.")

    async def choose(self) -> float:
        """Chooses anew; milliseconds from the click to the end of the script."""
        wish = BackMsg()
        wish.rerun_script.page_script_hash = self._drawn.page_hash
        wish.rerun_script.query_string = self._place.query
        wish.rerun_script.cached_message_hashes.extend(self._known)
        state = wish.rerun_script.widget_states.widgets.add()
        state.id = self._drawn.widget_id
        state.string_array_value.data.append(self._place.choices[self._turn % len(self._place.choices)])
        self._turn += 1
        begun = time.perf_counter()
        await self._run(wish)
        return (time.perf_counter() - begun) * 1000

    async def _run(self, wish: BackMsg) -> Drawn:
        drawn = Drawn()
        await self._socket.send(wish.SerializeToString())
        while True:
            message = ForwardMsg()
            message.ParseFromString(await self._socket.recv())
            kind = message.WhichOneof("type")
            if message.metadata.cacheable and message.hash:
                self._known.add(message.hash)
            if kind == "script_finished":
                if message.script_finished != ForwardMsg.FINISHED_SUCCESSFULLY:
                    raise RuntimeError("The script did not end well.")
                return drawn
            if kind == "delta":
                self._note(message, drawn)
            elif kind == "navigation":
                drawn.page_hash = message.navigation.page_script_hash

    def _note(self, message: ForwardMsg, drawn: Drawn) -> None:
        if message.delta.WhichOneof("type") != "new_element":
            return
        element = message.delta.new_element
        kind = element.WhichOneof("type") or ""
        drawn.kinds.add(kind)
        if kind == "exception":
            raise RuntimeError("The page showed an error.")
        if kind == "button_group" and element.button_group.id.endswith(self._place.widget):
            drawn.widget_id = element.button_group.id


async def _visit(plan: Plan, number: int, opened: float) -> list[float]:
    """Opens the page at a moment of one's own, then acts every few seconds until the end."""
    address = f"{plan.base_url.replace('http', 'ws', 1)}/_stcore/stream"
    cookie = plan.cookies[number % len(plan.cookies)]
    rng = random.Random(number)
    await asyncio.sleep((plan.warm_up_s - plan.every_s) * rng.random())
    samples = []
    watched_from = opened + plan.warm_up_s
    async with connect(
        address,
        subprotocols=[Subprotocol("streamlit")],
        origin=Origin(plan.base_url),
        additional_headers={"Cookie": f"assay_session={cookie}"},
        max_size=None,
        open_timeout=ANSWER_WITHIN_S,
    ) as socket:
        visitor = Visitor(socket, plan.place)
        await asyncio.wait_for(visitor.open_page(), ANSWER_WITHIN_S)
        due = time.monotonic() + plan.every_s * rng.random()
        while due < watched_from + plan.watched_s:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            sent = time.monotonic()
            taken_ms = await asyncio.wait_for(visitor.choose(), ANSWER_WITHIN_S)
            if watched_from <= sent < watched_from + plan.watched_s:
                samples.append(taken_ms)
            due = max(sent + plan.every_s, time.monotonic())
    return samples


async def _watched(plan: Plan, opened: float) -> tuple[Used, Used]:
    """What was used until the watch began, and until it ended."""
    await asyncio.sleep(max(0.0, opened + plan.warm_up_s - time.monotonic()))
    before = Used.now(plan.server_pid)
    await asyncio.sleep(plan.watched_s)
    return before, Used.now(plan.server_pid)


async def _visited(plan: Plan) -> Seen:
    opened = time.monotonic()
    async with asyncio.TaskGroup() as group:
        watch = group.create_task(_watched(plan, opened))
        visits = [group.create_task(_visit(plan, number, opened)) for number in range(plan.sessions)]
    before, after = watch.result()
    return Seen(
        durations_ms=[taken for visit in visits for taken in visit.result()],
        own_cpu_share=(after.own_s - before.own_s) / plan.watched_s,
        server_cpu_share=_share(before.server_s, after.server_s, plan.watched_s),
        machine_busy_share=_share(before.machine_s, after.machine_s, plan.watched_s * (os.cpu_count() or 1)),
    )


def _share(before: float | None, after: float | None, seconds: float) -> float | None:
    return None if before is None or after is None else (after - before) / seconds


def main() -> int:
    """Visits by the plan of the input; a visitor who fails ends it all, with one line that says why."""
    given = json.load(sys.stdin)
    plan = Plan(**{**given, "place": Place(**given["place"])})
    gc.freeze()
    try:
        print(json.dumps(asdict(asyncio.run(_visited(plan)))))
    except ExceptionGroup as failures:
        first = failures.exceptions[0]
        print(f"{type(first).__name__}: {first}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

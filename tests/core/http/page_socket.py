"""A visitor without a browser: speaks Streamlit's wire format over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

WAIT_S = 20


@contextmanager
def page_socket(base_url: str, *, origin: str | None = None) -> Iterator[ClientConnection]:
    """An open socket of the pages, as a page of that origin would open it."""
    address = f"{base_url.replace('http', 'ws', 1)}/_stcore/stream"
    named = None if origin is None else Origin(origin)
    with connect(address, subprotocols=[Subprotocol("streamlit")], origin=named, max_size=None) as socket:
        yield socket


def run_page(socket: ClientConnection, *, name: str = "", script_hash: str = "") -> str:
    """Ask for a page by name or by hash, and give all that the script drew until it ended."""
    wish = BackMsg()
    wish.rerun_script.page_name = name
    wish.rerun_script.page_script_hash = script_hash
    socket.send(wish.SerializeToString())
    drawn: list[str] = []
    while True:
        message = ForwardMsg()
        message.ParseFromString(bytes(socket.recv(timeout=WAIT_S)))  # type: ignore[arg-type]
        if message.WhichOneof("type") == "delta":
            drawn.append(str(message.delta))
        if message.WhichOneof("type") == "script_finished":
            return "\n".join(drawn)


def clear_cache_frame() -> bytes:
    """The frame that asks the server to empty the caches of everybody."""
    frame = BackMsg()
    frame.clear_cache = True
    return bytes(frame.SerializeToString())

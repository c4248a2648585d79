"""A local server that speaks OpenAI's moderations, and misbehaves on request."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm"),
    *("self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors", "violence", "violence/graphic"),
)


class ModerationServer:
    """Flags the categories that it is told to; `status` and `after_s` make it fail."""

    def __init__(self) -> None:
        self.flagged: set[str] = set()
        self.status = 200
        self.after_s = 0.0
        self.content: bytes | None = None
        """Answered in place of an answer of its format."""
        self.inputs: list[Any] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                server.inputs.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["input"])
                time.sleep(server.after_s)
                body = server.content if server.content is not None else server.answer()
                self.send_response(server.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        """The address, as the official client expects it."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def answer(self) -> bytes:
        """What OpenAI answers."""
        flags = {category: category in self.flagged for category in CATEGORIES}
        scores = {category: 0.9 if flagged else 0.0 for category, flagged in flags.items()}
        types = {category: ["text"] for category in CATEGORIES}
        result = {
            "flagged": any(flags.values()),
            "categories": flags,
            "category_scores": scores,
            "category_applied_input_types": types,
        }
        return json.dumps({"id": "modr-1", "model": "omni-moderation-latest", "results": [result]}).encode()

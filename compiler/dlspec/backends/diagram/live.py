"""Serves a page that is drawn again and again, to this machine only."""

from __future__ import annotations

import json
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Condition, Thread
from typing import Any

from dlspec.backends.diagram.page import Json, wrap_page

_HOST = "127.0.0.1"
_PATIENCE = 10.0
"""Seconds after which a silent stream says that it is still there, so that one nobody listens to is noticed."""

_TIMEOUT = 30.0
"""Seconds that a client has for a request, and to take what it is answered."""

_CLIENTS = 32
"""Connections at once."""

_DIGITS = 19
"""Of the number of a version, and one."""

_POLICY = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""What holds of every answer; what the page itself may load, it says by the hashes of its parts, see `page`."""


class LivePage:
    """A server for one page, on a free port of the loopback. A context: leaving it ends the server.

    `publish` gives it what to show. Pages that are open are told, and fetch that.
    """

    def __init__(self, port: int = 0) -> None:
        self._changed = Condition()
        self._data: Json = {}
        self._version = 0
        self._closed = False
        self._server = _Server((_HOST, port), _Handler)
        self._server.live = self
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    @property
    def address(self) -> str:
        return f"http://{_HOST}:{self._server.server_port}/"

    def publish(self, data: Json) -> None:
        """Shows what `page_data` gives."""
        with self._changed:
            self._version += 1
            self._data = data | {"live": True, "version": self._version}
            self._changed.notify_all()

    def current(self) -> Json:
        with self._changed:
            return self._data

    def newer(self, version: int) -> int | None:
        """Waits for a version after this one: the newest, 0 where none came for some time, None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._version > version, _PATIENCE)
            return None if self._closed else self._version if self._version > version else 0

    def __enter__(self) -> LivePage:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    """Serves a bounded number of clients; more are hung up on. What goes wrong with one is no concern of the others."""

    daemon_threads = True
    live: LivePage

    def __init__(self, address: tuple[str, int], handler: type[_Handler]) -> None:
        super().__init__(address, handler)
        self._free = BoundedSemaphore(_CLIENTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that is gone, or sends what is no request, is no error of the spec."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]
    timeout = _TIMEOUT

    def do_GET(self) -> None:
        live = self.server.live
        path, _, query = self.path.partition("?")
        if self.headers.get("Host") not in _names(live.address):
            # A name of someone else's that leads here: the spec is nothing to show to their page.
            self.send_error(403)
        elif path == "/":
            self._answer("text/html; charset=utf-8", wrap_page(live.current(), live=True).encode())
        elif path == "/data.json":
            self._answer("application/json", json.dumps(live.current()).encode())
        elif path == "/events":
            with suppress(OSError):
                self._stream(int(query) if query.isascii() and query.isdigit() and len(query) < _DIGITS else 0)
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for what is wrong with the spec."""

    def _answer(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        super().end_headers()

    def _stream(self, version: int) -> None:
        """Server-sent events: a `drawn` for each version after the one that the page has."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        newest = self.server.live.newer(version)
        while newest is not None:
            self.wfile.write(f"event: drawn\ndata: {newest}\n\n".encode() if newest else b": still here\n\n")
            self.wfile.flush()
            version = newest or version
            newest = self.server.live.newer(version)


def _names(address: str) -> tuple[str, str]:
    """How the address may be named in a request."""
    own = address.removeprefix("http://").rstrip("/")
    return own, own.replace(_HOST, "localhost")

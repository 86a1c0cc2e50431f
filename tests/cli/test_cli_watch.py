"""`dlspec draw FILE --watch`, in a process of its own, over the loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

import pytest
from calls import Call

pytest.importorskip("watchfiles", reason="watchfiles is not installed")
pytest.importorskip("pygraphviz", reason="drawing needs Graphviz")

MAIN = "from .parts import Body\nnetwork A(x: float[N, 3, 8, 8]) -> y { x -> Body(4) -> last: Conv(WIDTH, 1) }\n"
PARTS = "block Body(w) { Conv(w, 3) -> ReLU }\n"
WRONG = "network A(x: float[N, 3, 8, 8]) -> y { x -> first: Conv(4, 3) -> last: Conv(4, 9) -> ReLU }\n"


class Watched:
    """A process that watches ``main.dlspec``, and its page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.save("parts.dlspec", PARTS)
        self.save("main.dlspec", MAIN.replace("WIDTH", "5"))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dlspec", "draw", "main.dlspec", "--watch"], cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        assert self.process.stdout
        found = re.search(r"http://(127\.0\.0\.1:\d+)/", self.process.stdout.readline())
        assert found, self.process.communicate(timeout=600)
        self.host = found[1]

    def save(self, name: str, text: str) -> None:
        """As editors save: written beside and renamed."""
        beside = self.folder / f"{name}.new"
        beside.write_text(text)
        os.replace(beside, self.folder / name)

    def get(self, path: str, host: str | None = None) -> HTTPResponse:
        connection = HTTPConnection(self.host, timeout=600)
        connection.request("GET", path, headers={"Host": host} if host else {})
        return connection.getresponse()

    def data(self) -> dict[str, Any]:
        return json.loads(self.get("/data.json").read())

    def after(self, change: Callable[[], None]) -> dict[str, Any]:
        """The data that the page is told of when a change is made."""
        stream = self.get(f"/events?{self.data()['version']}")
        change()
        while (line := stream.readline()) and not line.startswith(b"event: drawn"):
            pass
        assert line
        stream.close()
        return self.data()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    started = Watched(tmp_path)
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.communicate()


def calls(data: dict[str, Any]) -> list[str]:
    return [box["call"] for box in data["boxes"]]


def test_page_is_drawn_again_on_every_save(watched: Watched) -> None:
    page = watched.get("/")
    text = page.read().decode()
    assert page.status == 200
    assert "connect-src 'self'" in text
    assert '"live":true' in text
    assert "Conv(5, 1)" in calls(watched.data())

    data = watched.after(lambda: watched.save("main.dlspec", MAIN.replace("WIDTH", "6")))
    assert "Conv(6, 1)" in calls(data)
    assert data["errors"] == ""

    data = watched.after(lambda: watched.save("parts.dlspec", PARTS.replace("ReLU", "Tanh")))
    assert "Tanh" in calls(data)

    data = watched.after(lambda: watched.save("main.dlspec", WRONG))
    assert "error[DL0203]" in data["errors"]
    assert [box["kind"] for box in data["boxes"]].count("fault") == 1
    assert "Conv(4, 3)" in calls(data)
    assert any(edge["fault"] for layout in data["layouts"] for edge in layout["edges"])

    data = watched.after(lambda: watched.save("main.dlspec", "network {"))
    assert "error[DL" in data["errors"]
    assert "Conv(4, 3)" in calls(data), "the last picture stays where nothing can be drawn"

    data = watched.after(lambda: watched.save("main.dlspec", MAIN.replace("WIDTH", "7")))
    assert data["errors"] == ""
    assert "Conv(7, 1)" in calls(data)


def test_interrupt_ends_it(watched: Watched) -> None:
    stream = watched.get("/events?1")
    watched.process.send_signal(signal.SIGINT)
    out, err = watched.process.communicate(timeout=600)
    assert watched.process.returncode == 0
    assert (out.strip(), err) == ("", "")
    assert stream.read() == b""


def test_only_this_machine_is_answered(watched: Watched) -> None:
    assert watched.get("/data.json", host="example.org").status == 403
    assert watched.get("/data.json", host=watched.host.replace("127.0.0.1", "localhost")).status == 200
    assert watched.get("/../main.dlspec").status == 404


def test_begins_with_a_spec_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "main.dlspec").write_text("network {")
    process = subprocess.Popen(
        [sys.executable, "-m", "dlspec", "draw", "main.dlspec", "--watch"], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout
    assert "http://127.0.0.1:" in process.stdout.readline()
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0
    assert "error[DL" in err


def test_what_a_page_has_no_use_for(call: Call) -> None:
    status, _, err = call("draw", "tiny.dlspec", "--watch", "-o", "net.svg")
    assert (status, "no use for --output" in err) == (2, True)
    status, _, err = call("draw", "tiny.dlspec")
    assert (status, "--watch" in err) == (2, True)


def raw(watched: Watched, request: bytes, timeout: float = 20) -> bytes:
    """What is answered to bytes that are sent as they are."""
    host, port = watched.host.split(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(OSError):
            while part := connection.recv(1 << 16):
                answer += part
        return answer


MALFORMED = [
    b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00\xff\x80" * 100,
    b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: \xff\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\n\r\n", b"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n",
]  # fmt: skip


def test_lives_through_what_strangers_send_and_save(watched: Watched) -> None:
    for request in MALFORMED:
        answer = raw(watched, request.replace(b"HOST", watched.host.encode()))
        assert b"Conv" not in answer
        assert not answer.startswith(b"HTTP/1.0 200"), request[:40]
    for query in ("%C2%B2", "9" * 5000, "-1", ""):
        stream = watched.get(f"/events?{query}")
        assert stream.status == 200
        stream.close()
    many = [socket.create_connection(tuple(watched.host.split(":"))) for _ in range(100)]  # type: ignore[arg-type]
    for connection in many:
        connection.close()
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        with suppress(OSError, HTTPException):
            if watched.get("/").status == 200:
                break
    page = watched.get("/")
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.read().decode()

    beside = watched.folder / "parts.new"
    beside.write_bytes(b"block Body(w) { \xff }")
    data = watched.after(lambda: os.replace(beside, watched.folder / "parts.dlspec"))
    assert "parts.dlspec is not UTF-8 text" in data["errors"]

    def folder() -> None:
        (watched.folder / "parts.dlspec").unlink()
        (watched.folder / "parts.dlspec").mkdir()

    assert "error[DL0404]" in watched.after(folder)["errors"]
    (watched.folder / "parts.dlspec").rmdir()
    data = watched.after(lambda: watched.save("parts.dlspec", PARTS))
    assert data["errors"] == ""
    watched.process.send_signal(signal.SIGINT)
    _, err = watched.process.communicate(timeout=600)
    assert "Traceback" not in err
    assert watched.process.returncode == 0


def test_a_client_that_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlspec.backends.diagram import live

    monkeypatch.setattr(live._Handler, "timeout", 0.2)
    with live.LivePage() as page:
        port = int(page.address.rstrip("/").rpartition(":")[2])
        silent = socket.create_connection(("127.0.0.1", port), timeout=600)
        assert silent.recv(1) == b""
        half = socket.create_connection(("127.0.0.1", port), timeout=600)
        half.sendall(b"GET / HT")
        assert half.recv(1) == b""


def test_clients_are_bounded() -> None:
    from dlspec.backends.diagram import live

    with live.LivePage() as page:
        port = int(page.address.rstrip("/").rpartition(":")[2])
        held = [socket.create_connection(("127.0.0.1", port), timeout=600) for _ in range(live._CLIENTS)]
        time.sleep(0.5)
        assert threading.active_count() <= live._CLIENTS + 10
        more = socket.create_connection(("127.0.0.1", port), timeout=600)
        assert more.recv(1) == b""
        for connection in (*held, more):
            connection.close()

"""A web server on loopback that misbehaves on request, and remembers who called."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Call:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    moment: float
    status: int = 0


Behaviour = Callable[["Handler", int], None]


@dataclass
class Site:
    """What a server has, and what was requested of it.

    Attributes:
        files: path -> bytes.
        behaviours: path -> what is done instead of sending a file; gets how many calls came before.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    port: int = 0
    etags: bool = True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def counts(self) -> Counter[str]:
        """Calls by path, without robots.txt."""
        return Counter(call.path for call in self.calls if call.path != "/robots.txt")


class Handler(BaseHTTPRequestHandler):
    """Serves one request."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        before = sum(call.path == self.path for call in self.site.calls)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.site.calls.append(Call(self.path, headers, time.monotonic()))
        self.call = self.site.calls[-1]
        behaviour = self.site.behaviours.get(self.path)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if behaviour is not None:
                behaviour(self, before)
            elif self.path in self.site.files:
                self.send_file(self.site.files[self.path])
            else:
                self.answer(404)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer; `_` in names of headers is `-`."""
        self.call.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_file(
        self, data: bytes, *, cut: int | None = None, tag: str = '"one"', kind: str = "video/mp4"
    ) -> None:
        """A file, or the part of it that is wanted; breaks off after `cut` bytes."""
        begin = 0
        wanted = self.headers.get("Range", "")
        if self.site.etags and wanted.startswith("bytes=") and self.headers.get("If-Range") == tag:
            begin = int(wanted.removeprefix("bytes=").partition("-")[0])
        self.call.status = 206 if begin else 200
        self.send_response(self.call.status)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(data) - 1}/{len(data)}")
        if self.site.etags:
            self.send_header("ETag", tag)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data) - begin))
        self.end_headers()
        self.wfile.write(data[begin : begin + cut] if cut is not None else data[begin:])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(site: Site) -> Iterator[Site]:
    """A site that answers until the block ends."""
    handler = type("SiteHandler", (Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def http_date(seconds: float) -> str:
    """A date of HTTP so many seconds from now."""
    return formatdate(time.time() + seconds, usegmt=True)

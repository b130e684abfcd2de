"""A web server of some files, with ranges, that counts what it is asked for and can misbehave."""

from __future__ import annotations

import re
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

_STATUS = re.compile(r"/status/(\d+)")


class FileServer(ThreadingHTTPServer):
    """Serves `folder`; `/status/404/x` answers so; `/breaks/x` cuts each answer after 100 kB."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.sent: Counter[str] = Counter()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        found = _STATUS.match(path)
        file = self.server.folder / Path(path).name
        if found is not None or not file.is_file():
            self.send_error(int(found[1]) if found is not None else 404)
            return
        data = file.read_bytes()
        start, stop = 0, len(data)
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if ranged is not None:
            start = int(ranged[1])
            stop = min(int(ranged[2]) + 1, stop) if ranged[2] else stop
        self.send_response(206 if ranged is not None else 200)
        if ranged is not None:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.send_header("Content-Length", str(stop - start))
        self.send_header("ETag", f'"{len(data)}"')
        self.end_headers()
        body = data[start:stop]
        if path.startswith("/breaks/"):
            body = body[:100_000]
        self.wfile.write(body)
        self.server.sent[file.name] += len(body)
        self.close_connection = True

"""A hub on loopback that takes uploads as the Hugging Face one does."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hub:
    """What was uploaded.

    Attributes:
        endpoint: address of the server.
        refuses: answer everything with 401.
        repositories: bodies of the requests that made repositories.
        files: path -> bytes of the last commit.
        commits: addresses that commits were sent to.
    """

    endpoint: str = ""
    refuses: bool = False
    repositories: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)


@contextmanager
def serving_hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if hub.refuses:
                self._answer({"error": "Invalid username or password."}, 401)
            elif self.path == "/api/repos/create":
                made = json.loads(body)
                hub.repositories.append(made)
                kind = "datasets/" if made.get("type") == "dataset" else ""
                place = f"{kind}{made.get('organization', 'me')}/{made['name']}"
                self._answer({"url": f"{hub.endpoint}/{place}"})
            elif "/preupload/" in self.path:
                names = [each["path"] for each in json.loads(body)["files"]]
                modes = [
                    {"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names
                ]
                self._answer({"files": modes})
            elif "/commit/" in self.path:
                hub.commits.append(self.path)
                for line in map(json.loads, body.splitlines()):
                    if line["key"] == "file":
                        value = line["value"]
                        hub.files[value["path"]] = base64.b64decode(value["content"])
                place = self.path.removeprefix("/api/").removeprefix("models/")
                address = f"{hub.endpoint}/{place.partition('/commit/')[0]}/commit/abc"
                self._answer({"commitUrl": address, "commitOid": "abc"})
            else:
                self._answer({})

        def do_GET(self) -> None:
            self._answer({"error": "nothing here"}, 404)

        def _answer(self, content: dict[str, Any], status: int = 200) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield hub
        server.shutdown()
        thread.join()

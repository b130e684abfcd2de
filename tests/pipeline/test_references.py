"""What a file names elsewhere is never fetched or opened."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from tests.media import write_video


class Trapdoor(BaseHTTPRequestHandler):
    """Remembers every request."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    served = ThreadingHTTPServer(("127.0.0.1", 0), Trapdoor)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served
    served.shutdown()
    thread.join()
    served.server_close()


def test_nothing_that_a_file_names_is_fetched_or_opened(
    server: ThreadingHTTPServer, recipe: Recipe, tmp_path: Path
) -> None:
    inside = tmp_path / "in"
    secret = write_video(inside / "secret.mp4")
    url = f"http://127.0.0.1:{server.server_address[1]}/x.mp4"
    media = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"
    texts = {
        "http.m3u8": media.format(url),
        "local.m3u8": media.format(secret),
        "padded.mp4": "\n\n" + media.format(secret),
        "nested.ts": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n" + url + "\n",
        "join.mp4": f"ffconcat version 1.0\nfile '{secret}'\n",
        "list.avi": f"file '{secret}'\nfile '{url}'\n",
        "dash.mp4": f'<?xml version="1.0"?><MPD><BaseURL>{url}</BaseURL></MPD>',
        "session.mp4": f"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\na=control:{url}\n",
        "redirect.mov": f"rtsptext\n{url}\n",
        "reference.asf": f"[Reference]\nRef1={url}\n",
        "internet.mp4": f"[InternetShortcut]\nURL={url}\n",
    }
    for name, text in texts.items():
        (inside / name).write_text(text)
    secret_alone = tmp_path / "elsewhere" / "secret.mp4"
    secret_alone.parent.mkdir()
    secret.rename(secret_alone)
    summary = build([str(inside)], tmp_path / "data", recipe, workers=2)
    assert (summary.videos, summary.failures) == (0, len(texts))
    assert Trapdoor.asked == []
    with socket.create_connection(server.server_address[:2]) as probe:  # the server did listen
        probe.sendall(b"GET /probe HTTP/1.0\r\n\r\n")
        probe.recv(10)
    assert Trapdoor.asked == ["/probe"]
    Trapdoor.asked.clear()

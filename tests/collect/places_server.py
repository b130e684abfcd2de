"""A server that answers as Wikimedia Commons, the Internet Archive, a feed, a bucket, an index."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class PlacesServer(ThreadingHTTPServer):
    """Answers by path; notes each request.

    Attributes:
        requests: (path with query, headers) in the order they came.
        faults: path prefix -> (status, headers) of answers that come first, each once.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.faults: dict[str, list[tuple[int, dict[str, str]]]] = {}

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: PlacesServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, dict(self.headers)))
        for prefix, faults in self.server.faults.items():
            if self.path.startswith(prefix) and faults:
                status, headers = faults.pop(0)
                self._send(status, "text/plain", b"not now", headers)
                return
        parts = urlsplit(self.path)
        fields = {name: values[0] for name, values in parse_qs(parts.query).items()}
        answer = _ANSWERS.get(parts.path.rstrip("/").split("/")[1] if parts.path != "/" else "")
        if answer is None:
            self._send(404, "text/plain", b"nothing")
            return
        kind, body = answer(self.server.address, parts.path, fields)
        self._send(200, kind, body)

    def _send(
        self, status: int, kind: str, body: bytes, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": kind}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _commons(address: str, _path: str, fields: dict[str, str]) -> tuple[str, bytes]:
    first = int(fields.get("gsroffset", "0"))
    word = fields["gsrsearch"].removeprefix("filetype:video ")
    pages = [_commons_file(address, word, first + at) for at in range(int(fields["gsrlimit"]))]
    answer: dict[str, Any] = {"query": {"pages": pages[::-1]}}
    if first + len(pages) < 20:
        answer["continue"] = {"gsroffset": first + len(pages), "continue": "gsroffset||"}
    return "application/json", json.dumps(answer).encode()


def _commons_file(address: str, word: str, number: int) -> dict[str, Any]:
    sizes = [(426, 240), (854, 480), (1280, 720)]
    return {
        "title": f"File:{word} {number}.webm",
        "index": number + 1,
        "videoinfo": [
            {
                "url": f"{address}/files/{number}.webm",
                "descriptionurl": f"{address}/wiki/{number}",
                "width": 1920, "height": 1080, "size": 900_000, "duration": 4.0 + 3 * number,
                "user": "Someone", "timestamp": "2021-05-06T07:08:09Z",
                "extmetadata": {
                    "LicenseShortName": {"value": "CC BY-SA 4.0" if number % 2 else "CC0"},
                    "ImageDescription": {"value": "A <b>dog</b> &amp; a cat"},
                },
                "derivatives": [
                    {"src": f"{address}/files/{number}.{height}.webm", "width": width,
                     "height": height}
                    for width, height in sizes
                ],
            }
        ],
    }  # fmt: skip


def _search(_address: str, _path: str, fields: dict[str, str]) -> tuple[str, bytes]:
    first = (int(fields["page"]) - 1) * int(fields["rows"])
    names = [f"item-{at}" for at in range(first, min(first + int(fields["rows"]), 6))]
    documents = [{"identifier": name, "title": name} for name in names]
    response = {"numFound": 6, "start": first, "docs": documents}
    return "application/json", json.dumps({"response": response}).encode()


def _metadata(_address: str, path: str, _fields: dict[str, str]) -> tuple[str, bytes]:
    item = path.rpartition("/")[2]
    files = [
        {"name": "film.ogv", "format": "Ogg Video", "height": "400", "length": "61.5"},
        {"name": "film 720.mp4", "format": "h.264", "height": "720", "length": "1:01.5",
         "size": "1234"},
        {"name": "film.mpeg", "format": "MPEG2", "height": "1080", "length": "61"},
        {"name": "film.txt", "format": "Text"},
    ]  # fmt: skip
    about = {"identifier": item, "title": item, "creator": ["Ann", "Bob"], "language": "eng",
             "licenseurl": "http://creativecommons.org/publicdomain/mark/1.0/"}  # fmt: skip
    found = {"metadata": about, "files": files if item != "item-1" else files[3:]}
    return "application/json", json.dumps(found).encode()


def _feed(address: str, _path: str, _fields: dict[str, str]) -> tuple[str, bytes]:
    text = f"""<?xml version="1.0"?>
    <rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/"
         xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel>
    <title>A show</title><language>de</language><copyright>CC BY 4.0</copyright>
    <item><title>One</title><enclosure url="/files/one.mp4" type="video/mp4" length="5"/>
    <itunes:duration>1:02:03</itunes:duration>
    <pubDate>Tue, 04 Mar 2025 10:00:00 GMT</pubDate></item>
    <item><title>Two</title><media:content url="{address}/files/two.webm" medium="video"
    duration="70" height="480" width="854"/></item>
    <item><title>Sound</title><enclosure url="/files/three.mp3" type="audio/mpeg"/></item>
    </channel></rss>"""
    return "application/rss+xml", text.encode()


def _channel(_address: str, _path: str, _fields: dict[str, str]) -> tuple[str, bytes]:
    text = """<?xml version="1.0" encoding="UTF-8"?>
    <feed xmlns:yt="http://www.youtube.com/xml/schemas/2015" xmlns="http://www.w3.org/2005/Atom">
    <title>Someone</title><entry><yt:videoId>abcdefghijk</yt:videoId>
    <yt:channelId>UC1</yt:channelId><title>Film</title><author><name>Someone</name></author>
    <link rel="alternate" href="https://www.youtube.com/watch?v=abcdefghijk"/>
    <published>2024-01-02T03:04:05+00:00</published></entry></feed>"""
    return "application/atom+xml", text.encode()


def _bomb(_address: str, _path: str, _fields: dict[str, str]) -> tuple[str, bytes]:
    return "text/xml", b'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaa">]><rss>&a;</rss>'


def _bucket(_address: str, _path: str, fields: dict[str, str]) -> tuple[str, bytes]:
    is_second = "continuation-token" in fields
    keys = ["b/c d.mp4", "b/notes.txt"] if not is_second else ["e.mov"]
    rows = "".join(
        f"<Contents><Key>{key}</Key><Size>77</Size><ETag>&quot;x&quot;</ETag>"
        "<LastModified>2024-02-03T00:00:00Z</LastModified></Contents>"
        for key in keys
    )
    more = "" if is_second else "<NextContinuationToken>n+/=</NextContinuationToken>"
    text = (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<IsTruncated>{str(not is_second).lower()}</IsTruncated>{more}{rows}</ListBucketResult>"
    )
    return "application/xml", text.encode()


def _index(_address: str, path: str, _fields: dict[str, str]) -> tuple[str, bytes]:
    links = {
        "/index/": ["../", "a%20b.mp4", "sub/", "?C=N;O=D", "/other/x.mp4", "notes.txt",
                    "http://elsewhere.example/x.mp4"],
        "/index/sub/": ["/index/", "c.webm", "../sub/"],
    }[path]  # fmt: skip
    body = "<html><body>" + "".join(f'<a href="{link}">x</a>' for link in links)
    return "text/html", body.encode()


def _robots(_address: str, _path: str, _fields: dict[str, str]) -> tuple[str, bytes]:
    return "text/plain", b"User-agent: *\nDisallow: /secret\n"


_ANSWERS = {
    "api.php": _commons,
    "advancedsearch.php": _search,
    "metadata": _metadata,
    "feed": _feed,
    "channel": _channel,
    "bomb": _bomb,
    "bucket": _bucket,
    "index": _index,
    "secret": _feed,
    "robots.txt": _robots,
}


@contextlib.contextmanager
def serving_places() -> Iterator[PlacesServer]:
    """A server while the block lasts."""
    server = PlacesServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

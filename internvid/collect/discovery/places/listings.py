"""Listings of files: a bucket of S3 (ListObjectsV2), and index pages of web servers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import parse_qs, quote, unquote, urlencode, urljoin, urlsplit
from xml.etree import ElementTree as ET

from internvid.collect.discovery.candidate import Candidate, day, whole
from internvid.collect.discovery.places.place import Page, PlaceUnreadableError

_SUFFIXES = frozenset(
    (
        *(".mp4", ".m4v", ".webm", ".mov", ".mkv", ".mpg", ".mpeg", ".ogv", ".avi", ".ts", ".flv"),
        *(".wmv", ".3gp"),
    )
)
_SPACE = re.compile(r"\{[^}]*\}")
_MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class Listings:
    """Reads listings; folders below an index page are read too, those above and beside are not."""

    name: str = "listing"
    searches: bool = False
    obeys_robots: bool = True

    def first(self, query: str, limit: int) -> str:
        """The listing itself; `s3://bucket/prefix` is the public listing of a bucket."""
        parts = urlsplit(query)
        if parts.scheme != "s3":
            return query
        fields = {"list-type": "2", "prefix": unquote(parts.path).lstrip("/")}
        return f"https://{parts.netloc}.s3.amazonaws.com/?{urlencode(fields)}"

    def read(self, address: str, body: bytes, query: str) -> Page:
        """What a listing has."""
        if len(body) > _MOST_BYTES:
            raise PlaceUnreadableError("it is too long")
        head = body[:400].lstrip().lower()
        if b"<listbucketresult" in head or (b"<?xml" in head and b"listbucket" in head):
            return _of_bucket(address, body, query)
        if b"<" not in head:
            raise PlaceUnreadableError("neither a listing of a bucket nor a page")
        return _of_page(address, body, query)


def _of_bucket(address: str, body: bytes, query: str) -> Page:
    if b"<!ENTITY" in body.upper():
        raise PlaceUnreadableError("it declares entities")
    try:
        root = ET.fromstring(body)
    except ET.ParseError as error:
        raise PlaceUnreadableError(f"no XML: {error}") from error
    parts = urlsplit(address)
    base = parts._replace(query="", fragment="").geturl().rstrip("/") + "/"
    found: list[Candidate] = []
    for each in root:
        if _name(each) != "contents":
            continue
        fields = {_name(child): child.text or "" for child in each}
        key = fields.get("key", "")
        if PurePosixPath(key).suffix.lower() in _SUFFIXES:
            uri = base + quote(key)
            found.append(
                Candidate(
                    source_id=uri,
                    uri=uri,
                    place="listing",
                    query=query,
                    rank=len(found) + 1,
                    title=PurePosixPath(key).stem,
                    bytes=whole(fields.get("size")),
                    published=day(fields.get("lastmodified")),
                    metadata={"etag": fields.get("etag", "").strip('"')},
                )
            )
    texts = {_name(each): each.text or "" for each in root}
    follow = None
    if texts.get("istruncated", "").lower() == "true" and texts.get("nextcontinuationtoken"):
        asked = parse_qs(parts.query)
        asked["continuation-token"] = [texts["nextcontinuationtoken"]]
        follow = parts._replace(query=urlencode(asked, doseq=True)).geturl()
    return Page(tuple(found), follow)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.addresses += [value for name, value in attrs if name == "href" and value]


def _of_page(address: str, body: bytes, query: str) -> Page:
    links = _Links()
    links.feed(body.decode("utf-8", "replace"))
    here = urlsplit(address)
    above = here.path.rpartition("/")[0] + "/"
    found: list[Candidate] = []
    folders: list[str] = []
    for link in dict.fromkeys(links.addresses):
        try:
            whole_address = urljoin(address, link)
            parts = urlsplit(whole_address)
        except ValueError:
            continue
        if (parts.scheme, parts.netloc) != (here.scheme, here.netloc):
            continue
        if parts.query or not parts.path.startswith(above) or parts.path == here.path:
            continue
        name = PurePosixPath(unquote(parts.path))
        uri = parts._replace(fragment="").geturl()
        if parts.path.endswith("/"):
            folders.append(uri)
        elif name.suffix.lower() in _SUFFIXES:
            found.append(
                Candidate(
                    source_id=uri,
                    uri=uri,
                    place="listing",
                    query=query,
                    rank=len(found) + 1,
                    title=name.stem,
                )
            )
    return Page(tuple(found), None, tuple(dict.fromkeys(folders)))


def _name(element: ET.Element) -> str:
    return _SPACE.sub("", str(element.tag)).lower()

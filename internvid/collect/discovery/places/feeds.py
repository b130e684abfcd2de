"""RSS 2.0 and Atom feeds: enclosures, Media RSS, and the feeds of YouTube channels."""

from __future__ import annotations

import email.utils
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

from internvid.collect.discovery.candidate import Candidate, clock_seconds, day, whole
from internvid.collect.discovery.places.place import Page, PlaceUnreadableError

_SPACE = re.compile(r"\{[^}]*\}")
_VIDEO_SUFFIX = re.compile(
    r"\.(mp4|m4v|webm|mov|mkv|mpe?g|ogv|avi|ts|flv)(?:$|[?#])", re.IGNORECASE
)
_MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class Feeds:
    """Reads feeds."""

    name: str = "feed"
    searches: bool = False
    obeys_robots: bool = True

    def first(self, query: str, limit: int) -> str:
        """The feed itself."""
        return query

    def read(self, address: str, body: bytes, query: str) -> Page:
        """What a feed has."""
        # Entities of a feed could be blown up without end: none is allowed.
        if b"<!ENTITY" in body[:_MOST_BYTES].upper() or len(body) > _MOST_BYTES:
            raise PlaceUnreadableError("it declares entities, or is too long")
        try:
            root = ET.fromstring(body)
        except ET.ParseError as error:
            raise PlaceUnreadableError(f"no XML: {error}") from error
        if _name(root) not in ("rss", "feed", "rdf"):
            raise PlaceUnreadableError(f"no feed: it begins with <{_name(root)}>")
        licence = _text(root, "channel/rights", "rights", "channel/copyright")
        owner = _text(root, "channel/title", "title")
        language = _text(root, "channel/language", "language")
        entries = [each for each in root.iter() if _name(each) in ("item", "entry")]
        found = [
            candidate
            for rank, entry in enumerate(entries, 1)
            for candidate in _candidates(entry, address, query, rank, (owner, licence, language))
        ]
        return Page(tuple(found), _next(root, address))


def _candidates(
    entry: ET.Element,
    address: str,
    query: str,
    rank: int,
    feed: tuple[str | None, str | None, str | None],
) -> Iterator[Candidate]:
    owner, licence, language = feed
    page = _link(entry, "alternate") or _text(entry, "link")
    uri = next((each for each in _media(entry)), None)
    video = _text(entry, "videoId")
    if video is not None and re.fullmatch(r"[\w-]{11}", video):
        uri, source_id = f"https://www.youtube.com/watch?v={video}", f"youtube:{video}"
    elif uri is not None:
        uri = urljoin(address, uri)
        source_id = uri
    else:
        return
    content = next((each for each in entry.iter() if _name(each) == "content"), None)
    facts = content.attrib if content is not None else {}
    yield Candidate(
        source_id=source_id,
        uri=uri,
        place="feed",
        query=query,
        rank=rank,
        title=_text(entry, "title"),
        description=_text(entry, "description", "summary", "group/description"),
        owner=_text(entry, "author/name", "author", "creator") or owner,
        owner_id=_text(entry, "channelId"),
        category=_text(entry, "category"),
        language=language,
        licence=_text(entry, "license", "licence", "rights") or licence,
        duration_seconds=clock_seconds(_text(entry, "duration") or facts.get("duration")),
        width=whole(facts.get("width")),
        height=whole(facts.get("height")),
        published=_day(_text(entry, "pubDate", "published", "updated", "date")),
        page=urljoin(address, page) if page else None,
    )


def _media(entry: ET.Element) -> Iterator[str]:
    """Addresses of videos of an entry, the best first."""
    for element in entry.iter():
        name, kind = _name(element), element.get("type", "")
        address = element.get("url") or element.get("href")
        if not address or name not in ("content", "enclosure", "link"):
            continue
        if name == "link" and element.get("rel") != "enclosure":
            continue
        if (
            kind.startswith("video/")
            or element.get("medium") == "video"
            or (not kind and _VIDEO_SUFFIX.search(address))
        ):
            yield address


def _name(element: ET.Element) -> str:
    return _SPACE.sub("", str(element.tag)).lower()


def _text(element: ET.Element, *paths: str) -> str | None:
    """The text at the first of some paths that has one; names without their spaces."""
    for path in paths:
        here = [element]
        for part in path.split("/"):
            here = [child for each in here for child in each if _name(child) == part.lower()]
        for each in here:
            if each.text and each.text.strip():
                return each.text.strip()
    return None


def _link(element: ET.Element, relation: str) -> str | None:
    for child in element:
        if _name(child) == "link" and child.get("rel", "alternate") == relation:
            return child.get("href")
    return None


def _next(root: ET.Element, address: str) -> str | None:
    """The next page of a feed in pages (RFC 5005)."""
    for each in [root, *root]:
        found = _link(each, "next")
        if found:
            return urljoin(address, found)
    return None


def _day(text: str | None) -> str | None:
    if text is None:
        return None
    if found := day(text):
        return found
    try:
        return email.utils.parsedate_to_datetime(text).date().isoformat()
    except (TypeError, ValueError):
        return None

"""The Internet Archive: items of the media type movies, and the best file of each.

Documented at archive.org: advanced search (`output=json`) and the metadata API. Plain HTTP: its
own client is under the AGPL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from internvid.collect.discovery.candidate import (
    Candidate,
    clock_seconds,
    day,
    first_text,
    whole,
)
from internvid.collect.discovery.places.place import Page, PlaceUnreadableError

SITE = "https://archive.org"
_MOST_A_PAGE = 50
_FIELDS = ("identifier", "title")
_VIDEO_SUFFIXES = (".mp4", ".webm", ".mkv", ".mov", ".mpg", ".mpeg", ".ogv", ".avi", ".m4v")
# Of files of one height: what decodes anywhere first.
_FORMATS = ("h.264", "h.264 ia", "mpeg4", "512kb mpeg4", "webm", "ogg video")


@dataclass(frozen=True)
class InternetArchive:
    """Searches the Internet Archive.

    Attributes:
        site: its address.
        least_height, most_height: of an item's files, the largest within is taken; else the
            smallest above.
    """

    site: str = SITE
    least_height: int = 360
    most_height: int = 720
    name: str = "archive"
    searches: bool = True
    obeys_robots: bool = False

    def first(self, query: str, limit: int) -> str:
        """Address of the first answer."""
        words = " ".join(query.replace('"', " ").split())
        fields = [
            ("q", f'("{words}") AND mediatype:movies'),
            *(("fl[]", name) for name in _FIELDS),
            ("rows", str(max(1, min(limit, _MOST_A_PAGE)))),
            ("page", "1"),
            ("output", "json"),
        ]
        return f"{self.site}/advancedsearch.php?{urlencode(fields)}"

    def read(self, address: str, body: bytes, query: str) -> Page:
        """What an answer says: of a search the items, of an item its file."""
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise PlaceUnreadableError(f"no JSON: {error}") from error
        if not isinstance(answer, Mapping):
            raise PlaceUnreadableError("no JSON object")
        if "response" not in answer:
            found = self._candidate(answer, query)
            return Page((found,) if found is not None else ())
        response = answer["response"]
        documents = response.get("docs", [])
        names = [str(each["identifier"]) for each in documents if each.get("identifier")]
        further = [f"{self.site}/metadata/{quote(name, safe='')}" for name in names]
        seen = int(response.get("start", 0)) + len(documents)
        is_more = documents and seen < int(response.get("numFound", 0))
        return Page((), _next(address) if is_more else None, further)

    def _candidate(self, answer: Mapping[str, Any], query: str) -> Candidate | None:
        about = answer.get("metadata") or {}
        item = first_text(about.get("identifier"))
        files = [each for each in answer.get("files") or [] if _is_video(each)]
        file = self._best(files)
        if item is None or file is None:
            return None
        name = str(file["name"])
        place = f"{self.site}/download/{quote(item, safe='')}/{quote(name)}"
        return Candidate(
            source_id=f"archive:{item}/{name}",
            uri=place,
            place=self.name,
            query=query,
            title=first_text(about.get("title")),
            description=first_text(about.get("description")),
            owner=first_text(about.get("creator")) or first_text(about.get("uploader")),
            owner_id=first_text(about.get("uploader")),
            category=first_text(about.get("collection")),
            language=first_text(about.get("language")),
            licence=first_text(about.get("licenseurl")) or first_text(about.get("rights")),
            duration_seconds=clock_seconds(file.get("length")),
            width=whole(file.get("width")),
            height=whole(file.get("height")),
            bytes=whole(file.get("size")),
            published=day(first_text(about.get("publicdate")) or first_text(about.get("date"))),
            page=f"{self.site}/details/{quote(item, safe='')}",
            metadata={"tags": about.get("subject"), "format": file.get("format")},
        )

    def _best(self, files: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        def rank(file: Mapping[str, Any]) -> tuple[int, int, int]:
            height, kind = whole(file.get("height")) or 0, str(file.get("format", "")).lower()
            order = _FORMATS.index(kind) if kind in _FORMATS else len(_FORMATS)
            if self.least_height <= height <= self.most_height:
                return 0, -height, order
            return (1, height, order) if height > self.most_height else (2, -height, order)

        return min(files, key=rank, default=None)


def _is_video(file: Any) -> bool:
    return isinstance(file, Mapping) and str(file.get("name", "")).lower().endswith(_VIDEO_SUFFIXES)


def _next(address: str) -> str:
    parts = urlsplit(address)
    fields = parse_qs(parts.query)
    fields["page"] = [str(int(fields.get("page", ["1"])[0]) + 1)]
    return parts._replace(query=urlencode(fields, doseq=True)).geturl()

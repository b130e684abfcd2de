"""Wikimedia Commons: files of video, by its search API.

Documented at mediawiki.org: API:Search, API:Imageinfo, Extension:TimedMediaHandler (videoinfo).
Every request has to name a contact: requests without one are blocked.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from internvid.collect.discovery.candidate import Candidate, day, number, whole
from internvid.collect.discovery.places.place import Page, PlaceUnreadableError

API = "https://commons.wikimedia.org/w/api.php"
_MOST_A_PAGE = 50
_TAG = re.compile(r"<[^>]*>")
_FIELDS = {"LicenseShortName": "licence", "Artist": "owner", "ImageDescription": "description"}


@dataclass(frozen=True)
class Commons:
    """Searches Wikimedia Commons.

    Attributes:
        api: address of `api.php`.
        least_height, most_height: of the stored sizes, the largest within is taken.
    """

    api: str = API
    least_height: int = 360
    most_height: int = 720
    name: str = "commons"
    searches: bool = True
    obeys_robots: bool = False

    def first(self, query: str, limit: int) -> str:
        """Address of the first answer."""
        fields = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "generator": "search",
            "gsrsearch": f"filetype:video {query}",
            "gsrnamespace": "6",
            "gsrlimit": str(max(1, min(limit, _MOST_A_PAGE))),
            "prop": "videoinfo",
            "viprop": "url|size|mime|user|timestamp|extmetadata|derivatives",
            "viextmetadatafilter": "|".join([*_FIELDS, "LicenseUrl", "Categories"]),
            "maxlag": "5",
        }
        return f"{self.api}?{urlencode(fields)}"

    def read(self, address: str, body: bytes, query: str) -> Page:
        """What an answer says."""
        try:
            answer = json.loads(body)
        except ValueError as error:
            raise PlaceUnreadableError(f"no JSON: {error}") from error
        if not isinstance(answer, Mapping):
            raise PlaceUnreadableError("no JSON object")
        if problem := answer.get("error"):
            raise PlaceUnreadableError(str(problem.get("info", problem))[:200])
        pages = answer.get("query", {}).get("pages", [])
        ranked = sorted(pages, key=lambda each: each.get("index", 0))
        found = tuple(self._candidates(ranked, query))
        return Page(found, _next(address, answer.get("continue")))

    def _candidates(self, pages: list[Mapping[str, Any]], query: str) -> Iterator[Candidate]:
        for page in pages:
            facts = (page.get("videoinfo") or page.get("imageinfo") or [None])[0]
            title = str(page.get("title", ""))
            if not isinstance(facts, Mapping) or not facts.get("url") or not title:
                continue
            about = facts.get("extmetadata") or {}
            stated = {name: _plain(about.get(field)) for field, name in _FIELDS.items()}
            file = self._file(facts)
            yield Candidate(
                source_id=f"commons:{title.partition(':')[2].replace(' ', '_')}",
                uri=file["src"],
                place=self.name,
                query=query,
                rank=int(page.get("index", 0)),
                title=title.partition(":")[2].rpartition(".")[0],
                description=stated["description"],
                owner=stated["owner"] or facts.get("user"),
                owner_id=facts.get("user"),
                category=(_plain(about.get("Categories")) or "").partition("|")[0] or None,
                licence=stated["licence"],
                duration_seconds=number(facts.get("duration")),
                width=whole(file.get("width")),
                height=whole(file.get("height")),
                bytes=whole(file.get("size")),
                published=day(facts.get("timestamp")),
                page=facts.get("descriptionurl"),
                metadata={
                    "licence_url": _plain(about.get("LicenseUrl")),
                    "categories": _plain(about.get("Categories")),
                },
            )

    def _file(self, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """The file itself, or the stored size of it that fits the crawl rules best."""
        own = {
            "src": facts["url"],
            "width": facts.get("width"),
            "height": facts.get("height"),
            "size": facts.get("size"),
        }
        if (whole(own["height"]) or 0) <= self.most_height:
            return own
        fitting = [
            each
            for each in facts.get("derivatives") or []
            if each.get("src")
            and self.least_height <= min(_sides(each), default=0) <= self.most_height
        ]
        return max(fitting, key=lambda each: min(_sides(each)), default=own)


def _sides(file: Mapping[str, Any]) -> list[int]:
    return [side for name in ("width", "height") if (side := whole(file.get(name)))]


def _next(address: str, more: Any) -> str | None:
    if not isinstance(more, Mapping):
        return None
    parts = urlsplit(address)
    fields = {**dict(parse_qsl(parts.query)), **{str(name): str(more[name]) for name in more}}
    return parts._replace(query=urlencode(fields)).geturl()


def _plain(value: Any) -> str | None:
    """The text of a field that may have HTML in it."""
    text = value.get("value") if isinstance(value, Mapping) else value
    if not isinstance(text, str):
        return None
    return " ".join(html.unescape(_TAG.sub(" ", text)).split()) or None

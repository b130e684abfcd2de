"""What a discovery wants: where to look, how much, and what is left out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from internvid.collect.fetching.fetch_settings import refuse_contact
from internvid.core.errors import ConfigInvalidError

PLACES = ("youtube", "commons", "archive")
"""Where phrases are searched; addresses of channels, feeds and listings name their own place."""


@dataclass(frozen=True)
class DiscoverSettings:
    """Settings of a discovery.

    Attributes:
        places: where phrases are searched, of `PLACES`.
        per_query: candidates of each phrase and place, and of each listing.
        shortest_seconds, longest_seconds: videos whose stated length is outside are left out.
        least_height, most_height: of several stored sizes the largest within is taken, pixels.
        languages: phrases of other languages are passed over; all when empty.
        licences: patterns with `*` of licences that are allowed, in any case; all when empty.
        unknown_licence: whether candidates without a stated licence are taken beside these.
        excluded: files of ids of videos and owners that are left out.
        per_second: requests of a host in a second.
        site_per_hour: searches of a site by yt-dlp in an hour.
        tries: how often one request is tried in a run.
        slow_seconds: an answer that stands still so long is given up.
        most_pages: answers of one phrase or listing at most.
        allow_private: also private, loopback and link-local addresses.
        obey_robots: heed robots.txt of feeds and index pages.
        contact: an address or page of yours, sent with each request; Wikimedia demands one.
        config: a configuration file of yt-dlp, beside the user's own.
    """

    places: tuple[str, ...] = ("youtube",)
    per_query: int = 20
    shortest_seconds: float = 10.0
    longest_seconds: float = 1800.0
    least_height: int = 360
    most_height: int = 720
    languages: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    unknown_licence: bool = False
    excluded: tuple[Path, ...] = ()
    per_second: float = 1.0
    site_per_hour: float = 600.0
    tries: int = 4
    slow_seconds: float = 60.0
    most_pages: int = 100
    allow_private: bool = False
    obey_robots: bool = True
    contact: str = ""
    config: str = ""

    def check(self) -> None:
        """Refuse settings that cannot be.

        Raises:
            ConfigInvalidError: the message names the setting and what is allowed.
        """
        for place in self.places:
            if place not in PLACES:
                raise ConfigInvalidError(
                    f"nothing is searched at {place!r}", hint=f"one of {', '.join(PLACES)}"
                )
        for name in ("per_query", "per_second", "site_per_hour", "tries", "most_pages"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise ConfigInvalidError(f"{name} must be a positive number, got {value}")
        if not 0 <= self.shortest_seconds <= self.longest_seconds:
            raise ConfigInvalidError(
                f"no video is at least {self.shortest_seconds:g} s and at most "
                f"{self.longest_seconds:g} s long"
            )
        refuse_contact(self.contact)
        if "commons" in self.places and not self.contact:
            raise ConfigInvalidError(
                "Wikimedia blocks programs that name no contact",
                hint="--contact you@example.org, or the address of a page of yours",
            )

"""What a fetch is allowed and wants: the crawl rules, the pace, the limits."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from internvid.core.errors import ConfigInvalidError

ENGINES = ("auto", "http", "yt-dlp")


@dataclass(frozen=True)
class FetchSettings:
    """Settings of a fetch. The defaults are the paper's crawl rules, at a polite pace.

    Attributes:
        shortest_seconds: shorter videos are left out.
        longest_seconds: longer videos are left out.
        least_height: videos of sites whose shorter side is below that are left out, pixels.
        most_height: of the formats of a site the best one up to that is taken, pixels.
        whole: fetch whole videos, also where only spans of them are wanted.
        margin_seconds: fetched before and after what is wanted of a video.
        subtitles: languages of subtitles as yt-dlp names them (`en`, `en.*`); none when empty.
        licences: patterns with `*` of licences that are allowed, in any case; all when empty.
        engine: `auto`, `http` or `yt-dlp`.
        url_template: address of an id, such as `https://host/{id}.mp4`, where a table has only ids.
        per_second: requests of a direct host in a second.
        per_hour: videos of a site in an hour.
        at_once: transfers of a direct host at a time.
        site_lanes: videos of sites at a time.
        connections: transfers at a time in all.
        tries: how often one item is tried in a run.
        backoff_seconds: wait before the second try; doubled with each.
        longest_pause_seconds: a host that wants more is left alone for the rest of the run.
        slow_seconds: a transfer that stands still so long is broken off.
        most_bytes: larger files are left out.
        allow_private: also private, loopback and link-local addresses.
        obey_robots: heed robots.txt, noai and noml.
        contact: an address or page of yours, sent with each request.
        config: a configuration file of yt-dlp, beside the user's own.
        workers: processes that check files; one a core when None.
    """

    shortest_seconds: float = 10.0
    longest_seconds: float = 1800.0
    least_height: int = 360
    most_height: int = 720
    whole: bool = False
    margin_seconds: float = 5.0
    subtitles: tuple[str, ...] = ("en",)
    licences: tuple[str, ...] = ()
    engine: str = "auto"
    url_template: str = ""
    per_second: float = 2.0
    per_hour: float = 300.0
    at_once: int = 4
    site_lanes: int = 1
    connections: int = 32
    tries: int = 4
    backoff_seconds: float = 2.0
    longest_pause_seconds: float = 900.0
    slow_seconds: float = 60.0
    most_bytes: int = 4 << 30
    allow_private: bool = False
    obey_robots: bool = True
    contact: str = ""
    config: str = ""
    workers: int | None = None

    def check(self) -> None:
        """Refuse settings that cannot be.

        Raises:
            ConfigInvalidError: the message names the setting and what is allowed.
        """
        if self.engine not in ENGINES:
            raise ConfigInvalidError(
                f"there is no engine {self.engine!r}", hint=f"one of {', '.join(ENGINES)}"
            )
        if self.url_template and "{id}" not in self.url_template:
            raise ConfigInvalidError(
                f"the template {self.url_template!r} has no {{id}} in it",
                hint="for example --url-template 'https://host/{id}.mp4'",
            )
        refuse_contact(self.contact)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            may_be_zero = field.name in ("shortest_seconds", "margin_seconds", "least_height")
            if not math.isfinite(value) or value < 0 or (value == 0 and not may_be_zero):
                raise ConfigInvalidError(
                    f"{field.name} is {value}, which is no {'' if may_be_zero else 'positive '}"
                    "number that can be used"
                )
        if self.longest_seconds < self.shortest_seconds:
            raise ConfigInvalidError(
                f"no video is at least {self.shortest_seconds:g} s and at most "
                f"{self.longest_seconds:g} s long"
            )

    @property
    def agent(self) -> str:
        """How this program names itself to hosts."""
        from internvid._version import __version__

        return f"internvid/{__version__}" + (f" ({self.contact})" if self.contact else "")


def refuse_contact(contact: str) -> None:
    """Refuse a contact that cannot be sent in a header.

    Raises:
        ConfigInvalidError: it has characters that no header can have.
    """
    if not (contact.isascii() and contact.isprintable()):
        raise ConfigInvalidError(
            f"the contact {contact!r} has characters that no header can have",
            hint="an address of e-mail, or of a page",
        )

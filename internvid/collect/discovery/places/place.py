"""What every place does: an answer of its service becomes candidates, and the next request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from internvid.collect.discovery.candidate import Candidate


@dataclass(frozen=True)
class Page:
    """One answer.

    Attributes:
        candidates: in the order of the answer.
        follow: address of what continues it; None at the end.
        further: addresses of answers that have to be read for candidates of this one.
    """

    candidates: Sequence[Candidate] = ()
    follow: str | None = None
    further: Sequence[str] = ()


class PlaceUnreadableError(Exception):
    """An answer that is not what the service documents; the argument says what it is."""


class Place(Protocol):
    """Turns phrases, or addresses of listings, into requests, and their answers into candidates."""

    @property
    def name(self) -> str:
        """What stands as `place` of its candidates."""
        ...

    @property
    def searches(self) -> bool:
        """Whether it takes phrases; else addresses."""
        ...

    @property
    def obeys_robots(self) -> bool:
        """Whether robots.txt counts; not for an API that is made for programs."""
        ...

    def first(self, query: str, limit: int) -> str:
        """Address of the first answer to a phrase, or the address of a listing itself.

        Args:
            query: a phrase, or an address.
            limit: how many candidates are wanted.
        """
        ...

    def read(self, address: str, body: bytes, query: str) -> Page:
        """What an answer says.

        Args:
            address: that was read, after redirects.
            body: of the answer.
            query: as given to `first`.

        Raises:
            PlaceUnreadableError: it is not what the service documents.
        """
        ...

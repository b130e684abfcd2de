"""Collecting videos: what to look for, and where it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.collect.packages import WEB_PACKAGES, require_packages
from internvid.core.several import several

if TYPE_CHECKING:
    from internvid.collect.discovery.discovering import Discovery
    from internvid.collect.queries.comparing import QueryComparison
    from internvid.collect.queries.query_list import QueryList

PathLike = str | os.PathLike[str]


def make_queries(
    out: PathLike | None = None,
    *,
    labels: PathLike | Sequence[PathLike] = (),
    texts: PathLike | Sequence[PathLike] = (),
    lists: PathLike | Sequence[PathLike] = (),
    least_count: int = 1,
    most_words: int = 8,
    excluded: PathLike | None = None,
    unsafe: PathLike | None = None,
    keep_unsafe: bool = False,
    languages: Sequence[str] = (),
    model: str | None = None,
    server: str | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> QueryList:
    """Search phrases from lists of labels and from texts (paper §3.1).

    Args:
        out: file to write them to: .jsonl, .csv, .parquet, or .txt with the phrases alone.
        labels: lists of action labels: a label a line, csv, JSON.
        texts: tables of captions, `FILE` or `FILE:COLUMN`, in which actions are looked for.
        lists: lists of queries, ours or InternVid's published one, which are taken over.
        least_count: a phrase of texts counts if it is found so often.
        most_words: phrases with more words are left out; 0 for no limit.
        excluded: file of phrases that are left out.
        unsafe: file of further words that no phrase may have.
        keep_unsafe: do not leave out phrases by the list of unsafe words.
        languages: codes of languages into which the model translates the phrases.
        model: of a chat server, which finds actions in texts and translates.
        server: its address, `http://127.0.0.1:8000/v1`.
        progress: called with what is read and how much of it is.

    Raises:
        MisuseError: a file is not there, or has nothing of its kind.
        OutputExistsError: `out` is there.
        DependencyMissingError: actions are to be found, and nothing that can is installed.
        ServiceError: the model cannot be reached.
    """
    from internvid.captions.server.config import ServedModel
    from internvid.collect.queries.making import QueryRecipe
    from internvid.collect.queries.making import make_queries as make
    from internvid.collect.queries.query_list import refuse_list_file, write_queries
    from internvid.core.errors import MisuseError, OutputExistsError

    if (model is None) != (server is None):
        raise MisuseError("model and server go together", hint="--model NAME --server URL")
    file = None if out is None else Path(out)
    if file is not None:
        refuse_list_file(file)
        if file.exists():
            raise OutputExistsError(f"{file} exists", hint="choose a new name, or remove the file")
    served = None if model is None else ServedModel(model=model, base_url=str(server))
    recipe = QueryRecipe(
        labels=_paths(labels),
        texts=[_with_column(text) for text in _paths(texts)],
        lists=_paths(lists),
        least_count=least_count,
        most_words=most_words,
        excluded=None if excluded is None else Path(excluded),
        unsafe=None if unsafe is None else Path(unsafe),
        keep_unsafe=keep_unsafe,
        languages=tuple(several(languages)),
        model=served,
    )
    made = make(recipe, progress)
    if file is not None:
        write_queries(made.queries, file)
    return made


def compare_queries(ours: PathLike, others: PathLike) -> QueryComparison:
    """What two lists of search phrases share.

    Args:
        ours: a list of queries.
        others: another one; InternVid's published list is read too.

    Raises:
        MisuseError: a list is not there, or cannot be read.
    """
    from internvid.collect.queries.comparing import compare_queries as compare
    from internvid.collect.queries.query_list import read_queries

    return compare(read_queries(Path(ours)), read_queries(Path(others)))


def _paths(given: PathLike | Sequence[PathLike]) -> list[Path]:
    return [Path(each) for each in ([given] if isinstance(given, (str, os.PathLike)) else given)]


def _with_column(text: Path) -> tuple[Path, str | None]:
    """A file and its column, written FILE:COLUMN; a colon in the name of a file stays one."""
    name, colon, column = str(text).rpartition(":")
    if colon and not text.exists() and column:
        return Path(name), column
    return text, None


def discover(
    inputs: str | Sequence[str],
    out: PathLike,
    *,
    places: str | Sequence[str] = "youtube",
    per_query: int = 20,
    excluded: PathLike | Sequence[PathLike] = (),
    licences: str | Sequence[str] = (),
    unknown_licence: bool = False,
    languages: str | Sequence[str] = (),
    recipe: str = "internvid",
    shortest_seconds: float | None = None,
    longest_seconds: float | None = None,
    contact: str = "",
    config: PathLike | None = None,
    allow_private: bool = False,
    obey_robots: bool = True,
    retry: bool = False,
    progress: Callable[[int, int, int], None] | None = None,
) -> Discovery:
    """Look for videos that may be fetched: a table of candidates, each once.

    Args:
        inputs: lists of queries, phrases, and addresses of channels, playlists, feeds (RSS, Atom)
            and listings (S3, index pages).
        out: the table, .parquet; a run that was killed goes on, another one adds to it.
        places: where phrases are searched: `youtube`, `commons`, `archive`.
        per_query: candidates of each phrase and place, and of each listing.
        excluded: files of ids of videos, or of owners, that are left out.
        licences: patterns with `*` of licences that are allowed; all when empty.
        unknown_licence: whether candidates without a stated licence are taken beside these.
        languages: phrases of other languages are passed over; all when empty.
        recipe: rules of lengths and sizes: `internvid` (the paper's), or `any`.
        shortest_seconds, longest_seconds: videos whose stated length is outside are left out; as
            the recipe says when None.
        contact: an address or page of yours, sent with each request; Wikimedia demands one.
        config: a configuration file of yt-dlp, beside the user's own.
        allow_private: also private, loopback and link-local addresses.
        obey_robots: heed robots.txt of feeds and index pages.
        retry: try searches again that failed.
        progress: called with ended searches, all searches, and candidates.

    Raises:
        MisuseError: nothing to look for, or the table belongs to other settings.
        DependencyMissingError: a package of `internvid[collect]` is missing.
        StorageError: nothing can be written.
    """
    require_packages(WEB_PACKAGES)
    from internvid.collect.crawl_recipes import crawl_rules
    from internvid.collect.discovery.discover_settings import DiscoverSettings
    from internvid.collect.discovery.discovering import discover as look

    rules = crawl_rules(recipe)
    settings = DiscoverSettings(
        places=tuple(several(places)),
        per_query=per_query,
        excluded=tuple(_paths(excluded)),
        licences=tuple(several(licences)),
        unknown_licence=unknown_licence,
        languages=tuple(several(languages)),
        shortest_seconds=rules.shortest_seconds if shortest_seconds is None else shortest_seconds,
        longest_seconds=rules.longest_seconds if longest_seconds is None else longest_seconds,
        least_height=rules.least_height,
        most_height=rules.most_height,
        contact=contact,
        config="" if config is None else str(config),
        allow_private=allow_private,
        obey_robots=obey_robots,
    )
    wanted = [str(each) for each in several(inputs)]
    return look(wanted, Path(out), settings, retry=retry, progress=progress)

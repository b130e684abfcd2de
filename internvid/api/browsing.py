"""A dataset in pages that a browser shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from internvid.api.datasets import DatasetLike, as_dataset
from internvid.core.several import several
from internvid.dataset.given import given_path

if TYPE_CHECKING:
    from internvid.curate.reviewing.review_results import ReviewResults


def serve(
    dataset: DatasetLike,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    names: Sequence[str] = (),
    read_only: bool = False,
    open_browser: bool = True,
    author: str = "",
    model: str = "",
    device: str = "auto",
    exports: str | os.PathLike[str] | None = None,
    started: Callable[[str], None] | None = None,
) -> None:
    """Serve pages of a dataset until Ctrl-C: look, search, review, choose.

    Args:
        dataset: to show; verdicts and subsets are written to it.
        host: name or address of this machine to listen on.
        port: 8765 or the next one that is free when None; any that is free when 0.
        names: further names by which browsers reach this machine.
        read_only: refuse every change.
        open_browser: open the page in the user's browser.
        author: stands with verdicts; the name of the user when empty.
        model: folder of the model that made the vectors, if it has moved since.
        device: where that model runs: `auto`, `cpu`, `cuda` ...
        exports: folder below which pages may start exports, each in a new folder; without it they
            show the command alone.
        started: called with the address, with its token, once it answers.

    Raises:
        DependencyMissingError: the extra `serve` is not installed.
        MisuseError: the port is taken, the host is none of this machine, or `exports` is no folder
            outside of the dataset.
        DatasetFormatError: there is no finished dataset.
    """
    from internvid.browse.server.serving import ServerSettings
    from internvid.browse.server.serving import serve as serve_pages
    from internvid.recipes import RECIPES

    settings = ServerSettings(
        host=host,
        port=port,
        names=tuple(several(names)),
        is_read_only=read_only,
        opens_browser=open_browser,
        author=author,
        recipes=RECIPES,
        model=model,
        device=device,
        exports=None if exports is None else Path(given_path(exports, "exports")),
    )
    serve_pages(as_dataset(dataset), settings, started)


def reviews(dataset: DatasetLike) -> ReviewResults:
    """What blind audits and comparisons of captions say so far; they are made in `browse`.

    Args:
        dataset: whose.

    Returns:
        `audits` and `comparisons`, each in the order in which they were begun, with counts, shares
        from 0 to 1 and their 95 % intervals.

    Raises:
        DatasetFormatError: there is no dataset.
        StorageError: the log of the reviews cannot be read.
    """
    from internvid.curate.reviewing.review_results import review_results

    return review_results(as_dataset(dataset).layout)

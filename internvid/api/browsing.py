"""A dataset in pages that a browser shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from internvid.api.datasets import DatasetLike, as_dataset
from internvid.core.several import several
from internvid.dataset.given import given_path


def serve(
    dataset: DatasetLike,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    names: Sequence[str] = (),
    read_only: bool = False,
    open_browser: bool = True,
    author: str = "",
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

    settings = ServerSettings(
        host=host,
        port=port,
        names=tuple(several(names)),
        is_read_only=read_only,
        opens_browser=open_browser,
        author=author,
        exports=None if exports is None else Path(given_path(exports, "exports")),
    )
    serve_pages(as_dataset(dataset), settings, started)

"""Who writes to a dataset together, and who cleans up alone before and after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from internvid.core.errors import DatasetBusyError
from internvid.dataset.layout import Layout
from internvid.dataset.removal.pending import PLAN, pending_files, pending_folder
from internvid.dataset.removal.purging import writing

PATIENCE_SECONDS = 300.0
_PAUSE_SECONDS = 0.2


@contextmanager
def working_together(layout: Layout, clean: Callable[[], None]) -> Iterator[None]:
    """Hold the write lock of a dataset together with other workers.

    Whoever can have it alone before does what one must do alone: pending removals are purged, what
    killed processes left is removed. The same after the block, so that the last one leaves nothing.

    Args:
        layout: of the dataset.
        clean: what else is to be done alone; done more than once, it changes nothing more.

    Raises:
        DatasetBusyError: another process has been writing alone for minutes.
        InternvidError: a removal cannot be finished.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    with ExitStack() as held:
        _alone(layout, clean)
        while (busy := _join(layout, held)) is not None:
            # Another worker may be cleaning up; in a large folder that takes a while.
            if time.monotonic() > deadline:
                raise busy
            time.sleep(_PAUSE_SECONDS)
            if _is_half_purged(layout):
                _alone(layout, clean)
        yield
    _alone(layout, clean)


def _join(layout: Layout, held: ExitStack) -> DatasetBusyError | None:
    """Take the lock together with others; why it could not be had."""
    try:
        held.enter_context(layout.joined())
    except DatasetBusyError as error:
        return error
    if not _is_half_purged(layout):
        return None
    # A purge that was killed since: nobody may write beside what it left.
    held.pop_all().close()
    return DatasetBusyError(
        f"a removal from {layout.root} was begun and is not done",
        hint="run the same command again when no other worker is at it: it ends the removal",
    )


def _alone(layout: Layout, clean: Callable[[], None]) -> None:
    """Clean up, unless somebody works: who ends last has the chance."""
    try:
        with writing(layout):
            clean()
    except DatasetBusyError:
        return


def _is_half_purged(layout: Layout) -> bool:
    return pending_folder(layout).is_dir() and bool(pending_files(layout, PLAN))

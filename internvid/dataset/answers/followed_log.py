"""The log of verdicts, read on from where it was read to before."""

from __future__ import annotations

import os

from internvid.dataset.answers.verdict_log import Review, log_path, parse_entries, reviewed
from internvid.dataset.layout import Layout


class FollowedLog:
    """What the log says of each clip, kept up to date by reading what was added.

    Args:
        layout: of the dataset.
    """

    def __init__(self, layout: Layout) -> None:
        self._path = log_path(layout)
        self._file, self._end = (0, 0), 0
        self._reviews: dict[str, Review] = {}

    def changed(self) -> dict[str, Review | None]:
        """Clips of which something else holds than at the last call; None for nothing any more."""
        try:
            with self._path.open("rb") as file:
                status = os.fstat(file.fileno())
                before = self._reviews
                known = (status.st_dev, status.st_ino)
                if known != self._file or status.st_size < self._end:
                    # Written anew by a removal.
                    self._file, self._end, self._reviews = known, 0, {}
                file.seek(self._end)
                data = file.read()
        except FileNotFoundError:
            gone = dict.fromkeys(self._reviews)
            self._file, self._end, self._reviews = (0, 0), 0, {}
            return gone
        # A line that is just being written is read the next time.
        whole = data[: data.rfind(b"\n") + 1]
        self._end += len(whole)
        after = reviewed(parse_entries(whole), self._reviews)
        touched = {entry["clip_id"] for entry in parse_entries(whole)}
        if self._reviews is not before:
            touched |= set(before)
        self._reviews = {name: review for name, review in after.items() if review.says_something}
        return {name: self._reviews.get(name) for name in touched}

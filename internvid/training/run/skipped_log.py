"""The clips that could not be read: one line each time, with step and reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from internvid.dataset.parts import commit_bytes
from internvid.training.data.samples import Samples
from internvid.training.run.distributed import rank


class SkippedLog:
    """`skipped-RANK.jsonl` of a run.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"skipped-{rank()}.jsonl"

    def cut_back(self, step: int) -> None:
        """Drop what came after a step, which will come again."""
        if not self.path.is_file():
            return
        kept = []
        for line in self.path.read_text("utf-8", errors="replace").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line + "\n")
            except (ValueError, KeyError, TypeError):
                continue  # a line cut short by a kill
        commit_bytes(self.path, "".join(kept).encode())

    def note(self, step: int, unreadable: Sequence[tuple[int, str]], samples: Samples) -> None:
        """The clips of one step that could not be read."""
        if not unreadable:
            return
        with self.path.open("a", encoding="utf-8") as file:
            for sample, reason in unreadable:
                line = {"step": step, "clip_id": samples.clip_ids[sample], "reason": reason}
                file.write(json.dumps(line) + "\n")

"""Which dialogues there are: one for each clip, and some for each video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from internvid.conversations.dialogues.proven_turns import Scene, Scope
from internvid.conversations.documents.document_clips import ClipRow
from internvid.conversations.documents.drawn import name_of
from internvid.dataset.layout import plain_json

NO_TIMES, NO_VIDEO = "no_times", "no_video"


@dataclass
class SceneMaker:
    """Makes scenes of rows.

    Attributes:
        scopes: `clip`, `video` or both.
        clips_of_dialogue: so many clips of a video at most are in one dialogue.
        seed: of the draws.
        has_timeline: whether trainers see the sources themselves.
        left_out: reason -> clips that no dialogue is about.
    """

    scopes: Sequence[Scope]
    clips_of_dialogue: int
    seed: int
    has_timeline: bool
    left_out: Counter[str] = field(default_factory=Counter)

    def scenes(self, rows: Iterable[ClipRow]) -> Iterator[Scene]:
        """Scenes of rows that come video by video, in time order."""
        for _, group in groupby(rows, key=lambda row: row.video_id):
            yield from self._of_video([row for row in group if self._takes(row)])

    def _takes(self, row: ClipRow) -> bool:
        reason = ""
        if not row.has_times:
            reason = NO_TIMES
        elif self.has_timeline and not row.uri:
            reason = NO_VIDEO
        if reason:
            self.left_out[reason] += 1
        return not reason

    def _of_video(self, rows: list[ClipRow]) -> Iterator[Scene]:
        if "clip" in self.scopes:
            for row in rows:
                name = name_of("clip", row.clip_id)
                yield Scene(name, "clip", [row], self.seed, self.has_timeline)
        if "video" not in self.scopes:
            return
        size = self.clips_of_dialogue
        for at in range(0, len(rows), size):
            chosen = rows[at : at + size]
            if len(chosen) < 2 and not self.has_timeline:
                continue
            others = (*rows[:at], *rows[at + size :])
            elsewhere = frozenset(row.caption.lower() for row in others if row.caption)
            name = name_of("video", *(row.clip_id for row in chosen))
            yield Scene(name, "video", chosen, self.seed, self.has_timeline, elsewhere)


def described(scene: Scene) -> Any:
    """All that decides what is written of a scene, as JSON values."""
    rows = [
        [
            *(row.clip_id, row.video_id, row.source_id, row.uri),
            *(row.start_seconds, row.end_seconds, row.caption, row.transcript),
            *(row.seconds_of_video, row.shots_of_video),
            plain_json(dict(row.values)),
        ]
        for row in scene.clips
    ]
    return [scene.name, scene.scope, rows, sorted(scene.captions_elsewhere)]

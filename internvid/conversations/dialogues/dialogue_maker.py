"""Makes the dialogues of a shard: their turns, by templates and by a model, and their videos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from internvid.conversations.dialogues.dialogue_rows import ProvenDialogue, turns_of_pairs
from internvid.conversations.dialogues.dialogue_templates import spoken_words, turns_of
from internvid.conversations.dialogues.model_turns import ModelTurns
from internvid.conversations.dialogues.proven_turns import ProvenTurn, Scene
from internvid.conversations.documents.clip_media import (
    ClipMediaReader,
    ClipPixels,
    MediaSettings,
    write_pieces,
)
from internvid.conversations.documents.document_shards import MadeDocument, json_bytes
from internvid.core.contracts import ExportItem
from internvid.dataset.releases.documents.document_tables import ClipOfDocument
from internvid.publishing.clip_items import ClipItems
from internvid.publishing.index_files import folder_path
from internvid.publishing.shards import MissingClip
from internvid.publishing.texts.chat_turns import Dialogue, without_tokens
from internvid.publishing.texts.token_limits import token_counter

NO_VIDEO, NO_QUESTION, OVER_TOKENS = "no_video", "no_question", "over_tokens"


@dataclass(frozen=True)
class TurnSettings:
    """What dialogues are made of; fields are those of `DialogueExporter`."""

    pairs: int
    tokens: int | None
    tokenizer: str
    system: str
    base_path: str
    media: MediaSettings
    model: ModelTurns

    @property
    def has_timeline(self) -> bool:
        """Whether trainers see the sources themselves."""
        return self.media.pixels == "none"

    def video_path(self, path: str) -> str:
        """A path of a video as the trainer opens it."""
        is_address = "://" in path or path.startswith("/")
        return path if is_address else folder_path(self.base_path) + path


class DialogueMaker:
    """Makes dialogues of scenes.

    Args:
        settings: which turns there are, and by whom.
        items: the clips, which know their sources.
        folder: of the export.
    """

    def __init__(self, settings: TurnSettings, items: ClipItems, folder: Path) -> None:
        self._settings, self._items, self._folder = settings, items, folder
        self._reader = ClipMediaReader(settings.media, items)
        self._count = token_counter(settings.tokenizer)
        self._cut: dict[str, list[str]] = {}

    def close(self) -> None:
        """Let go of the last source."""
        self._reader.close()

    def make(self, batch: Sequence[Scene]) -> Iterator[MadeDocument]:
        """The dialogues of some scenes, in their order."""
        items: Mapping[str, ExportItem] = {}
        if not self._settings.has_timeline:
            # A clip has a dialogue of its own and is in one of its video: it is cut once.
            self._cut = {}
            items = self._items.of_clips({row.clip_id for scene in batch for row in scene.clips})
        by_model = self._by_model(batch)
        for scene in batch:
            refused = Counter[str]()
            pairs = self.template_turns(scene)
            turns, reason = by_model.get(scene.name, ([], ""))
            if reason:
                refused[reason] += 1
            pairs = self.within_tokens([*pairs, *turns], refused)
            yield self._made(scene, pairs, items, refused)

    def template_turns(self, scene: Scene) -> list[ProvenTurn]:
        """Turns that need no model."""
        most = self._settings.pairs
        return turns_of(scene, most) if most else []

    def within_tokens(self, pairs: Sequence[ProvenTurn], refused: Counter[str]) -> list[ProvenTurn]:
        """The turns that a trainer reads whole; the others are counted."""
        most = self._settings.tokens
        if most is None:
            return list(pairs)
        used = self._count(self._settings.system) if self._settings.system else 0
        kept: list[ProvenTurn] = []
        for pair in pairs:
            more = sum(self._count(text) for text in spoken_words([pair]))
            if used + more > most:
                refused[OVER_TOKENS] += 1
                continue
            kept.append(pair)
            used += more
        return kept

    def _by_model(self, batch: Sequence[Scene]) -> dict[str, tuple[list[ProvenTurn], str]]:
        model = self._settings.model
        if not model.is_named:
            return {}
        with_texts = [
            scene for scene in batch if any(row.caption or row.transcript for row in scene.clips)
        ]
        return {scene.name: (turns, reason) for scene, turns, reason in model.turns(with_texts)}

    def _made(
        self,
        scene: Scene,
        pairs: Sequence[ProvenTurn],
        items: Mapping[str, ExportItem],
        refused: Counter[str],
    ) -> MadeDocument:
        if not pairs:
            reason = OVER_TOKENS if refused[OVER_TOKENS] else NO_QUESTION
            return MadeDocument(scene.name, left_out=reason, refused=refused)
        videos, files, missing = self._videos(scene, items)
        if not videos:
            return MadeDocument(scene.name, missing=missing, left_out=NO_VIDEO, refused=refused)
        made = self._dialogue(scene, pairs, videos)
        return MadeDocument(
            scene.name,
            {"json": json_bytes(made.as_json())},
            self._counts(scene, pairs),
            [
                ClipOfDocument(
                    clip_id=row.clip_id,
                    video_id=row.video_id,
                    source_id=row.source_id,
                    uri=row.uri,
                    files=files.get(row.clip_id, []),
                )
                for row in scene.clips
            ],
            missing,
            refused=refused,
        )

    def _videos(
        self, scene: Scene, items: Mapping[str, ExportItem]
    ) -> tuple[list[str], dict[str, list[str]], list[MissingClip]]:
        """Paths of the videos of a dialogue; none where one of them cannot be had."""
        if self._settings.has_timeline:
            return [self._settings.video_path(scene.clips[0].uri or "")], {}, []
        files: dict[str, list[str]] = {}
        missing: list[MissingClip] = []
        for row in scene.clips:
            names = self._cut.get(row.clip_id)
            if names is None:
                item = items.get(row.clip_id)
                made = None if item is None else self._reader.of(item)
                names = []
                if isinstance(made, ClipPixels):
                    names = write_pieces(self._folder, row.clip_id, made)
                elif made is not None:
                    missing.append(made)
                self._cut[row.clip_id] = names
            files[row.clip_id] = names
        if not all(files.values()):
            return [], {}, missing
        paths = [self._settings.video_path(files[row.clip_id][0]) for row in scene.clips]
        return paths, files, missing

    def _dialogue(
        self, scene: Scene, pairs: Sequence[ProvenTurn], videos: Sequence[str]
    ) -> ProvenDialogue:
        row = scene.clips[0]
        is_part = scene.scope == "clip" and scene.has_timeline
        start, end = (row.start_seconds, row.end_seconds) if is_part else (None, None)
        turns = turns_of_pairs(pairs, self._settings.system)
        return ProvenDialogue(
            Dialogue(scene.name, videos, turns, start, end),
            scene.scope,
            list(dict.fromkeys(row.video_id for row in scene.clips)),
            [row.clip_id for row in scene.clips],
            pairs,
        )

    def _counts(self, scene: Scene, pairs: Sequence[ProvenTurn]) -> dict[str, int]:
        texts = [without_tokens(self._settings.system)] if self._settings.system else []
        texts += spoken_words(pairs)
        spans = ((row.end_seconds or 0.0) - (row.start_seconds or 0.0) for row in scene.clips)
        return {
            "clips": len(scene.clips),
            "pairs": len(pairs),
            "by_model": sum(pair.kind == "model" for pair in pairs),
            "tokens": sum(self._count(text) for text in texts),
            "videos": 1 if scene.has_timeline else len(scene.clips),
            "milliseconds": round(1000 * sum(spans)),
        }

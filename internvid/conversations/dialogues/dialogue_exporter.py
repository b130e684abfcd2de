"""Writes dialogues: shards with proofs, and the lists that trainers read made of these."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from internvid.conversations.dialogues.dialogue_maker import DialogueMaker, TurnSettings
from internvid.conversations.dialogues.dialogue_rows import COUNTS, ProvenDialogue
from internvid.conversations.dialogues.dialogue_templates import SIGNAL_COLUMNS
from internvid.conversations.dialogues.model_turns import ModelTurns
from internvid.conversations.dialogues.proven_turns import SCOPES, Scene, Scope
from internvid.conversations.dialogues.scenes import SceneMaker, described
from internvid.conversations.documents.clip_media import MediaSettings, stale_files
from internvid.conversations.documents.document_clips import RowQuery
from internvid.conversations.documents.document_shards import SCRATCH, DocumentShards
from internvid.conversations.documents.exported import by_document, listed_tables, with_progress
from internvid.core.config import identity
from internvid.core.contracts import ExportItems
from internvid.core.errors import ConfigInvalidError, NothingSelectedError
from internvid.dataset.parts import commit_bytes, discard
from internvid.dataset.releases.documents.document_files import DocumentFile
from internvid.dataset.releases.documents.document_tables import (
    DOCUMENT,
    counts_of_documents,
    writing_tables,
)
from internvid.publishing.clip_items import ClipItems
from internvid.publishing.index_files import IndexForm, writing_rows
from internvid.publishing.members import refuse_unknown_column
from internvid.publishing.shards import NOTES, MissingClip
from internvid.publishing.texts.chat_turns import (
    MEDIA_TOKENS,
    Dialogue,
    conversations_row,
    dataset_info,
    messages_row,
    qa_row,
)
from internvid.publishing.texts.token_limits import counted_by, token_counter

STEM = "dialogues"
_INFO, _MESSAGES = "dataset_info.json", "messages.jsonl"
_PATTERNS = ("dialogues-*.jsonl", "videos/*.mp4")


@dataclass(frozen=True)
class DialogueExporter:
    """Questions and answers about clips and videos, as published by `internvid dialogues`.

    Attributes:
        caption: the column with captions; of several, with commas, the first that has one; empty
            for none.
        transcript: the column with what is spoken; empty for none.
        about: `clip`, `video` or both, with a comma.
        pairs: most template questions of a dialogue; 0 for none.
        clips_of_dialogue: so many clips of a video at most are in one dialogue.
        system: a text before all turns.
        seed: of wordings, and of which questions there are.
        tokens: most tokens of a dialogue; questions that are over are left out. None for no bound.
        tokenizer: what counts them: `clip`, or a folder or hub name; empty for an estimate.
        media: `media.pixels` is `none` (sources are named, times are theirs) or `clips`.
        token: of a video in `conversations`: `<video>`, or `<image>` for LLaVA-NeXT.
        base_path: where the export, or the videos, will lie for the trainer.
        model: turns by a chat model.
        documents_per_shard: how many dialogues a shard takes.
    """

    version: ClassVar[int] = 1
    caption: str = "measured"
    transcript: str = ""
    about: str = "clip,video"
    pairs: int = 4
    clips_of_dialogue: int = 12
    system: str = ""
    seed: int = 0
    tokens: int | None = None
    tokenizer: str = ""
    media: MediaSettings = field(default_factory=MediaSettings)
    token: str = "<video>"
    base_path: str = ""
    model: ModelTurns = field(default_factory=ModelTurns)
    documents_per_shard: int = 1000

    def __post_init__(self) -> None:
        for name, least in (("pairs", 0), ("clips_of_dialogue", 1), ("documents_per_shard", 1)):
            if getattr(self, name) < least:
                raise ConfigInvalidError(
                    f"{name} must be at least {least}, got {getattr(self, name)}"
                )
        if self.tokens is not None and self.tokens < 1:
            raise ConfigInvalidError(f"tokens must be at least 1, got {self.tokens}")
        if not self.scopes or set(self.scopes) - set(SCOPES):
            raise ConfigInvalidError(f"about is clip, video or clip,video, not {self.about!r}")
        if self.token not in MEDIA_TOKENS:
            raise ConfigInvalidError(
                f"token is one of {', '.join(MEDIA_TOKENS)}, not {self.token!r}"
            )
        if self.media.pixels == "frames":
            raise ConfigInvalidError(
                "dialogues are about videos: media.pixels is none or clips",
                hint="interleave writes frames",
            )
        if not self.pairs and not self.model.is_named:
            raise ConfigInvalidError(
                "pairs=0 without a chat model leaves no question", hint="--model names one"
            )

    @property
    def captions(self) -> tuple[str, ...]:
        """Columns that may have the caption, the first choice first."""
        return tuple(name.strip() for name in self.caption.split(",") if name.strip())

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What dialogues are about."""
        named = [name.strip() for name in self.about.split(",")]
        return tuple(name for name in named if name)  # type: ignore[misc]

    @property
    def has_timeline(self) -> bool:
        """Whether trainers see the sources themselves."""
        return self.turn_settings.has_timeline

    @property
    def turn_settings(self) -> TurnSettings:
        """What dialogues are made of."""
        return TurnSettings(
            self.pairs,
            self.tokens,
            self.tokenizer,
            self.system,
            self.base_path,
            self.media,
            self.model,
        )

    def check(self, columns: Mapping[str, str]) -> None:
        """Refuse columns that clips do not have; a tokenizer or a server that is not there.

        Raises:
            ConfigInvalidError: no column is called so.
            InternvidError: the tokenizer cannot be had, or the server not be reached.
        """
        for name in self.captions:
            refuse_unknown_column(name, columns, "caption")
        if self.transcript:
            refuse_unknown_column(self.transcript, columns, "transcript")
        self.media.check(dict(columns))
        token_counter(self.tokenizer)
        if self.model.is_named:
            self.model.setup()

    def query(self, items: ClipItems, scratch: Path | None = None) -> RowQuery:
        """The clips that dialogues are about."""
        return RowQuery(
            items.dataset,
            items.subset,
            self.captions,
            self.transcript,
            SIGNAL_COLUMNS,
            keep_paths=items.keep_paths,
            scratch=scratch,
            with_shots=True,
        )

    def scene_maker(self) -> SceneMaker:
        """Makes scenes of rows."""
        return SceneMaker(self.scopes, self.clips_of_dialogue, self.seed, self.has_timeline)

    def refuse_nothing(self, items: ClipItems) -> None:
        """Refuse a choice without clips.

        Raises:
            NothingSelectedError: there is none.
        """
        clips, _, _ = self.query(items).counts()
        if not clips:
            where = "the dataset" if items.subset is None else f"the subset {items.subset!r}"
            raise NothingSelectedError(
                f"{where} has no clip", hint="choose other clips, see: internvid status"
            )

    def shards(self, items: ClipItems, folder: Path, maker: DialogueMaker) -> DocumentShards[Scene]:
        """How scenes become shards."""
        recipe = [identity(self), items.keep_paths]
        return DocumentShards[Scene](
            folder, STEM, "jsonl", self.documents_per_shard, described, maker.make, recipe
        )

    def export(self, items: ExportItems, folder: Path) -> dict[str, Any]:
        """Write every dialogue, and the lists of them.

        Raises:
            NothingSelectedError: not one dialogue can be made.
            ServiceError: the server of the chat model cannot be reached, or refuses.
            BudgetSpentError: its budget is used up; what is written is kept.
        """
        assert isinstance(items, ClipItems)
        self.refuse_nothing(items)
        scratch = folder / NOTES / SCRATCH
        discard(scratch)
        scenes, maker = self.scene_maker(), DialogueMaker(self.turn_settings, items, folder)
        shards = self.shards(items, folder, maker)
        listed: list[DocumentFile] = []
        missing: list[MissingClip] = []
        cut: set[str] = set()
        left_out, refused = Counter[str](), Counter[str]()
        rows = with_progress(self.query(items, scratch).rows(), items)
        with writing_tables(folder, COUNTS) as tables:
            for name, note in shards.write(scenes.scenes(rows)):
                missing += note["missing"]
                left_out.update(note["left_out"])
                refused.update(note["refused"])
                for document, clips in by_document(note):
                    tables.add(document.pop(DOCUMENT), str(name), document, clips)
                    cut.update(file for clip in clips for file in clip["files"])
                if name is not None:
                    listed.append(shards.file(name))
        maker.close()
        counts = counts_of_documents(folder)
        if not counts["documents"]:
            reasons = Counter({**scenes.left_out}) + left_out + refused
            raise NothingSelectedError(
                f"not one dialogue can be made: {dict(reasons)}",
                hint="choose other clips, or another caption",
            )
        names = [each["file"] for each in listed]
        listed += [*self._write_lists(folder, names), *listed_tables()]
        info = json.dumps(dataset_info(_MESSAGES), indent=2) + "\n"
        commit_bytes(folder / _INFO, info.encode())
        files = [each["file"] for each in listed]
        for path in list(stale_files(folder, _PATTERNS, {*files, *cut})):
            discard(path)
        return {
            "files": [*files, _INFO, *sorted(cut)],
            "document_files": listed,
            **counts,
            "left_out": dict(scenes.left_out),
            "documents_left_out": dict(left_out),
            "refused": dict(refused),
            "missing": missing,
            "tokens_counted_by": counted_by(self.tokenizer),
        }

    def _write_lists(self, folder: Path, shards: Sequence[str]) -> list[DocumentFile]:
        """Every form of the same dialogues, read from the shards one by one."""
        forms: Sequence[tuple[str, IndexForm, Callable[[Dialogue], dict[str, Any]]]] = (
            (_MESSAGES, "jsonl", messages_row),
            ("conversations.json", "json", self._conversation),
            ("conversations.jsonl", "jsonl", self._conversation),
            ("qa.json", "json", qa_row),
        )
        with ExitStack() as stack:
            puts = [
                (stack.enter_context(writing_rows(folder / file, form)), make)
                for file, form, make in forms
            ]
            for dialogue in _dialogues_in(folder, shards):
                for put, make in puts:
                    put(make(dialogue))
        return [DocumentFile(file=file, form=form, field="id") for file, form, _ in forms]

    def _conversation(self, dialogue: Dialogue) -> dict[str, Any]:
        return conversations_row(dialogue, self.token)


def _dialogues_in(folder: Path, shards: Sequence[str]) -> Iterator[Dialogue]:
    for name in shards:
        with (folder / name).open(encoding="utf-8") as file:
            for line in file:
                yield ProvenDialogue.of_json(json.loads(line)).dialogue

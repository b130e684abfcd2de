"""Proves the answers of an export again: the stored values are read, and templates run anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from internvid.conversations.dialogues.dialogue_exporter import STEM, DialogueExporter
from internvid.conversations.dialogues.dialogue_rows import ProvenDialogue
from internvid.conversations.dialogues.dialogue_templates import CLIP_KINDS, VIDEO_KINDS, turn_of
from internvid.conversations.dialogues.model_checks import checked_pairs
from internvid.conversations.dialogues.model_turns import MODEL, ModelTurns, facts_of, model_sources
from internvid.conversations.dialogues.proven_turns import AnswerSource, ProvenTurn, Scene
from internvid.conversations.documents.clip_media import MediaSettings
from internvid.conversations.documents.document_clips import ClipRow
from internvid.conversations.documents.row_files import (
    Faults,
    ReadRow,
    files_with_rows,
    read_rows,
)
from internvid.core.errors import ConfigInvalidError, DatasetFormatError
from internvid.core.system.streams import batched
from internvid.dataset.layout import plain_json, read_json
from internvid.dataset.removal.copies import MANIFEST
from internvid.dataset.store import Dataset
from internvid.publishing.clip_items import ClipItems

_AT_ONCE = 500


@dataclass
class Proof:
    """What became of the answers of an export.

    Attributes:
        dialogues: that were read.
        proved: answers of templates that follow from the dataset as it is now.
        checked: answers of a model whose notes are as they were, and which pass all checks.
        faults: `clip_gone`, `value_changed`, `answer_differs`, `unknown_kind`, `not_a_dialogue`,
            and the reasons of `model_checks`.
    """

    dialogues: int = 0
    proved: int = 0
    checked: int = 0
    faults: Faults = field(default_factory=Faults)

    @property
    def ok(self) -> bool:
        """Whether every answer is proved or checked."""
        return not self.faults.total


def prove(dataset: Dataset, folder: Path) -> Proof:
    """Prove every answer of an export of dialogues.

    Args:
        dataset: that it was made from.
        folder: of the export.

    Raises:
        SourceMissingError: there are no dialogues.
        DatasetFormatError: its manifest does not say how they were made.
    """
    exporter, subset, keep_paths = _made_by(folder)
    items = ClipItems(dataset, subset, keep_paths)
    proof = Proof()
    for path in files_with_rows(folder, (f"{STEM}-*.jsonl",)):
        for batch in batched(read_rows(path, proof.faults), _AT_ONCE):
            known = list(_dialogues(batch, proof))
            videos = {video for _, each in known for video in each.video_ids}
            rows = {row.clip_id: row for row in exporter.query(items).of_videos(videos)}
            for row, dialogue in known:
                proof.dialogues += 1
                _prove(dialogue, row, rows, exporter, proof)
    return proof


def _dialogues(batch: Sequence[ReadRow], proof: Proof) -> Iterator[tuple[ReadRow, ProvenDialogue]]:
    for row in batch:
        try:
            yield row, ProvenDialogue.of_json(row.value)
        except (KeyError, TypeError, ValueError, AttributeError, ConfigInvalidError) as error:
            proof.faults.add(row.file.name, row.number, "not_a_dialogue", str(error))


def _made_by(folder: Path) -> tuple[DialogueExporter, str | None, bool]:
    """How an export was made, by its manifest."""
    manifest = read_json(folder / MANIFEST)
    try:
        config: Mapping[str, Any] = manifest["exporter"]["fields"]
        model = config["model"]["fields"]
        exporter = DialogueExporter(
            caption=config["caption"],
            transcript=config["transcript"],
            about=config["about"],
            pairs=max(1, config["pairs"]),
            seed=config["seed"],
            media=MediaSettings(config["media"]["fields"]["pixels"]),
            model=ModelTurns(prompt=model["prompt"], unsupported=model["unsupported"]),
        )
        return exporter, manifest["subset"], bool(manifest["keep_paths"])
    except (KeyError, TypeError, ConfigInvalidError) as error:
        raise DatasetFormatError(
            f"{folder / MANIFEST} does not say how dialogues were made: {error}",
            hint="name the folder of an export of internvid dialogues",
        ) from error


def _prove(
    dialogue: ProvenDialogue,
    row: ReadRow,
    rows: Mapping[str, ClipRow],
    exporter: DialogueExporter,
    proof: Proof,
) -> None:
    gone = [clip_id for clip_id in dialogue.clip_ids if clip_id not in rows]
    if gone:
        proof.faults.add(row.file.name, row.number, "clip_gone", ", ".join(gone))
        return
    scene = _scene_of(dialogue, rows, exporter)
    for pair in dialogue.pairs:
        reason, detail = _trouble(pair, scene)
        if reason:
            proof.faults.add(row.file.name, row.number, reason, detail)
        elif pair.kind == MODEL:
            proof.checked += 1
        else:
            proof.proved += 1
    texts = [pair for pair in dialogue.pairs if pair.kind == MODEL]
    reason = _model_trouble(texts, scene, exporter)
    if reason:
        proof.faults.add(row.file.name, row.number, reason, dialogue.dialogue.dialogue_id)


def _scene_of(
    dialogue: ProvenDialogue, rows: Mapping[str, ClipRow], exporter: DialogueExporter
) -> Scene:
    chosen = [rows[clip_id] for clip_id in dialogue.clip_ids]
    elsewhere = frozenset(
        row.caption.lower()
        for row in rows.values()
        if row.video_id == chosen[0].video_id
        and row.clip_id not in dialogue.clip_ids
        and row.caption
        and row.has_times
    )
    name = dialogue.dialogue.dialogue_id
    has_timeline = exporter.has_timeline
    return Scene(name, dialogue.scope, chosen, exporter.seed, has_timeline, elsewhere)


def _trouble(pair: ProvenTurn, scene: Scene) -> tuple[str, str]:
    """What is wrong with a turn; two empty texts where nothing is."""
    if pair.kind == MODEL:
        known = {_key(each) for each in model_sources(scene)}
        changed = [each for each in pair.sources if _key(each) not in known]
        return ("value_changed", _named(changed[0])) if changed else ("", "")
    kinds = CLIP_KINDS if scene.scope == "clip" else VIDEO_KINDS
    if pair.kind not in kinds:
        return "unknown_kind", pair.kind
    again = turn_of(pair.kind, scene)
    if again is None:
        return "value_changed", f"{pair.kind}: nothing certain can be answered any more"
    now = {_key(each) for each in again.sources}
    changed = [each for each in pair.sources if _key(each) not in now]
    if changed:
        return "value_changed", _named(changed[0])
    if (pair.question, pair.answer) != (again.question, again.answer):
        return "answer_differs", f"{pair.kind}: {pair.answer!r}, where {again.answer!r} follows"
    return "", ""


def _model_trouble(pairs: Sequence[ProvenTurn], scene: Scene, exporter: DialogueExporter) -> str:
    if not pairs:
        return ""
    turns = [
        {"role": role, "text": text}
        for pair in pairs
        for role, text in (("user", pair.question), ("assistant", pair.answer))
    ]
    model = exporter.model
    text = json.dumps({"turns": turns})
    return checked_pairs(text, facts_of(scene), model.prompt, model.unsupported)[1]


def _key(each: AnswerSource) -> str:
    return json.dumps(plain_json(each.as_json()), sort_keys=True)


def _named(each: AnswerSource) -> str:
    return f"{each.column} of {each.clip_id or each.video_id} was {each.value!r}"

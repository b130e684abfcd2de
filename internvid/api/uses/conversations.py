"""Clips in context: interleaved documents, and dialogues about videos."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from internvid.api.components import make_component
from internvid.api.datasets import DatasetLike, as_dataset
from internvid.core.errors import MisuseError
from internvid.core.several import several
from internvid.dataset.given import given_path

if TYPE_CHECKING:
    from internvid.conversations.dialogues.dialogue_exporter import DialogueExporter
    from internvid.conversations.dialogues.dialogue_reader import DialogueReading
    from internvid.conversations.dialogues.proving import Proof
    from internvid.conversations.interleaved.interleave_exporter import InterleaveExporter
    from internvid.conversations.interleaved.interleaved_reader import InterleavedReading

Form = Literal["a", "b", "c"]


def interleave(
    dataset: DatasetLike,
    folder: str | os.PathLike[str],
    *,
    form: Form = "a",
    subset: str | None = None,
    settings: Sequence[str] = (),
    keep_paths: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write interleaved documents: clips among their captions, in time order.

    Args:
        dataset: to write from.
        folder: new, empty, or of such an export, which then goes on.
        form: `a`: the clips of a video with their captions; `b`: with transcripts too; `c`:
            several videos joined.
        subset: only its clips; every kept clip when None.
        settings: fields of `InterleaveExporter` as `"field=value"`, e.g. `"budget.tokens=2048"`.
        keep_paths: write whole paths of local sources, not the names of their files alone.
        progress: called with how many clips are read, and of how many.

    Returns:
        The manifest: `documents`, `clips`, `hours`, `per_document` (of each count its total, least,
        mean and most), `left_out` (reason -> clips in no document), `missing`, `files`.

    Raises:
        NothingSelectedError: there is no clip, none with a caption, none with a transcript.
        OutputExistsError: the folder holds something else.
        DatasetBusyError: another process writes there.
    """
    from internvid.publishing.publish import publish

    exporter = _interleave_exporter(form, settings)
    opened = as_dataset(dataset)
    target = Path(given_path(folder, "folder"))
    return publish(opened, target, exporter, subset, progress, keep_paths=keep_paths)


def plan_interleave(
    dataset: DatasetLike,
    *,
    form: Form = "a",
    subset: str | None = None,
    settings: Sequence[str] = (),
) -> dict[str, Any]:
    """What `interleave` would write, counted from rows alone; nothing is written.

    Args:
        dataset: to write from.
        form: as in `interleave`.
        subset: as in `interleave`.
        settings: as in `interleave`.

    Returns:
        `documents`, `clips`, `hours`, `per_document`, `left_out` and `tokens_counted_by`.

    Raises:
        NothingSelectedError: as in `interleave`.
    """
    from internvid.conversations.interleaved.interleave_exporter import plan_documents
    from internvid.publishing.clip_items import ClipItems
    from internvid.publishing.publish import columns_of

    exporter, opened = _interleave_exporter(form, settings), as_dataset(dataset)
    exporter.check(columns_of(opened))
    with tempfile.TemporaryDirectory() as scratch:
        return plan_documents(exporter, ClipItems(opened, subset), Path(scratch))


def read_interleaved(path: str | os.PathLike[str]) -> InterleavedReading:
    """Read interleaved documents back, and count what is wrong with rows.

    Args:
        path: a file (`.jsonl`, `.tar`), or the folder of an export.

    Returns:
        What gives `InterleavedDocument`s when it is gone through; `check()` reads all and returns
        the faults. Rows of the layouts `mmc4` and `messages` are only checked.
    """
    from internvid.conversations.interleaved.interleaved_reader import InterleavedReading

    return InterleavedReading(Path(given_path(path, "path")))


def make_dialogues(
    dataset: DatasetLike,
    folder: str | os.PathLike[str],
    *,
    subset: str | None = None,
    model: str | None = None,
    server: str | None = None,
    settings: Sequence[str] = (),
    keep_paths: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Write questions and answers about clips and videos, each answer with what proves it.

    Args:
        dataset: to write from.
        folder: new, empty, or of such an export, which then goes on.
        subset: only its clips; every kept clip when None.
        model: name of a chat model that writes turns too; none where neither it nor a server is
            named.
        server: address of its OpenAI-compatible server, up to and including `/v1`.
        settings: fields of `DialogueExporter` as `"field=value"`, e.g. `"tokens=2048"`.
        keep_paths: write whole paths of local sources, not the names of their files alone.
        progress: called with how many clips are read, and of how many.

    Returns:
        The manifest: `documents` (dialogues), `clips`, `per_document`, `refused` (reason -> turns
        that do not count), `left_out`, `documents_left_out`, `missing`, `files`.

    Raises:
        NothingSelectedError: there is no clip, or nothing to ask about.
        ServiceError: the server of the chat model cannot be reached, or refuses.
        BudgetSpentError: its budget is used up; the same call goes on.
        OutputExistsError: the folder holds something else.
    """
    from internvid.publishing.publish import publish

    exporter = _dialogue_exporter([*_served(model, server), *several(settings)])
    opened = as_dataset(dataset)
    target = Path(given_path(folder, "folder"))
    return publish(opened, target, exporter, subset, progress, keep_paths=keep_paths)


def plan_dialogues(
    dataset: DatasetLike, *, subset: str | None = None, settings: Sequence[str] = ()
) -> dict[str, Any]:
    """How many dialogues `make_dialogues` would write by templates; no model is used.

    Args:
        dataset: to write from.
        subset: as in `make_dialogues`.
        settings: as in `make_dialogues`.

    Returns:
        `documents`, `about`, `pairs`, `kinds` (kind of a question -> how many), `left_out`,
        `documents_left_out` and `refused`.

    Raises:
        NothingSelectedError: there is no clip.
    """
    from internvid.conversations.dialogues.dialogue_plan import plan_scenes
    from internvid.publishing.clip_items import ClipItems

    exporter, opened = _dialogue_exporter(settings), as_dataset(dataset)
    with tempfile.TemporaryDirectory() as scratch:
        return plan_scenes(exporter, ClipItems(opened, subset), Path(scratch))


def prove_dialogues(dataset: DatasetLike, folder: str | os.PathLike[str]) -> Proof:
    """Prove every answer of an export of dialogues again, from the dataset as it is now.

    Args:
        dataset: that it was made from.
        folder: that `make_dialogues` wrote.

    Returns:
        `ok`, how many answers are `proved` (templates) and `checked` (a model's), and `faults`.

    Raises:
        SourceMissingError: there are no dialogues.
        DatasetFormatError: its manifest does not say how they were made.
    """
    from internvid.conversations.dialogues.proving import prove

    return prove(as_dataset(dataset), Path(given_path(folder, "folder")))


def read_dialogues(path: str | os.PathLike[str]) -> DialogueReading:
    """Read dialogues: our own, and those of VideoChat, LLaVA-Video and Video-ChatGPT.

    Args:
        path: a file (`.json`, `.jsonl`), or the folder of an export.

    Returns:
        What gives `Dialogue`s when it is gone through; rows that are none are counted in `faults`.
    """
    from internvid.conversations.dialogues.dialogue_reader import DialogueReading

    return DialogueReading(Path(given_path(path, "path")))


def _interleave_exporter(form: Form, settings: Sequence[str]) -> InterleaveExporter:
    from internvid.conversations.interleaved.interleave_exporter import InterleaveExporter

    made: InterleaveExporter = make_component(
        "exporter", InterleaveExporter(), [f"format={form}", *several(settings)]
    )
    return made


def _served(model: str | None, server: str | None) -> list[str]:
    """Assignments that name a chat model.

    Raises:
        MisuseError: the server lists several models, or none, and no name is given.
    """
    if model is None and server is None:
        return []
    address = [] if server is None else [f"model.served.base_url={server}"]
    if model is None:
        from internvid.captions.server.chat import listed_models
        from internvid.captions.server.config import ServedModel

        names = listed_models(ServedModel(base_url=str(server)))
        if len(names) != 1:
            raise MisuseError(
                f"the server at {server} lists {', '.join(names) or 'no model'}",
                hint="--model names the one that is meant",
            )
        model = names[0]
    return [f"model.served.model={model}", *address]


def _dialogue_exporter(settings: Sequence[str]) -> DialogueExporter:
    from internvid.conversations.dialogues.dialogue_exporter import DialogueExporter

    made: DialogueExporter = make_component("exporter", DialogueExporter(), several(settings))
    return made

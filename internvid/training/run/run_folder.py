"""Whose a run's folder is: made this run's, found to be, or refused, before anything is written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from internvid.core.config import plain
from internvid.core.errors import (
    CheckpointFormatError,
    ConfigInvalidError,
    MisuseError,
    OutputExistsError,
)
from internvid.dataset.parts import commit_json, held
from internvid.training.data.samples import Samples
from internvid.training.kinds.contract import RunRecipe
from internvid.training.run.distributed import rank, wait_for_all, world_size
from internvid.training.run.run_checkpoint import Checkpoints

RUN, CACHE, LOCK, CHOSEN = "run.json", "cache", "lock", "chosen.json"
MODEL, BLENDED = "model", "model-wise-ft"
_FORMAT = {"format": "internvid-training", "version": 1}
# What warm-ups are, since 0.2: see `Stage.total_warmup`.
_SCHEDULE = 2


class RunFacts(TypedDict):
    """The data of a run: how many samples, and a digest of them."""

    samples: int
    samples_digest: str


def run_facts(samples: Samples) -> RunFacts:
    """What is recorded of the data: another set of samples is another run."""
    digest = hashlib.blake2b(digest_size=12)
    for clip_id, text in zip(samples.clip_ids, samples.texts, strict=True):
        digest.update(f"{clip_id} {samples.captions[text]}\n".encode())
    return {"samples": len(samples), "samples_digest": digest.hexdigest()}


def check_folder(folder: Path) -> None:
    """Changes nothing, but makes sure that the folder is a run's or can become one.

    Raises:
        OutputExistsError: it holds something else.
    """
    if folder.is_file():
        raise OutputExistsError(f"{folder} is a file", hint="choose another path with -o")
    if not folder.is_dir() or (folder / RUN).is_file():
        return
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in (CACHE, LOCK))
    if foreign:
        raise OutputExistsError(
            f"{folder} exists and is not a training run (it holds {foreign[0]!r})",
            hint="choose an empty or new folder with -o",
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the folder for this run, made if it is not there; freed however the process ends.

    Raises:
        MisuseError: another process trains there.
    """
    if rank():
        yield
        return
    busy = MisuseError(
        f"another process is training in {folder}", hint="wait until it ends, or stop it"
    )
    with held(folder / LOCK, busy):
        yield


def check_free(folder: Path) -> None:
    """Ends a second run early, before it copies anything into the first one's cache.

    Raises:
        MisuseError: another process trains there.
    """
    if (folder / LOCK).is_file():
        with locked(folder):
            pass


def is_begun(folder: Path) -> bool:
    """Whether the folder holds a checkpoint or a finished model to go on from."""
    return Checkpoints(folder).newest() is not None or (folder / MODEL).exists()


def keeps_short_warmup(folder: Path) -> bool:
    """Whether the folder's run was begun by 0.1.0, with warm-ups as they were then."""
    return is_begun(folder) and _read(folder / RUN).get("schedule") != _SCHEDULE


@dataclass(frozen=True)
class Chosen:
    """What a run chose for the machine it runs on; the same choices make the same bits.

    Attributes:
        threads: of a CPU; 0 where none were chosen.
        micro_batch: stage -> clips that a device takes at once.
    """

    threads: int = 0
    micro_batch: Mapping[str, int] = field(default_factory=dict)


def read_chosen(folder: Path, recipe: RunRecipe) -> Chosen:
    """What earlier starts of the same run chose; nothing where there are none."""
    try:
        known = json.loads((folder / CHOSEN).read_text("utf-8"))
        if known["fingerprint"] != recipe.fingerprint:
            return Chosen()
        sizes = {str(name): int(size) for name, size in known["micro_batch"].items()}
        sizes = {name: size for name, size in sizes.items() if size > 0}
        # Parts of another number of processes say nothing of this one's.
        return Chosen(
            threads=max(0, int(known["threads"])),
            micro_batch=sizes if known["processes"] == world_size() else {},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Chosen()


def write_chosen(folder: Path, recipe: RunRecipe, chosen: Chosen) -> None:
    """Keeps the choices for the next start of the run."""
    commit_json(
        folder / CHOSEN,
        {
            "fingerprint": recipe.fingerprint,
            "processes": world_size(),
            "threads": chosen.threads,
            "micro_batch": dict(chosen.micro_batch),
        },
    )


def claim_folder(folder: Path, recipe: RunRecipe, samples: Samples) -> None:
    """Makes the folder this run's, or finds that it is. Under `locked`, in every process.

    A run that ended before its first checkpoint has nothing to go on from, so it gives way to
    another: a command that was wrong can be put right without another folder.

    Raises:
        ConfigInvalidError: it belongs to a run of another recipe or other data.
        CheckpointFormatError: its record is damaged.
    """
    path, facts = folder / RUN, run_facts(samples)
    begun = is_begun(folder)
    if begun:
        _check_same(folder, _read(path), recipe, facts)
    # All have looked before the first one writes.
    wait_for_all()
    if not begun and rank() == 0:
        mine = {
            **_FORMAT,
            "schedule": _SCHEDULE,
            "recipe": recipe.plain(),
            "fingerprint": recipe.fingerprint,
            **facts,
        }
        commit_json(path, mine)
    wait_for_all()


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        known = error
    if not isinstance(known, dict):
        raise CheckpointFormatError(
            f"{path} is damaged: it does not say which run this is",
            hint="train into another folder; start.weights may be one of these checkpoints",
        )
    return known


def _check_same(folder: Path, known: dict[str, Any], recipe: RunRecipe, facts: RunFacts) -> None:
    if known.get("fingerprint") != recipe.fingerprint:
        differing = _differences(known.get("recipe"), recipe)
        raise ConfigInvalidError(
            f"{folder} holds a run of another recipe; it differs in: "
            f"{', '.join(differing) or 'its kind or version'}",
            hint="give the same recipe and --set values to go on, or another folder",
        )
    if known.get("samples_digest") != facts["samples_digest"]:
        raise ConfigInvalidError(
            f"{folder} holds a run on {known.get('samples')} other clips or captions; "
            f"these are {facts['samples']}",
            hint="give the same data to go on, or another folder",
        )


def _differences(known: Any, mine: Any, path: str = "") -> list[str]:
    """Fields that make another run, as `--set` names them; settings may differ."""
    if dataclasses.is_dataclass(mine) and isinstance(known, dict):
        return [
            difference
            for field in dataclasses.fields(mine)
            if not field.metadata.get("setting")
            for difference in _differences(
                known.get(field.name), getattr(mine, field.name), f"{path}.{field.name}".strip(".")
            )
        ]
    if isinstance(mine, tuple) and isinstance(known, list) and len(known) == len(mine):
        return [
            difference
            for at, (theirs, each) in enumerate(zip(known, mine, strict=True))
            for difference in _differences(theirs, each, f"{path}.{getattr(each, 'name', at)}")
        ]
    here = plain(mine)
    return [] if known == here else [f"{path} ({known} there, {here} here)"]

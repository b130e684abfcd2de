"""Videos from prompts: one file, or a folder of samples that `evaluate` measures."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.core.errors import (
    AnnotationInvalidError,
    ConfigInvalidError,
    MisuseError,
    OutputExistsError,
    SourceMissingError,
)
from internvid.core.weights import weights_identity
from internvid.dataset.parts import storage_errors
from internvid.evaluation.generation.video_sets import (
    MSRVTT_PROMPTS,
    UCF101_CLASSES,
    UCF101_SAMPLES,
)

if TYPE_CHECKING:
    from internvid.models.generation.text_to_video_model import TextToVideo

PROMPTS_FILE = "prompts.jsonl"
MANIFEST = "generation.json"
_PROTOCOL_FRAMES = 16
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Sampling:
    """How videos are made; what is None is the model's own.

    Attributes:
        frames: of each video.
        height, width: in pixels.
        steps: of denoising.
        guidance: how strongly the prompt pulls.
        negative: a text to stay away from.
        seed: of the first video; the next ones count on.
        fps: at which they are played.
    """

    frames: int | None = None
    height: int | None = None
    width: int | None = None
    steps: int | None = None
    guidance: float | None = None
    negative: str = ""
    seed: int = 0
    fps: float | None = None


def generate(
    model: str | os.PathLike[str] | TextToVideo,
    prompts: str | Sequence[str],
    output: str | os.PathLike[str],
    *,
    sampling: Sampling | None = None,
    samples: int = 1,
    protocol: str = "",
    batch: int = 1,
    device: str = "auto",
    dtype: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make videos from prompts, and write them.

    Args:
        model: what `TextToVideo.from_pretrained` takes, or one that is open.
        prompts: one text, for a file; or several, for a folder.
        output: a file ending in .mp4, .mov or .mkv; or a folder, which a later call with the same
            arguments goes on with, video by video.
        sampling: sizes, steps, seed.
        samples: of each prompt, for a folder.
        protocol: of the paper: `ucf101` (101 class names, 20 samples each) or `msrvtt` (2,990
            captions), 16 frames; other numbers are refused.
        batch: videos at once.
        device, dtype: see `TextToVideo.from_pretrained`.
        progress: called with how many videos are done, and of how many.

    Returns:
        `videos`: how many were made now; `kept`: there before; `output`; `frames`, `width`,
        `height`, `fps`, `steps`, `guidance`, `seed`.

    Raises:
        MisuseError: a prompt or a size that the model cannot take, numbers that are not the
            protocol's.
        OutputExistsError: the folder holds something else, or samples made otherwise.
        StorageError: it cannot be written.
    """
    how, target = sampling or Sampling(), Path(output)
    texts = [prompts] if isinstance(prompts, str) else list(prompts)
    samples, how = _by_protocol(protocol, len(texts), samples, how)
    if samples < 1 or batch < 1:
        raise MisuseError(f"samples {samples} and batch {batch} must be at least 1")
    opened = _open(model, device, dtype)
    facts = _facts(opened, how)
    if isinstance(prompts, str) and samples == 1 and target.suffix:
        _write_one(opened, texts[0], target, facts)
        return {"videos": 1, "kept": 0, "output": str(target), **_shown(facts)}
    name = "" if not isinstance(model, (str, os.PathLike)) else weights_identity(os.fspath(model))
    job = _Job(opened, _plan(texts, samples, how.seed), target, facts)
    kept = job.begin({"model": name, "protocol": protocol, "samples": samples, **facts})
    made = job.run(batch, progress or (lambda done, total: None))
    return {"videos": made, "kept": kept, "output": str(target), **_shown(facts)}


def read_prompts(path: str | os.PathLike[str]) -> list[str]:
    """Prompts of a file: a line each, or `prompt` of each row of a `.jsonl`.

    Raises:
        SourceMissingError: it is not there.
        AnnotationInvalidError: it holds none, or a row has none; the row is named.
    """
    file = Path(path)
    if not file.is_file():
        raise SourceMissingError(f"there is no file {str(file)!r}")
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise AnnotationInvalidError(f"{file} is not UTF-8: {error.reason}") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            found.append(_prompt_of(line, file, number))
    if not found:
        raise AnnotationInvalidError(f"{file} holds no prompt", hint="write one on each line")
    return found


def _prompt_of(line: str, file: Path, number: int) -> str:
    if file.suffix != ".jsonl":
        return line.strip()
    try:
        row = json.loads(line)
    except ValueError as error:
        raise AnnotationInvalidError(f"{file.name}, row {number} is not JSON: {error}") from error
    names = ("prompt", "caption", "text")
    text = next((row[name] for name in names if name in row), None) if _is_row(row) else row
    if not isinstance(text, str) or not text.strip():
        raise AnnotationInvalidError(
            f"{file.name}, row {number} has no prompt", hint=f"name it {' or '.join(names)}"
        )
    return text.strip()


def _is_row(value: object) -> bool:
    return isinstance(value, dict)


def _by_protocol(protocol: str, prompts: int, samples: int, how: Sampling) -> tuple[int, Sampling]:
    if not protocol:
        return samples, how
    wanted = {"ucf101": (UCF101_CLASSES, UCF101_SAMPLES), "msrvtt": (MSRVTT_PROMPTS, 1)}
    if protocol not in wanted:
        raise ConfigInvalidError(f"protocol is ucf101 or msrvtt, not {protocol!r}")
    count, each = wanted[protocol]
    if prompts != count:
        raise ConfigInvalidError(f"protocol {protocol} takes {count:,} prompts, not {prompts:,}")
    if samples not in (1, each):
        raise ConfigInvalidError(f"protocol {protocol} takes {each} samples a prompt")
    if how.frames not in (None, _PROTOCOL_FRAMES):
        raise ConfigInvalidError(
            f"protocol {protocol} measures {_PROTOCOL_FRAMES} frames, not {how.frames}",
            hint="leave --frames out",
        )
    return each, replace(how, frames=_PROTOCOL_FRAMES)


def _open(model: str | os.PathLike[str] | TextToVideo, device: str, dtype: str) -> TextToVideo:
    from internvid.models.generation.text_to_video_model import TextToVideo

    if isinstance(model, TextToVideo):
        return model
    return TextToVideo.from_pretrained(os.fspath(model), device=device, dtype=dtype)


def _facts(model: TextToVideo, how: Sampling) -> dict[str, Any]:
    """What decides a sample, with the model's own where nothing was chosen."""
    own = asdict(model.limits)
    chosen = {name: own[name] if value is None and name in own else value
              for name, value in asdict(how).items()}  # fmt: skip
    model.limits.check(chosen["frames"], chosen["height"], chosen["width"])
    if not chosen["fps"] > 0:
        raise MisuseError(f"fps must be above 0, not {chosen['fps']}")
    return chosen


def _shown(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if name != "negative"}


def _write_one(model: TextToVideo, prompt: str, target: Path, facts: dict[str, Any]) -> None:
    from internvid.video.encoding import write_frames

    wish = {name: value for name, value in facts.items() if name != "fps"}
    with storage_errors(target):
        write_frames(target, model.generate(prompt, **wish), facts["fps"])


@dataclass(frozen=True)
class _Planned:
    name: str
    prompt: str
    seed: int


def _plan(prompts: Sequence[str], samples: int, seed: int) -> list[_Planned]:
    planned = []
    for at, prompt in enumerate(prompts):
        words = re.sub(r"[^a-z0-9]+", "-", prompt.lower())[:40].strip("-")
        for number in range(samples):
            name = f"{at:05d}-{number:02d}-{words}".rstrip("-") + ".mp4"
            planned.append(_Planned(name, prompt, seed + at * samples + number))
    return planned


@dataclass(frozen=True)
class _Job:
    model: TextToVideo
    planned: Sequence[_Planned]
    folder: Path
    facts: dict[str, Any]

    def begin(self, described: dict[str, Any]) -> int:
        """Claims the folder; how many of its videos are there already."""
        listed = "".join(
            json.dumps({"video": one.name, "prompt": one.prompt, "seed": one.seed}) + "\n"
            for one in self.planned
        )
        manifest = self.folder / MANIFEST
        if manifest.is_file():
            self._check_same(json.loads(manifest.read_text("utf-8")), described, listed)
        elif self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise OutputExistsError(
                f"{self.folder} holds something else", hint="choose another folder"
            )
        else:
            with storage_errors(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                (self.folder / PROMPTS_FILE).write_text(listed, "utf-8")
                manifest.write_text(json.dumps(described, indent=2) + "\n", "utf-8")
        return sum((self.folder / one.name).is_file() for one in self.planned)

    def _check_same(self, there: Any, described: dict[str, Any], listed: str) -> None:
        differing = [name for name in described if there.get(name) != described[name]]
        if (self.folder / PROMPTS_FILE).read_text("utf-8") != listed:
            differing.append("prompts")
        if differing:
            raise OutputExistsError(
                f"{self.folder} holds samples made otherwise: {', '.join(differing)} differ",
                hint="give the same arguments to go on, or choose another folder",
            )

    def run(self, batch: int, progress: Progress) -> int:
        """Makes what is not there; how many."""
        from internvid.video.encoding import write_frames

        todo = [one for one in self.planned if not (self.folder / one.name).is_file()]
        done = len(self.planned) - len(todo)
        wish = {name: value for name, value in self.facts.items() if name not in ("fps", "seed")}
        for some in _batches(todo, batch):
            clips = self.model.generate(
                [one.prompt for one in some], seed=[one.seed for one in some], **wish
            )
            for one, clip in zip(some, clips, strict=True):
                with storage_errors(self.folder / one.name):
                    write_frames(self.folder / one.name, clip, self.facts["fps"])
            done += len(some)
            progress(done, len(self.planned))
        return len(todo)


def _batches(members: Sequence[_Planned], size: int) -> Iterator[Sequence[_Planned]]:
    for start in range(0, len(members), size):
        yield members[start : start + size]

"""Models on this machine: what a user says about one, and streams of requests through it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from internvid.captions.requests import Answer, Request
from internvid.core.config import setting, weights_field
from internvid.core.errors import ConfigInvalidError
from internvid.core.system.streams import batched, prepared, run_batch
from internvid.video.pictures import decode_pictures

if TYPE_CHECKING:
    from PIL import Image

    from internvid.models.generated_texts import Generated
    from internvid.models.pretrained import Checkpoint

    Pictured = tuple[Request, list[Image.Image]]

_CLIPS_AT_ONCE = 4


@dataclass(frozen=True)
class LocalModel:
    """A pretrained model on this machine.

    Attributes:
        weights: local folder, or hub name, optionally with "@revision".
        dtype: `auto` (bfloat16 on a GPU that has it, else float32), `float32`, `bfloat16`,
            `float16`.
        trust_remote_code: run Python code that comes with the model.
        device: `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1`, `mps`.
        batch: pictures or texts that go through the model at once.
        threads: threads that decode pictures ahead.
        download: fetch the model from the hub where it is not on this machine.
    """

    weights: str = weights_field("")
    dtype: str = "auto"
    trust_remote_code: bool = False
    device: str = setting("auto")
    batch: int = setting(16)
    threads: int = setting(2)
    download: bool = setting(False)  # noqa: FBT003

    def __post_init__(self) -> None:
        for name in ("batch", "threads"):
            if getattr(self, name) < 1:
                raise ConfigInvalidError(f"{name} must be at least 1, got {getattr(self, name)}")

    def checkpoint(self) -> Checkpoint:
        """What `internvid.models` is to load.

        Raises:
            ConfigInvalidError: no weights are named.
        """
        from internvid.models.pretrained import Checkpoint

        if not self.weights:
            raise ConfigInvalidError(
                "no model is named",
                hint="--set local.weights=FOLDER_OR_HUB_NAME, or for a served one "
                "--set served.model=NAME --set served.base_url=URL",
            )
        return Checkpoint(
            self.weights, self.device, self.dtype, self.trust_remote_code, self.download
        )


def without_weights(local: LocalModel) -> LocalModel:
    """A local model without weights, for a component whose model is served: none count for it."""
    return dataclasses.replace(local, weights="")


def show(
    requests: Iterable[Request],
    describe: Callable[[Sequence[Pictured]], list[Generated]],
    local: LocalModel,
) -> Iterator[tuple[Request, Answer]]:
    """Show each request's pictures to a model, in batches, decoded ahead in threads.

    Args:
        requests: read ahead by a few batches.
        describe: one batch through the model: one answer per member, in order.
        local: sizes and threads.

    Raises:
        InternvidError: the model fails for every request of a batch.
    """
    batch: list[Pictured] = []
    ahead = prepared(
        requests,
        lambda request: decode_pictures(pick.jpeg for pick in request.picks),
        threads=local.threads,
        ahead=max(2 * local.batch, 2 * local.threads),
    )
    for request, pictures in ahead:
        whole = [picture for picture in pictures if picture is not None]
        if len(whole) < len(pictures):
            yield request, Answer(failure="picture_unreadable")
            continue
        batch.append((request, whole))
        if len(batch) == local.batch:
            yield from _through(batch, describe)
            batch = []
    yield from _through(batch, describe)


def rewrite(
    requests: Iterable[Request],
    write: Callable[[list[str]], list[Generated]],
    local: LocalModel,
    step: int | None = None,
) -> Iterator[tuple[Request, Answer]]:
    """Give each request's prompt to a language model, many at a time.

    Args:
        requests: read ahead by `step`.
        write: texts through the model: one answer per text, in order.
        local: sizes.
        step: requests that are answered together; eight batches when None, so that texts of like
            length run together.
    """
    for some in batched(requests, step or 8 * local.batch):
        yield from _through(
            [(request, []) for request in some],
            lambda members: write([request.prompt for request, _ in members]),
        )


def clips_at_once(local: LocalModel, device: Any) -> int:
    """Clips that go together through models, each of which waits for the one before.

    What is not fused is lost to a kill. A processor gains little by large batches and takes long
    for each, so it goes by few clips.

    Args:
        local: a model, for its batch.
        device: where it lies, as torch's own object.
    """
    return min(local.batch, _CLIPS_AT_ONCE) if device.type == "cpu" else local.batch


def _through(
    batch: Sequence[Pictured], describe: Callable[[Sequence[Pictured]], list[Generated]]
) -> Iterator[tuple[Request, Answer]]:
    """A batch through the model; where that fails, each member alone."""
    for (request, _), generated in zip(batch, run_batch(batch, describe), strict=True):
        yield request, _answer(generated)


def _answer(generated: Generated | None) -> Answer:
    if generated is None:
        return Answer(failure="model_failed")
    return Answer(failure="truncated") if generated.is_cut else Answer(generated.text)

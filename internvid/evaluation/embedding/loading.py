"""Which model a name stands for.

- what `ViCLIP.from_pretrained` takes: a folder, a file of weights, a hub name; a folder with a
  head is a classifier, or can re-rank;
- the folder of a training run: its finished model, else its newest checkpoint;
- `clip:NAME`: a CLIP or SigLIP of transformers, averaged over frames;
- `frames:MODEL`: any of the others, each frame alone, averaged;
- `module:function`: called without arguments, returns an embedder;
- `fake`: needs no weights.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from internvid.core.errors import ComponentUnknownError, ConfigInvalidError
from internvid.core.system.imports import import_named
from internvid.core.weights import weights_identity
from internvid.evaluation.embedding.embedders import (
    Classifier,
    DualEncoderEmbedder,
    Embedder,
    FakeEmbedder,
    FrameMeanEmbedder,
)
from internvid.evaluation.embedding.headed import with_head

_FINISHED, _CHECKPOINTS = "model", "checkpoints/step-*"


def load_subject(source: str, **options: Any) -> Embedder | Classifier:
    """Loads what `load_embedder` does, and `module:function` may make a `Classifier` too."""
    if _is_foreign(source) and not options.get("preprocessing") and not options.get("context"):
        subject: Embedder | Classifier = _load_foreign(source, (Embedder, Classifier))
        return subject
    return load_embedder(source, **options)


def load_embedder(
    source: str,
    *,
    preprocessing: str = "",
    context: int | None = None,
    device: str = "auto",
    dtype: str = "float32",
) -> Embedder:
    """The embedder that a name stands for.

    Args:
        source: what to measure.
        preprocessing: how frames become pixels; empty for the model's own.
        context: tokens per text, if other than the model's; see `ViCLIP.from_pretrained`.
        device: `auto`, `cpu`, `cuda` ...
        dtype: of the weights: `float32`, `bfloat16`, `float16` or `auto`.

    Raises:
        SourceMissingError: there are no such weights.
        WeightsMissingError: the same, for `clip:`.
        CheckpointError: they cannot be used.
        ComponentUnknownError: `module:function` does not exist or makes no embedder.
        ConfigInvalidError: a preprocessing or text length is named for a model that has its own
            only.
    """
    kind, _, rest = source.partition(":")
    if kind == "frames" and rest:
        return FrameMeanEmbedder(
            load_embedder(
                rest, preprocessing=preprocessing, context=context, device=device, dtype=dtype
            )
        )
    if kind == "clip" and rest:
        _refuse(preprocessing, context, source)
        return _load_dual(rest, device, dtype)
    if source == "fake":
        _refuse(preprocessing, context, source)
        return FakeEmbedder()
    if _is_foreign(source):
        _refuse(preprocessing, context, source)
        embedder: Embedder = _load_foreign(source, (Embedder,))
        return embedder
    from internvid.models.devices import choose_device, choose_dtype
    from internvid.models.viclip import ViCLIP

    chosen = choose_device(device)
    place = find_model(source)
    model = ViCLIP.from_pretrained(
        place,
        context=context,
        preprocessing=preprocessing or None,
        device=chosen,
        dtype=choose_dtype(dtype, chosen),
    )
    return with_head(model, Path(place), place, read_wise_ft(Path(place)))


def find_model(source: str) -> str:
    """The model inside a training run's folder; any other name as it is."""
    folder = Path(source)
    if (folder / _FINISHED / "config.json").is_file():
        return str(folder / _FINISHED)
    checkpoints = sorted(path for path in folder.glob(_CHECKPOINTS) if path.suffix == "")
    return str(checkpoints[-1]) if checkpoints else source


def read_wise_ft(folder: Path) -> float | None:
    """The share of trained weights that a model folder records (`wise_ft.json`), if any.

    Raises:
        ConfigInvalidError: it records something that is no share.
    """
    path = folder / "wise_ft.json"
    if not path.is_file():
        return None
    try:
        share = float(json.loads(path.read_text("utf-8"))["coefficient"])
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigInvalidError(f"{path} records no coefficient: {error!r}") from error
    return share


def _refuse(preprocessing: str, context: int | None, source: str) -> None:
    if context is not None:
        raise ConfigInvalidError(f"{source} has its own text length only, not {context} tokens")
    if preprocessing:
        raise ConfigInvalidError(f"{source} has its own preprocessing only, not {preprocessing!r}")


def _load_dual(name: str, device: str, dtype: str) -> Embedder:
    from internvid.models.dual_encoder import DualEncoder
    from internvid.models.pretrained import Checkpoint

    encoder = DualEncoder(Checkpoint(name, device=device, dtype=dtype))
    encoder.open()
    return DualEncoderEmbedder(encoder, f"clip:{name}", weights_identity(name))


def _is_foreign(source: str) -> bool:
    kind, _, rest = source.partition(":")
    return bool(rest) and kind not in ("frames", "clip") and not Path(source).exists()


def _load_foreign(source: str, wanted: tuple[type, ...]) -> Any:
    module, _, name = source.partition(":")
    try:
        made = getattr(import_named(module), name)()
    except (ImportError, AttributeError) as error:
        raise ComponentUnknownError(
            f"model {source!r} cannot be imported: {error}",
            hint="give a folder, a file, a hub name, or module:function",
        ) from error
    if not isinstance(made, wanted):
        raise ComponentUnknownError(
            f"{source} makes a {type(made).__name__}, which is no embedder",
            hint="it needs video_vectors, text_vectors and identity",
        )
    return made

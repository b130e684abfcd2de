"""What decided a number, carried beside it: protocols, results, and comparisons of both.

Two numbers are compared only if everything that decides them, apart from the model, is equal.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from internvid.core.config import fingerprint, plain
from internvid.core.errors import DatasetFormatError, ProtocolMismatchError, SourceMissingError
from internvid.dataset.parts import commit_json

RESULT_FORMAT = 1


@dataclass(frozen=True)
class Protocol:
    """Everything that decides a number, apart from the weights.

    Attributes:
        benchmark: its registered name.
        version: raised when the benchmark's results change.
        annotations: digest of what the annotation files say, in order.
        listed: clips that they list.
        found: clips that were found and could be read: only these were measured.
        clips: digest of the ids of those.
        frames: frames per view.
        frame_rule: which frames those are.
        views: views per clip, segments x crops, and how they are combined.
        preprocessing: from frames to pixels, as the model describes it.
        templates: name of the set of sentences around class names; empty for none.
        template_digest: of the sentences themselves.
        aggregation: how the sentences of a class, or the frames of a clip, become one score.
        label_cleaning: what was done to class names.
        text_cleaning: what was done to whole sentences.
        text_tokens: tokens per text, the marks included; None where the model does not say.
        text_mode: `sentence` or `paragraph`; empty where that makes no difference.
        dual_softmax: whether scores were re-weighted over all queries.
        wise_ft: share of the trained weights in a blend with the first ones; None where the
            checkpoint does not say.
        details: anything else, by name (a probe's penalty, a synthetic world's seeds).
    """

    benchmark: str
    version: int
    annotations: str
    listed: int
    found: int
    clips: str
    frames: int
    frame_rule: str
    views: str = "1 x 1"
    preprocessing: str = ""
    templates: str = ""
    template_digest: str = ""
    aggregation: str = ""
    label_cleaning: str = ""
    text_cleaning: str = ""
    text_tokens: int | None = None
    text_mode: str = ""
    dual_softmax: bool = False
    wise_ft: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """12 hex digits of all fields."""
        return fingerprint(self)

    def differences(self, other: Protocol) -> list[str]:
        """Names of the fields that differ, in order; a detail is `details.NAME`."""
        names = []
        for one in dataclasses.fields(self):
            mine, theirs = plain(getattr(self, one.name)), plain(getattr(other, one.name))
            if one.name == "details":
                keys = sorted({*mine, *theirs})
                names += [f"details.{key}" for key in keys if mine.get(key) != theirs.get(key)]
            elif mine != theirs:
                names.append(one.name)
        return names


@dataclass(frozen=True)
class MissingClip:
    """A clip that an annotation file lists and that was not measured.

    Attributes:
        clip: its id there.
        reason: `not_found`, `ambiguous`, or why the video cannot be read.
    """

    clip: str
    reason: str


@dataclass(frozen=True)
class Result:
    """Metrics with the protocol and the model that made them.

    Attributes:
        metrics: name -> value.
        protocol: what decided them.
        model: what was measured: a name and the identity of its weights.
        missing: clips that were listed and not measured, with reasons; never replaced.
        classes: accuracy by class name, where there are classes.
        runs: metrics of single seeds, where there are several.
        texts: how many `texts` were read, and how many of them the model `cut`, where it knows;
            empty where there are none.
    """

    metrics: Mapping[str, float]
    protocol: Protocol
    model: Mapping[str, Any]
    missing: tuple[MissingClip, ...] = ()
    classes: Mapping[str, float] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    texts: Mapping[str, int] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        commit_json(path, self.describe())

    def describe(self) -> dict[str, Any]:
        """The result as plain JSON."""
        content = plain(self)
        described: dict[str, Any] = {
            **content,
            "format": RESULT_FORMAT,
            "protocol_fingerprint": self.protocol.fingerprint,
        }
        return described


def read_result(path: Path) -> Result:
    """The result that a file holds.

    Raises:
        SourceMissingError: there is no such file.
        DatasetFormatError: it holds no result, or one of another format, or its protocol was
            edited after it was written.
    """
    if not path.is_file():
        raise SourceMissingError(f"there is no result file {str(path)!r}")
    try:
        content = json.loads(path.read_text("utf-8"))
        if content["format"] != RESULT_FORMAT:
            raise DatasetFormatError(f"{path} is of result format {content['format']!r}")
        result = Result(
            metrics={str(key): _number(value) for key, value in content["metrics"].items()},
            protocol=Protocol(**content["protocol"]),
            model=dict(content["model"]),
            missing=tuple(MissingClip(**row) for row in content["missing"]),
            classes={str(key): _number(value) for key, value in content["classes"].items()},
            runs=dict(content["runs"]),
            # Results of 0.1.0 do not have it.
            texts=dict(content.get("texts", {})),
        )
        recorded = content["protocol_fingerprint"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise DatasetFormatError(
            f"{path} is no result of internvid evaluate: {reason}",
            hint="name files that `internvid evaluate ... -o FILE` wrote",
        ) from error
    if recorded != result.protocol.fingerprint:
        raise DatasetFormatError(f"{path}: the protocol is not the one that the numbers had")
    return result


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no finite number")
    return float(value)


def compare(
    first: Result, second: Result, *, despite: Collection[str] = ()
) -> dict[str, tuple[float, float, float]]:
    """Metrics side by side.

    Args:
        first, second: results of the same protocol.
        despite: fields of the protocol (or `details.NAME`) that may differ, named by whoever
            answers for it.

    Returns:
        name -> (first, second, second - first), of metrics that both have.

    Raises:
        ProtocolMismatchError: another field differs; the message names every one with values.
    """
    differing = [name for name in first.protocol.differences(second.protocol)
                 if name not in despite]  # fmt: skip
    if differing:
        shown = "; ".join(
            f"{name}: {_value(first.protocol, name)!r} against {_value(second.protocol, name)!r}"
            for name in differing
        )
        raise ProtocolMismatchError(
            f"the numbers cannot be compared, their protocols differ in {shown}",
            hint="measure both the same way, or name what may differ",
        )
    return {
        name: (value, second.metrics[name], second.metrics[name] - value)
        for name, value in first.metrics.items()
        if name in second.metrics
    }


def _value(protocol: Protocol, name: str) -> Any:
    if name.startswith("details."):
        return protocol.details.get(name.removeprefix("details."))
    return getattr(protocol, name)

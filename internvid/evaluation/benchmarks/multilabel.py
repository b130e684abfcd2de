"""Videos with several actions each: mean average precision, zero-shot or by a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from internvid.core.config import setting
from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.annotations.charades import read_action_names, read_charades
from internvid.evaluation.annotations.records import MultiLabelledSet
from internvid.evaluation.benchmarks.benchmark import FileBenchmark, begin_protocol, finish
from internvid.evaluation.benchmarks.prompt_templates import digest_texts, find_templates
from internvid.evaluation.benchmarks.recognition import (
    class_sentences,
    class_vectors,
    classify_clips,
    find_rule,
    need_classifier,
)
from internvid.evaluation.embedding.embed_clips import Run, embed_clips
from internvid.evaluation.embedding.embedders import Classifier, Embedder
from internvid.evaluation.results.protocol import Result


def average_precisions(
    scores: npt.NDArray[np.floating[Any]], labels: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """Average precision of each class: the mean precision at the places of its clips.

    Clips are ordered by score, of equal ones the wrong before the right. Clips without any label
    are left out, as Charades' own program puts them last (charades_v1_classify.m).

    Args:
        scores: [N, C].
        labels: [N, C], which classes a clip has.

    Returns:
        float64 [C] from 0 to 1, NaN where no clip has the class.

    Raises:
        ConfigInvalidError: shapes do not fit, no clip has a label, or a score is not finite.
    """
    if scores.shape != labels.shape or scores.ndim != 2 or not labels.any():
        raise ConfigInvalidError(
            f"scores {list(scores.shape)} and labels {list(labels.shape)} do not fit, or no clip "
            "has a label"
        )
    if not np.isfinite(scores).all():
        raise ConfigInvalidError("scores hold NaN or infinity")
    kept = labels.any(axis=1)
    found = np.full(scores.shape[1], np.nan)
    for at, (column, right) in enumerate(zip(scores[kept].T, labels[kept].T, strict=True)):
        if not right.any():
            continue
        ordered = right[np.lexsort((right, -column))]
        precision = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
        found[at] = precision[ordered].mean()
    return found


@dataclass(frozen=True)
class ZeroShotCharades(FileBenchmark):
    """Charades, zero-shot: mean average precision over 157 actions, several a video.

    Attributes:
        classes: Charades_v1_classes.txt.
        protocol: `reference` or `clip`, as in recognition of one label.
        templates: another set of templates by name, or one written out.
    """

    classes: str = setting("")
    protocol: Literal["reference", "clip"] = "reference"
    templates: str = ""

    version: ClassVar[int] = 1
    name: ClassVar[str] = "charades"
    usual_classes: ClassVar[int] = 157
    usual_clips: ClassVar[tuple[int, ...]] = (1863,)
    files_wanted: ClassVar[str] = "Charades_v1_test.csv"

    def read(self) -> MultiLabelledSet:
        """The clips with their actions.

        Raises:
            ConfigInvalidError: the class list is not named: the CSV holds codes alone.
        """
        if not self.classes:
            raise ConfigInvalidError(
                "charades needs the names of its action codes",
                hint="name them: --set classes=Charades_v1_classes.txt",
            )
        return read_charades(self.paths()[0], read_action_names(Path(self.classes)))

    def evaluate(self, subject: Embedder, run: Run) -> Result:
        """See `Benchmark`; the subject is an `Embedder`."""
        rule = find_rule(self.protocol, "clip-kinetics", self.templates)
        listed = self.read()
        measured = embed_clips(listed.clips, self.folder(), subject, self.views, run)
        names = class_vectors(listed.classes, rule, subject, run)
        scores = measured.vectors.mean(axis=1) @ names.T
        metrics, classes = _metrics(scores, listed, measured.indices)
        fields = begin_protocol(self, listed.digest, listed.clips, measured, subject) | {
            "templates": rule.templates,
            "template_digest": digest_texts(find_templates(rule.templates)),
            "aggregation": rule.aggregation,
            "label_cleaning": rule.labels,
            "text_cleaning": rule.cleaning,
        }
        fields["details"] |= {"classes": len(listed.classes)}
        texts = class_sentences(listed.classes, rule)
        return finish(metrics, fields, subject, measured, classes, texts)


@dataclass(frozen=True)
class FineTunedCharades(FileBenchmark):
    """Charades by a fine-tuned classifier: mean average precision, chances averaged over views.

    Attributes:
        classes: Charades_v1_classes.txt where the classifier knows names; it needs none where it
            was trained on the codes, as `internvid train --data Charades_v1_train.csv` does.
    """

    classes: str = setting("")

    version: ClassVar[int] = 1
    name: ClassVar[str] = "charades-fine-tuned"
    usual_classes: ClassVar[int] = 157
    usual_clips: ClassVar[tuple[int, ...]] = (1863,)
    files_wanted: ClassVar[str] = "Charades_v1_test.csv"

    def evaluate(self, subject: Classifier, run: Run) -> Result:
        """See `Benchmark`; the subject is a `Classifier`.

        Raises:
            ConfigInvalidError: the subject has no classes, or lacks one of the set.
        """
        known = need_classifier(subject).class_names()
        names = read_action_names(Path(self.classes)) if self.classes else dict.fromkeys(known)
        listed = read_charades(
            self.paths()[0], {code: name or code for code, name in names.items()}
        )
        if missing := sorted(set(listed.classes) - set(known)):
            raise ConfigInvalidError(
                f"the classifier does not know {missing[0]!r}",
                hint=f"it was trained on {len(known)} classes, such as {known[0]!r}",
            )
        measured = classify_clips(listed.clips, self.folder(), subject, self.views, run)
        order = [known.index(name) for name in listed.classes]
        scores = measured.vectors.mean(axis=1)[:, order]
        metrics, classes = _metrics(scores, listed, measured.indices)
        fields = begin_protocol(self, listed.digest, listed.clips, measured, subject)
        fields["details"] |= {"classes": len(listed.classes)}
        if self.views.views > 1:
            fields["views"] = f"{self.views.words}, mean of probabilities"
        return finish(metrics, fields, subject, measured, classes)


def _metrics(
    scores: npt.NDArray[np.floating[Any]], listed: MultiLabelledSet, indices: Sequence[int]
) -> tuple[dict[str, float], dict[str, float]]:
    """Over all classes, and by class; in percent."""
    places = {name: at for at, name in enumerate(listed.classes)}
    labels = np.zeros((len(indices), len(places)), dtype=bool)
    for row, at in enumerate(indices):
        labels[row, [places[name] for name in listed.clips[at].labels]] = True
    found = 100.0 * average_precisions(scores, labels)
    known = np.isfinite(found)
    weights = labels.sum(axis=0)
    metrics = {
        "mean_average_precision": float(found[known].mean()),
        "weighted_average_precision": float(np.average(found[known], weights=weights[known])),
    }
    return metrics, {name: float(found[at]) for at, name in enumerate(listed.classes) if known[at]}

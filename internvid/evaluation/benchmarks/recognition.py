"""Which of many actions a clip shows: zero-shot by prompts, or by a fine-tuned classifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from internvid.core import registry
from internvid.core.errors import ConfigInvalidError
from internvid.evaluation.annotations.actions import (
    hmdb51_split,
    is_ucf101_list,
    read_labelled,
    read_ssv2,
    read_ucf101,
)
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.records import LabelledSet
from internvid.evaluation.benchmarks.benchmark import (
    FileBenchmark,
    begin_protocol,
    finish,
    optional_classes,
)
from internvid.evaluation.benchmarks.prompt_templates import (
    digest_texts,
    fill_templates,
    find_templates,
)
from internvid.evaluation.embedding.embed_clips import (
    ListedClip,
    MeasuredClips,
    Run,
    embed_clips,
    embed_texts,
    encode_clips,
)
from internvid.evaluation.embedding.embedders import Classifier, Embedder, Frames, Vectors, unit
from internvid.evaluation.embedding.frame_views import ViewPlan
from internvid.evaluation.metrics import accuracy_per_class, measure_recognition, rank_labels
from internvid.evaluation.results.protocol import Result


@dataclass(frozen=True)
class PromptRule:
    """How class names become vectors.

    Attributes:
        templates: name of a set of templates, or one written out.
        aggregation: `mean_similarity`: a class scores the mean of its sentences' cosines;
            `mean_embedding`: the mean vector gets unit length first.
        labels: cleaning of class names.
        cleaning: cleaning of whole sentences.
    """

    templates: str
    aggregation: str
    labels: str
    cleaning: str


REFERENCE_RULE = PromptRule("reference", "mean_similarity", "none", "reference")
"""The reference's evaluation (paper §7.1)."""


def find_rule(protocol: str, clip_templates: str, templates: str) -> PromptRule:
    """The rule of a named protocol.

    Args:
        protocol: `reference` or `clip`.
        clip_templates: what CLIP's protocol takes for this set of classes.
        templates: another set instead; empty for the protocol's own.

    Raises:
        ConfigInvalidError: no such protocol.
    """
    rules = {
        "reference": REFERENCE_RULE,
        "clip": PromptRule(clip_templates, "mean_embedding", "words", "none"),
    }
    if protocol not in rules:
        raise ConfigInvalidError(f"protocol is one of {', '.join(rules)}, not {protocol!r}")
    rule = rules[protocol]
    return dataclasses.replace(rule, templates=templates) if templates else rule


def class_sentences(names: Sequence[str], rule: PromptRule) -> list[str]:
    """Every sentence of every class, class by class, as they are embedded."""
    templates = find_templates(rule.templates)
    return fill_templates(templates, names, labels=rule.labels, cleaning=rule.cleaning)


def class_vectors(names: Sequence[str], rule: PromptRule, embedder: Embedder, run: Run) -> Vectors:
    """One vector per class, whose product with a clip's vector is the class's score.

    A mean of cosines is the product with the mean of the sentences' vectors, left shorter than
    a unit; with `mean_embedding` it gets unit length.

    Returns:
        float32 [C, D].
    """
    vectors = embed_texts(class_sentences(names, rule), embedder, run)
    means = vectors.reshape(len(names), len(vectors) // len(names), -1).mean(axis=1)
    return unit(means) if rule.aggregation == "mean_embedding" else means.astype(np.float32)


@dataclass(frozen=True)
class ZeroShotRecognition(FileBenchmark):
    """Zero-shot recognition of any labelled set: top-1, top-5 and their mean.

    Attributes:
        classes: file of class names in order; empty takes those that occur.
        protocol: `reference`: 16 templates, mean of similarities; `clip`: CLIP's templates,
            normalised mean embedding.
        templates: another set of templates by name, or one written out.
        split: rows of this split only, where the file has several.
    """

    classes: str = dataclasses.field(default="", metadata={"setting": True})
    protocol: Literal["reference", "clip"] = "reference"
    templates: str = ""
    split: str | None = None

    version: ClassVar[int] = 1
    name: ClassVar[str] = "actions"
    clip_templates: ClassVar[str] = "clip-kinetics"
    usual_classes: ClassVar[int | None] = None
    files_wanted: ClassVar[str] = "its list of clips and labels"

    def read(self) -> LabelledSet:
        """The labelled clips."""
        return read_labelled(self.paths()[0], classes=self.class_list(), split=self.split)

    def class_list(self) -> tuple[str, ...] | None:
        """The class names that are named with the set, if any.

        Raises:
            ConfigInvalidError: there are more of them than the set has classes.
        """
        names = optional_classes(self.classes)
        if names is not None and self.usual_classes is not None and len(names) > self.usual_classes:
            raise ConfigInvalidError(
                f"{self.classes} lists {len(names)} classes and {self.name} has "
                f"{self.usual_classes}: at least {len(names) - self.usual_classes} are none of its",
                hint=f"name the class list of {self.name}: --set classes=FILE",
            )
        return names

    def evaluate(self, subject: Embedder, run: Run) -> Result:
        """See `Benchmark`; the subject is an `Embedder`."""
        rule = find_rule(self.protocol, self.clip_templates, self.templates)
        listed = self.read()
        measured = embed_clips(listed.clips, self.folder(), subject, self.views, run)
        names = class_vectors(listed.classes, rule, subject, run)
        # The mean over views of products is the product with the mean over views.
        scores = measured.vectors.mean(axis=1) @ names.T
        sentences = find_templates(rule.templates)
        protocol = begin_protocol(self, listed.digest, listed.clips, measured, subject) | {
            "templates": rule.templates,
            "template_digest": digest_texts(sentences),
            "aggregation": rule.aggregation,
            "label_cleaning": rule.labels,
            "text_cleaning": rule.cleaning,
        }
        protocol["details"] |= {"classes": len(listed.classes)}
        metrics, classes = score_labels(scores, listed, measured.indices)
        texts = class_sentences(listed.classes, rule)
        return finish(metrics, protocol, subject, measured, classes, texts)


def score_labels(
    scores: npt.NDArray[np.floating[Any]], listed: LabelledSet, indices: Sequence[int]
) -> tuple[dict[str, float], dict[str, float]]:
    """Metrics over all clips, and top-1 by class.

    Args:
        scores: [len(indices), C].
        listed: what the clips are.
        indices: which of them were measured.
    """
    numbers = {name: at for at, name in enumerate(listed.classes)}
    labels = np.array([numbers[listed.clips[at].label] for at in indices])
    shares = accuracy_per_class(rank_labels(scores, labels), labels, len(listed.classes))
    classes = {
        name: float(share)
        for name, share in zip(listed.classes, shares, strict=True)
        if np.isfinite(share)
    }
    return measure_recognition(scores, labels), classes


class Kinetics400(ZeroShotRecognition):
    """Kinetics-400 validation, zero-shot."""

    name = "k400"
    usual_classes = 400


class Kinetics600(ZeroShotRecognition):
    """Kinetics-600 validation, zero-shot."""

    name = "k600"
    usual_classes = 600


class Kinetics700(ZeroShotRecognition):
    """Kinetics-700 validation, zero-shot."""

    name = "k700"
    usual_classes = 700


class SomethingSomething(ZeroShotRecognition):
    """Something-Something v2 validation, zero-shot."""

    name = "ssv2"
    usual_classes = 174
    usual_clips = (24_777,)
    clip_templates = "plain"

    def read(self) -> LabelledSet:
        """The labelled clips."""
        return read_ssv2(self.paths()[0], classes=self.class_list())


class UCF101(ZeroShotRecognition):
    """UCF101 test lists, zero-shot."""

    name = "ucf101"
    usual_classes = 101
    clip_templates = "clip-action"

    def read(self) -> LabelledSet:
        """The labelled clips."""
        path = self.paths()[0]
        if is_ucf101_list(path):
            return read_ucf101(path, classes=self.class_list())
        return super().read()


class HMDB51(ZeroShotRecognition):
    """HMDB51 test splits (a folder of CLASS_test_splitN.txt, or hmdb51.csv; split N), zero-shot."""

    name = "hmdb51"
    usual_classes = 51
    usual_clips = (1530,)
    clip_templates = "clip-action"

    def read(self) -> LabelledSet:
        """The labelled clips."""
        hmdb51_split(self.split)
        return super().read()


@dataclass(frozen=True)
class FineTunedRecognition(FileBenchmark):
    """A fine-tuned classifier on any labelled set: probabilities averaged over views.

    Attributes:
        of: the benchmark whose files are read, and beside whose numbers these stand: `k400`,
            `ssv2`, ...
        classes: file of class names in order; empty takes the classifier's.
        split: rows of this split only, where the file has several.
    """

    of: str = "actions"
    classes: str = dataclasses.field(default="", metadata={"setting": True})
    split: str | None = None

    version: ClassVar[int] = 1
    name: ClassVar[str] = "fine-tuned"
    files_wanted: ClassVar[str] = "its list of clips and labels"

    def read(self, known: Sequence[str]) -> LabelledSet:
        """The labelled clips.

        Args:
            known: class names of the classifier; the set's, where no class list is named.

        Raises:
            ConfigInvalidError: `of` is no benchmark of recognition, or a class is not known.
        """
        kind = registry.find("benchmark", self.of)
        if not issubclass(kind, ZeroShotRecognition):
            raise ConfigInvalidError(
                f"of={self.of} is no benchmark of recognition", hint="for example --set of=ssv2"
            )
        self.paths()
        labelled: LabelledSet = kind(
            self.annotations, classes=self.classes, split=self.split
        ).read()
        if missing := sorted(set(labelled.classes) - set(known)):
            raise ConfigInvalidError(
                f"the classifier does not know {missing[0]!r}",
                hint=f"it was trained on {len(known)} classes, such as {known[0]!r}",
            )
        return labelled if self.classes else LabelledSet(labelled.clips, tuple(known))

    def evaluate(self, subject: Classifier, run: Run) -> Result:
        """See `Benchmark`; the subject is a `Classifier`.

        Raises:
            ConfigInvalidError: the subject has no classes, or lacks one of the set.
        """
        names = need_classifier(subject).class_names()
        listed = self.read(names)
        measured = classify_clips(listed.clips, self.folder(), subject, self.views, run)
        # Classes that the set does not have are left out: the answer is one of the set's.
        order = [names.index(name) for name in listed.classes]
        scores = measured.vectors.mean(axis=1)[:, order]
        metrics, classes = score_labels(scores, listed, measured.indices)
        fields = begin_protocol(self, listed.digest, listed.clips, measured, subject)
        fields["details"] |= {"of": self.of, "classes": len(listed.classes)}
        if self.views.views > 1:
            fields["views"] = f"{self.views.words}, mean of probabilities"
        return finish(metrics, fields, subject, measured, classes)


def need_classifier(subject: Any) -> Classifier:
    """The subject, if it has classes.

    Raises:
        ConfigInvalidError: it has none.
    """
    if isinstance(subject, Classifier):
        return subject
    raise ConfigInvalidError(
        f"{subject.identity().name} has no classes of its own",
        hint="measure it zero-shot, for example with --benchmark k400, or fine-tune it: "
        "internvid train --recipe viclip_action",
    )


def classify_clips(
    clips: Sequence[ListedClip], folder: VideoFolder, subject: Classifier, plan: ViewPlan, run: Run
) -> MeasuredClips:
    """Probabilities of the classes of a classifier in place of vectors, a row a view."""
    about = subject.identity()
    frames = plan.frames or about.frames
    shelf = run.store.shelf("scores", model=about.digest, plan=repr(plan), frames=frames)

    def chances(videos: Sequence[Frames]) -> Vectors:
        return softmax(subject.class_scores(videos))

    return encode_clips(clips, folder, chances, (plan, about.frames, shelf), run)


def softmax(logits: npt.NDArray[np.floating[Any]]) -> Vectors:
    """Probabilities of rows of logits."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares: Vectors = (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)
    return shares

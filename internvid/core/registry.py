"""Finds components by name: ours, an installed package's, or `"my_module:MyScorer"`.

A component is a dataclass in one file; this table is the only place that lists ours. Nothing
is imported until a component is requested. Packages add theirs through entry points of the
group `internvid.<kind>` (for example `internvid.scorer`).
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from internvid.core.assignments import settings_of, with_values
from internvid.core.errors import ComponentUnknownError, ConfigInvalidError
from internvid.core.moved import current_module
from internvid.core.system.imports import import_named

COMPONENTS: dict[str, dict[str, str]] = {
    "observer": {
        "content": "internvid.scan.observers.content:ContentObserver",
        "luma": "internvid.scan.observers.luma:LumaObserver",
        "camera": "internvid.scan.observers.camera:CameraObserver",
        "transitions": "internvid.scan.transitions.observer:TransitionObserver",
        "learned": "internvid.scan.observers.learned:LearnedObserver",
    },
    "detector": {
        "content": "internvid.shots.content:ContentDetector",
        "default": "internvid.shots.default:DefaultDetector",
        "learned": "internvid.shots.learned:LearnedDetector",
    },
    "signal": {
        "motion": "internvid.signals.motion:MotionSignal",
        "stillness": "internvid.signals.stillness:StillnessSignal",
        "camera": "internvid.signals.camera:CameraSignal",
        "slideshow": "internvid.signals.slideshow:SlideshowSignal",
        "quality": "internvid.signals.quality:QualitySignal",
        "borders": "internvid.signals.borders:BordersSignal",
        "hash": "internvid.signals.hash:HashSignal",
        "colours": "internvid.signals.colours:ColoursSignal",
        "audio": "internvid.signals.audio:AudioSignal",
    },
    "captioner": {
        "measured": "internvid.captions.measured:MeasuredCaptioner",
        "frame": "internvid.captions.frame:FrameCaptioner",
        "tags": "internvid.captions.tags:TagsCaptioner",
        "summarise": "internvid.captions.summarise:SummariseCaptioner",
        "multiscale": "internvid.captions.multiscale:MultiscaleCaptioner",
        "vlm": "internvid.captions.vlm:VlmCaptioner",
        "chat": "internvid.captions.chat_captioner:ChatCaptioner",
        "echo": "internvid.synthetic.fakes:EchoCaptioner",
    },
    "scorer": {
        "similarity": "internvid.scores.similarity:SimilarityScorer",
        "clipscore": "internvid.scores.clipscore:ClipScoreScorer",
        "aesthetic": "internvid.scores.aesthetic:AestheticScorer",
        "safety": "internvid.scores.safety:SafetyScorer",
        "language": "internvid.scores.language:LanguageScorer",
        "health": "internvid.captions.checks.health:HealthScorer",
        "transcript": "internvid.scores.transcript:TranscriptScorer",
        "embedding": "internvid.scores.embedding:EmbeddingScorer",
        "hash": "internvid.synthetic.fakes:HashScorer",
    },
    "selector": {
        "where": "internvid.curate.selectors.where:Where",
        "random": "internvid.curate.selectors.sampling:Random",
        "div": "internvid.curate.selectors.sampling:Diverse",
        "flt": "internvid.curate.selectors.flt:Filtered",
        "aes": "internvid.curate.selectors.aes:Aesthetic",
        "cap": "internvid.curate.selectors.quotas:Cap",
        "quota": "internvid.curate.selectors.quotas:Quota",
        "split": "internvid.curate.selectors.source_splits:Split",
        "exclude": "internvid.curate.exclusions.exclude:Exclude",
        "outside": "internvid.curate.exclusions.other_subset:Outside",
    },
    "exporter": {
        "webdataset": "internvid.publishing.exporters.webdataset:WebDatasetExporter",
        "frames": "internvid.publishing.exporters.frames:FramesExporter",
        "folder": "internvid.publishing.exporters.folder:FolderExporter",
        "json-list": "internvid.publishing.exporters.json_list:JsonListExporter",
        "captions-json": "internvid.publishing.exporters.captions_json:CaptionsJsonExporter",
        "open-sora": "internvid.publishing.exporters.open_sora:OpenSoraExporter",
        "chat": "internvid.publishing.exporters.chat_lists:ChatExporter",
        "huggingface": "internvid.publishing.exporters.huggingface:HuggingFaceExporter",
        "internvid": "internvid.publishing.exporters.internvid_list:InternVidExporter",
        "key-frames": "internvid.publishing.exporters.key_frames:KeyFramesExporter",
        "lance": "internvid.publishing.exporters.lance_table:LanceExporter",
    },
    "benchmark": {
        "k400": "internvid.evaluation.benchmarks.recognition:Kinetics400",
        "k600": "internvid.evaluation.benchmarks.recognition:Kinetics600",
        "k700": "internvid.evaluation.benchmarks.recognition:Kinetics700",
        "ssv2": "internvid.evaluation.benchmarks.recognition:SomethingSomething",
        "ucf101": "internvid.evaluation.benchmarks.recognition:UCF101",
        "hmdb51": "internvid.evaluation.benchmarks.recognition:HMDB51",
        "actions": "internvid.evaluation.benchmarks.recognition:ZeroShotRecognition",
        "charades": "internvid.evaluation.benchmarks.multilabel:ZeroShotCharades",
        "charades-fine-tuned": "internvid.evaluation.benchmarks.multilabel:FineTunedCharades",
        "msrvtt-mc": "internvid.evaluation.benchmarks.choosing:MSRVTTChoice",
        "ssv2-mc": "internvid.evaluation.benchmarks.choosing:SomethingSomethingChoice",
        "multiple-choice": "internvid.evaluation.benchmarks.choosing:MultipleChoice",
        "fine-tuned": "internvid.evaluation.benchmarks.recognition:FineTunedRecognition",
        "msrvtt": "internvid.evaluation.benchmarks.retrieval:MSRVTT",
        "msvd": "internvid.evaluation.benchmarks.retrieval:MSVD",
        "lsmdc": "internvid.evaluation.benchmarks.retrieval:LSMDC",
        "didemo": "internvid.evaluation.benchmarks.retrieval:DiDeMo",
        "activitynet": "internvid.evaluation.benchmarks.retrieval:ActivityNet",
        "vatex": "internvid.evaluation.benchmarks.retrieval:VATEX",
        "youcook2": "internvid.evaluation.benchmarks.retrieval:YouCook2",
        "charades-sta": "internvid.evaluation.benchmarks.retrieval:CharadesSTA",
        "captions": "internvid.evaluation.benchmarks.retrieval:ZeroShotRetrieval",
        "retrieval-reranked": "internvid.evaluation.benchmarks.reranking:RerankedRetrieval",
        "linear-probe": "internvid.evaluation.benchmarks.probes:LinearProbing",
        "knn": "internvid.evaluation.benchmarks.probes:NearestNeighbours",
        "retrieval-synthetic": "internvid.evaluation.benchmarks.rendered:SyntheticRetrieval",
        "retrieval-synthetic-reranked": (
            "internvid.evaluation.benchmarks.reranking:RerankedSyntheticRetrieval"
        ),
        "t2v": "internvid.evaluation.generation.text_to_video:TextToVideo",
        "t2v-world": "internvid.evaluation.generation.world_samples:WorldSamples",
        "direction-synthetic": "internvid.evaluation.benchmarks.rendered:SyntheticDirection",
        "attributes-synthetic": "internvid.evaluation.benchmarks.attributes:SyntheticAttributes",
        "videochat-synthetic": "internvid.evaluation.chat.world_chat:SyntheticChat",
        "mvbench": "internvid.evaluation.chat.option_benchmarks:MVBench",
        "video-mme": "internvid.evaluation.chat.option_benchmarks:VideoMME",
        "video-chatgpt": "internvid.evaluation.chat.five_aspects:FiveAspects",
    },
}

KINDS: tuple[str, ...] = tuple(COMPONENTS)


def names(kind: str) -> list[str]:
    """Every known name of one kind, ours and installed ones, sorted."""
    return sorted({*_table(kind), *(point.name for point in _entry_points(kind))})


def find(kind: str, name: str) -> type[Any]:
    """The component class of that kind and name.

    Raises:
        ComponentUnknownError: nothing of that name; the message lists the known ones.
    """
    table = _table(kind)
    if name in table:
        return _load(kind, table[name])
    for point in _entry_points(kind):
        if point.name == name:
            return _checked(kind, name, point.load())
    if ":" in name:
        return _load(kind, name)
    known = names(kind)
    near = difflib.get_close_matches(name, known, n=1)
    raise ComponentUnknownError(
        f"there is no {kind} {name!r}; known: {', '.join(known)}",
        hint=f"did you mean {near[0]!r}?" if near else 'an external one is named "module:Class"',
    )


def find_recorded(kind: str, recorded: str) -> type[Any]:
    """The component class that a file names as `module:Class`.

    Files come from elsewhere too: what is neither ours nor installed as a component is only found
    where this process has imported it already.

    Raises:
        ComponentUnknownError: it is not here.
    """
    module_name, _, attribute = recorded.partition(":")
    module_name = current_module(module_name)
    target = f"{module_name}:{attribute}"
    installed = {point.value for point in _entry_points(kind)}
    if target in {*_table(kind).values(), *installed} or module_name in sys.modules:
        return _load(kind, target)
    raise ComponentUnknownError(
        f"{kind} {recorded!r} is not installed here",
        hint=f"install the package that has it, with an entry point of the group internvid.{kind}",
    )


def create(kind: str, name: str, assignments: Iterable[str] = ()) -> Any:
    """An instance with its defaults, then `field=value` assignments applied."""
    component = find(kind, name)
    try:
        made = component()
    except TypeError as error:
        missing = [
            field.name
            for field in dataclasses.fields(component)
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        raise ConfigInvalidError(
            f"{kind} {name!r} needs values for: {', '.join(missing) or error}",
            hint="give these fields defaults in its class; assignments change them then",
        ) from error
    return with_values(made, list(assignments))


def name_of(kind: str, component: Any) -> str:
    """The name under which `find` has the class of a component: ours, or "module:Class"."""
    cls = type(component)
    target = f"{cls.__module__}:{cls.__qualname__}"
    ours = (name for name, known in _table(kind).items() if known == target)
    installed = (point.name for point in _entry_points(kind) if point.value == target)
    return next(itertools.chain(ours, installed), target)


@dataclass(frozen=True)
class ByName:
    """How components in a field are named in assignments: by their names here.

    Attributes:
        kind: of the components.
        keeps_names: one with its defaults stands as its name in the field, not as an instance.
    """

    kind: str
    keeps_names: bool = False

    @property
    def hint(self) -> str:
        """How to say which there shall be."""
        return f"name all that there shall be, or see: internvid list {self.kind}s"

    def name_of(self, member: Any) -> str:
        """Its name."""
        return member if isinstance(member, str) else name_of(self.kind, member)

    def make(self, name: str) -> Any:
        """The component of that name, with its defaults."""
        return self.closed(create(self.kind, name))

    def begin(self, name: str, path: str) -> None:
        """A component is chosen before its fields are set."""

    def opened(self, member: Any) -> Any:
        """An instance."""
        return create(self.kind, member) if isinstance(member, str) else member

    def closed(self, member: Any) -> Any:
        """A name where that says it all, so that equal recipes have equal fingerprints."""
        name = self.name_of(member)
        if self.keeps_names and settings_of(member) == settings_of(create(self.kind, name)):
            return name
        return member


def _table(kind: str) -> dict[str, str]:
    if kind not in COMPONENTS:
        raise ComponentUnknownError(
            f"there is no kind of component called {kind!r}; kinds: {', '.join(KINDS)}"
        )
    return COMPONENTS[kind]


def _entry_points(kind: str) -> Iterable[metadata.EntryPoint]:
    return metadata.entry_points(group=f"internvid.{kind}")


def _load(kind: str, target: str) -> type[Any]:
    module_name, _, attribute = target.partition(":")
    try:
        component = getattr(import_named(current_module(module_name)), attribute)
    except ModuleNotFoundError as error:
        raise ComponentUnknownError(
            f"{kind} {target!r} cannot be imported: {error}",
            hint="check the spelling, and that it is installed; from the current folder comes only "
            f"{module_name.partition('.')[0]!r}: what it imports from there, put it into a package",
        ) from error
    except AttributeError as error:
        raise ComponentUnknownError(f"module {module_name!r} has no {attribute!r}") from error
    return _checked(kind, target, component)


def _checked(kind: str, name: str, component: Any) -> type[Any]:
    if not (isinstance(component, type) and dataclasses.is_dataclass(component)):
        raise ComponentUnknownError(f"{kind} {name!r} is not a dataclass: {component!r}")
    return component

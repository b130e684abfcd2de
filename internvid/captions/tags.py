"""The fine scale's light describer: a few words about one picture a second.

The authors take Tag2Text at 1 fps; it is in no package index, so it comes from the user's own
installation (`hook`). In its place stands a small captioner, or a dual encoder over a list of
labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from internvid.captions.checks.cleaning import Cleaning
from internvid.captions.frame import FrameCaptioner
from internvid.captions.gathering import Pictures, by_clip, failure_of, folded, lines_of
from internvid.captions.local import LocalModel, show, without_weights
from internvid.captions.requests import (
    Answer,
    PendingRequests,
    Request,
    annotation,
    ask_about,
    checked_answer,
    lasting_reasons,
    picks_per_second,
)
from internvid.captions.server.chat import check_served
from internvid.captions.server.config import ServedModel
from internvid.core.annotators import bare_paths
from internvid.core.config import file_field
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import ConfigInvalidError
from internvid.core.sequences import spread
from internvid.core.system.imports import import_named

if TYPE_CHECKING:
    from PIL import Image

    from internvid.models.generated_texts import Generated

    Hook = Callable[[list[Image.Image]], Sequence[str | Sequence[str]]]

SMALL_MODEL = "Salesforce/blip-image-captioning-base"
_LABEL_PROMPT = "a photo of {}"


@dataclass(frozen=True)
class TagsCaptioner:
    """Describes pictures of a clip one by one; its text is the distinct lines, joined.

    Four ways, by what is set: `hook` (a function of the user's), `labels` (zero-shot tags by a CLIP
    or SigLIP, named in `local.weights`), `served.model`, else a small captioning model.

    Attributes:
        per_second: pictures per second of the clip.
        most_pictures: at most so many a clip, spread evenly.
        prompt: as for `frame`.
        maximum_tokens: most tokens of a line.
        labels: text file with a label on each line.
        top: how many labels a picture gets, the likeliest first.
        hook: "module:function" that is given a list of RGB pictures and returns a line, or a list
            of tags, for each.
        hook_version: whatever changes when the function's results do.
        cleaning: what is taken away around the lines of a captioner.
        local: the model on this machine.
        served: a served one.
    """

    version: ClassVar[int] = 2
    other_paths: ClassVar[Mapping[str, tuple[str, ...]]] = bare_paths("local")
    extras: ClassVar[dict[str, str]] = {"lines": "list<string>"}
    per_second: float = 1.0
    most_pictures: int = 32
    prompt: str = ""
    maximum_tokens: int = 30
    labels: str = file_field("")
    top: int = 5
    hook: str = ""
    hook_version: str = ""
    cleaning: Cleaning = field(default_factory=Cleaning)
    local: LocalModel = field(default_factory=lambda: LocalModel(SMALL_MODEL))
    served: ServedModel = field(default_factory=ServedModel)

    def __post_init__(self) -> None:
        ways = [name for name in ("hook", "labels") if getattr(self, name)]
        ways += ["served.model"] if self.served.model else []
        if len(ways) > 1:
            raise ConfigInvalidError(f"set only one of {' and '.join(ways)}")
        if not (self.per_second > 0 and self.most_pictures >= 1 and self.top >= 1):
            raise ConfigInvalidError("per_second, most_pictures and top must be above 0")
        if self.hook or self.served.model:
            object.__setattr__(self, "local", without_weights(self.local))

    @property
    def lasting(self) -> frozenset[str]:
        """Reasons of failures that a rerun would only pay for again."""
        return lasting_reasons(is_greedy=self.served.is_greedy)

    def setup(self) -> None:
        """Load the model or the function, or ask the server whether it is there."""
        if self.served.model:
            check_served(self.served)
        elif self.hook:
            load_hook(self.hook)
        elif self.labels:
            self._tagger()
        else:
            self._captioner().setup()

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        """The distinct lines of each clip's pictures; all of them as the extra `lines`."""
        pending, words = PendingRequests(), self.words()

        def pictures() -> Iterator[Pictures]:
            for view in clips:
                picks = self.choose(view)
                if picks:
                    yield Pictures(view.clip.clip_id, picks)
                else:
                    pending.set_aside(Annotation(view.clip.clip_id, None, "failed", "no_picks"))

        for gathered, answers in by_clip(pictures(), words, self.describe):
            yield from pending.settled()
            request = ask_about(gathered.clip_id, gathered.picks, words)
            text = ". ".join(line.rstrip(". ") for line in folded(lines_of(answers)))
            answer = Answer(text, failure_of(answers))
            yield annotation(request, answer, {"lines": lines_of(answers)})
        yield from pending.settled()

    def choose(self, view: ClipView) -> tuple[Any, ...]:
        """The picks that are described."""
        return tuple(spread(picks_per_second(view, self.per_second), self.most_pictures))

    def words(self) -> str:
        """The words that are sent with each picture."""
        return "" if self.hook or self.labels else self._captioner().words()

    def describe(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Answer]]:
        """Answers about single pictures, each beside its request, in any order."""
        if not (self.hook or self.labels):
            yield from self._captioner().describe(requests)
            return
        through = self._hooked() if self.hook else self._tagger()
        for request, answer in show(requests, through, self.local):
            yield request, checked_answer(answer, 100)

    def _captioner(self) -> FrameCaptioner:
        return FrameCaptioner(
            prompt=self.prompt,
            maximum_tokens=self.maximum_tokens,
            cleaning=self.cleaning,
            local=self.local,
            served=self.served,
        )

    def _hooked(self) -> Callable[[Sequence[tuple[Request, list[Any]]]], list[Generated]]:
        from internvid.models.generated_texts import Generated, clean

        hook = load_hook(self.hook)

        def through(batch: Sequence[tuple[Request, list[Any]]]) -> list[Generated]:
            lists = hook([pictures[0] for _, pictures in batch])
            lines = [each if isinstance(each, str) else ", ".join(each) for each in lists]
            return [Generated(clean(line)) for line in lines]

        return through

    def _tagger(self) -> Callable[[Sequence[tuple[Request, list[Any]]]], list[Generated]]:
        from internvid.models.dual_encoder import DualEncoder
        from internvid.models.generated_texts import Generated

        labels = read_labels(self.labels)
        encoder = DualEncoder(self.local.checkpoint())
        vectors = encoder.text_features([_LABEL_PROMPT.format(label) for label in labels])

        def through(batch: Sequence[tuple[Request, list[Any]]]) -> list[Generated]:
            scores = encoder.image_features([pictures[0] for _, pictures in batch]) @ vectors.T
            # Of labels that are equally near, the one that stands first in the file.
            order = (-scores).argsort(axis=1, kind="stable")[:, : self.top]
            return [Generated(", ".join(labels[at] for at in row)) for row in order.tolist()]

        return through


def read_labels(path: str) -> list[str]:
    """The labels of a file: one a line; empty lines and repetitions are left out.

    Raises:
        ConfigInvalidError: it cannot be read, or holds none.
    """
    try:
        lines = Path(path).expanduser().read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigInvalidError(f"labels: {path} cannot be read: {error}") from error
    labels = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not labels:
        raise ConfigInvalidError(f"labels: {path} holds none", hint="one label on each line")
    return labels


def load_hook(name: str) -> Hook:
    """The function that "module:function" names.

    Raises:
        ConfigInvalidError: there is none.
    """
    module, _, function = name.partition(":")
    try:
        hook = getattr(import_named(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigInvalidError(
            f"hook {name!r} cannot be imported: {error}",
            hint='"module:function", of an installed module or one in the current folder',
        ) from error
    if not callable(hook):
        raise ConfigInvalidError(f"hook {name!r} is not a function")
    checked: Hook = hook
    return checked

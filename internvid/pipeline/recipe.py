"""A recipe: everything that decides what a build makes, as one dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from internvid.core import registry
from internvid.core.annotators import traits_of
from internvid.core.assignments import settings_of, spell
from internvid.core.config import fingerprint, identity, named_by
from internvid.core.errors import ConfigInvalidError
from internvid.curate.filters import DEFAULT_FILTERS, ByReason, FilterRule
from internvid.dataset.layout import CutEntry, Setting
from internvid.dataset.names import NAME
from internvid.pipeline.recipe_validation import (
    refuse_blind_rules,
    refuse_names,
    validate_components,
)
from internvid.scan.scan import ScanRecipe
from internvid.shots.detect import scan_for
from internvid.shots.stitch import Stitch

_DETECTOR = registry.ByName("detector")
_CAPTIONERS = registry.ByName("captioner")
_RULES = ByReason()
_SIGNALS = registry.ByName("signal", keeps_names=True)
DEFAULT_SIGNALS = tuple(registry.COMPONENTS["signal"])


@dataclass(frozen=True)
class CutRecipe:
    """From timelines to clips.

    Attributes:
        detector: a component that cuts a timeline into shots.
        stitch: how shots become clips.
        signals: components that measure each clip: names, or instances whose fields are their
            configuration.
        filters: rules that reject clips, the first that fails names the reason.
    """

    detector: Any = field(metadata=named_by(_DETECTOR))
    stitch: Stitch = field(default_factory=Stitch)
    signals: tuple[Any, ...] = field(default=DEFAULT_SIGNALS, metadata=named_by(_SIGNALS))
    filters: tuple[FilterRule, ...] = field(default=DEFAULT_FILTERS, metadata=named_by(_RULES))

    def signal_components(self) -> list[Any]:
        """An instance of each signal."""
        return [_SIGNALS.opened(signal) for signal in self.signals]

    def signal_fingerprints(self) -> dict[str, str]:
        """Class name -> fingerprint of each signal."""
        return {type(made).__name__: fingerprint(made) for made in self.signal_components()}


@dataclass(frozen=True)
class Recipe:
    """One named build.

    Attributes:
        name: also the name of its cut in the dataset.
        scan: what the one decode observes and keeps, beside what the detector asks for.
        cut: how timelines become clips.
        captioners: components that write a text column for each kept clip, by column name.
    """

    name: str
    cut: CutRecipe
    scan: ScanRecipe = field(default_factory=ScanRecipe)
    captioners: Mapping[str, Any] = field(default_factory=dict, metadata=named_by(_CAPTIONERS))

    def __post_init__(self) -> None:
        # It is the name of a folder.
        if not NAME.fullmatch(self.name):
            raise ConfigInvalidError(
                f"{self.name!r} cannot name a recipe: use letters, digits, '.', '_' and '-'"
            )

    def settings(self) -> list[Setting]:
        """Every `setting` of it with its `value`, both as `--set` takes them."""
        settings = settings_of(self)
        return [{"setting": path, "value": spell(value)} for path, value in settings.items()]

    def check(self) -> None:
        """Find out before anything is read or written what cannot work together.

        Raises:
            InternvidError: the detector, a signal or a filter cannot work with the rest.
        """
        scan = self.complete_scan()
        signals = self.cut.signal_components()
        refuse_blind_rules(self.cut.filters, signals)
        refuse_names(self.captioners, signals)
        validate_components(self.cut.detector, signals, scan.column_specs())

    def complete_scan(self) -> ScanRecipe:
        """The scan with the observers that the detector asks for: what is really run.

        Raises:
            InternvidError: the detector cannot run as it is configured.
        """
        return scan_for(self.cut.detector, self.scan)

    def scan_fingerprint(self) -> str:
        """Changes whenever timelines or picks could."""
        scan = self.complete_scan()
        observers = [
            f"{type(made).__name__} {fingerprint(made)}" for made in scan.fresh_observers()
        ]
        return fingerprint(scan, {"observers": " ".join(observers)})

    def cut_key(self) -> str:
        """`name@fingerprint` of the clips this recipe makes."""
        inputs = {"scan": self.scan_fingerprint()}
        for name, key in self.cut.signal_fingerprints().items():
            inputs[f"signal {name}"] = key
        return f"{self.name}@{fingerprint(self.cut, inputs)}"

    def cut_record(self) -> CutEntry:
        """What is recorded of the cut beside its key."""
        return {
            "scan": self.scan_fingerprint(),
            "signals": self.cut.signal_fingerprints(),
            "settings": self.settings(),
            **identity(self.cut),
        }

    def column_key(self, name: str) -> str:
        """`name@fingerprint` of one text column of this recipe."""
        return column_key(name, self.captioners[name], self.column_inputs())

    def column_inputs(self) -> ColumnInputs:
        """What the columns of this recipe are made from."""
        return ColumnInputs(self.scan_fingerprint(), self.cut.signal_fingerprints())


@dataclass(frozen=True)
class ColumnInputs:
    """Fingerprints of what a captioner or scorer may read.

    The cut is not among them: an equal span has the same `clip_id` and the same answer under any
    cut.

    Attributes:
        scan: of the scan, whose picks it is shown.
        signals: signal -> fingerprint, for those that read measured columns.
        text: `name@fingerprint` of the text column, for those that read one.
    """

    scan: str
    signals: Mapping[str, str] = field(default_factory=dict)
    text: str | None = None


def column_key(name: str, component: Any, inputs: ColumnInputs) -> str:
    """`name@fingerprint` of the column that a component writes.

    Raises:
        WeightsMissingError: the weights it names are not on this machine yet.
    """
    reads = traits_of(component).reads
    read: dict[str, str] = {}
    if reads & {"picks", "row", "source"}:
        read["scan"] = inputs.scan
    if "row" in reads:
        read.update({f"signal {signal}": key for signal, key in inputs.signals.items()})
    if "text" in reads and inputs.text is not None:
        read["text"] = inputs.text
    return f"{name}@{fingerprint(component, read)}"

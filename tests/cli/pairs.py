"""Components whose two fields must agree, one of each kind that a verb takes `--set` for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from internvid.core.errors import ConfigInvalidError
from internvid.curate.selectors import Random
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.shots.content import ContentDetector
from internvid.synthetic.fakes import EchoCaptioner, HashScorer


@dataclass(frozen=True)
class Pair:
    low: int = 1
    high: int = 5

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise ConfigInvalidError(f"low {self.low} must lie under high {self.high}")


@dataclass(frozen=True)
class Detector(Pair, ContentDetector):
    """Shots."""


@dataclass(frozen=True)
class Captioner(Pair, EchoCaptioner):
    """Texts."""


@dataclass(frozen=True)
class Scorer(Pair, HashScorer):
    """Numbers."""


@dataclass(frozen=True)
class Selector(Pair, Random):
    """Clips."""


@dataclass(frozen=True)
class Exporter(Pair, WebDatasetExporter):
    """Shards."""


@dataclass(frozen=True)
class Benchmark(Pair):
    """Never run."""

    def evaluate(self, subject: Any, run: Any) -> Any:
        raise AssertionError

"""Which subset, or which captions, train the better model: the same small budget for each.

The paper's Table 3 (subsets) and Table 11 (captions) in small. Every variant sees as many samples
in batches as large, from the same fresh weights and with the same tokenizer, once a seed, and is
measured on the same held-out source videos. Finished runs are kept and found again.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from internvid.core import registry
from internvid.core.errors import ConfigInvalidError, MisuseError, ProtocolMismatchError
from internvid.dataset.parts import commit_json
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import ViCLIPEmbedder
from internvid.evaluation.results.protocol import Result, read_result
from internvid.models.templates import clean_text
from internvid.models.viclip.model import ViCLIP
from internvid.training.compare.equal_budget import measure_steps, with_budget
from internvid.training.compare.held_out import ChosenSource, HeldOut, part, usable
from internvid.training.compare.outcome import Outcome
from internvid.training.data.opening import open_source
from internvid.training.data.samples import ClipSource
from internvid.training.data.vocabulary import learn_merges
from internvid.training.loop import train
from internvid.training.recipes.recipe import TrainRecipe
from internvid.training.run.log import LogLine, Progress

PLAN, RESULT, MERGES, TABLE = "comparison.json", "result.json", "merges.txt", "table.md"
_TELL_SECONDS = 15.0

Notice = Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how.

    Attributes:
        data: a dataset; or frame shards, for captions.
        kind: `subsets` or `captions`.
        names: of them, at least two.
        text: column of captions, where subsets are compared.
        seeds: of order, views and fresh weights; each is a run of every variant.
        steps: of a run; None takes as many as fit into `seconds`.
        seconds: of training a run, measured once; all variants get the same steps.
        held_out: share of the source videos to measure on.
        most_clips: to measure on, at most.
        metric: that decides, of those that a run is measured by.
        benchmarks: registered ones that need no files, measured beside the held-out clips.
    """

    data: str
    kind: str
    names: tuple[str, ...]
    text: str = "measured"
    seeds: tuple[int, ...] = (0, 1)
    steps: int | None = 200
    seconds: float | None = None
    held_out: float = 0.2
    most_clips: int = 1000
    metric: str = "mean_recall"
    benchmarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("subsets", "captions") or len(set(self.names)) != len(self.names):
            raise MisuseError(f"cannot compare {self.kind} {', '.join(self.names)}")
        if len(self.names) < 2:
            raise MisuseError(
                f"one of the {self.kind}, {', '.join(self.names) or 'none'}, has nothing to be "
                "compared with",
                hint=f"name at least two: --{self.kind} a,b",
            )
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise MisuseError(f"seeds {self.seeds}: each once, and at least one")
        if (self.steps is None) == (self.seconds is None):
            raise MisuseError("a budget is --steps or --seconds, one of both")
        if (self.steps or 1) < 1 or (self.seconds or 1) <= 0 or not 0 < self.held_out < 1:
            raise MisuseError(
                f"steps {self.steps}, seconds {self.seconds} must be above 0, held_out "
                f"{self.held_out} in (0, 1)"
            )


@dataclass(frozen=True)
class Prepared:
    """Everything decided before the first run.

    Attributes:
        variants: name -> its training clips.
        held: what all are measured on.
        recipe: of all runs but for the seed.
    """

    variants: Mapping[str, ClipSource]
    held: HeldOut
    recipe: TrainRecipe


def run_comparison(
    request: Comparison, recipe: TrainRecipe, folder: Path, tell: Notice = lambda _: None
) -> tuple[Outcome, dict[str, Any]]:
    """Trains and measures every variant with every seed; those that are there are kept.

    Args:
        request: what to compare.
        recipe: how each is trained; its length, batch and seed are set here.
        folder: of the comparison; new, or of the same one.
        tell: is called with each run.

    Returns:
        What it came to, and the record that is written as `result.json`.

    Raises:
        MisuseError: too few clips, another comparison's folder, no such subset or column.
        ProtocolMismatchError: results of the folder were measured in another way.
        TrainingStoppedError: a run cannot go on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ready = prepare(request, recipe, folder, tell)
    results: dict[str, dict[int, Result]] = {name: {} for name in ready.variants}
    for seed in request.seeds:
        for name in ready.variants:
            results[name][seed] = _run(request, ready, name, seed, folder, tell)
    outcome = Outcome(request.metric, results)
    stage = ready.recipe.stages
    record = {
        "format": 1,
        "compared": request.kind,
        "data": request.data,
        **outcome.describe(),
        "seeds": list(request.seeds),
        "clips": {name: len(source.table().clip_ids) for name, source in ready.variants.items()},
        "budget": {
            "steps": sum(each.steps for each in stage),
            "samples_seen": sum(each.steps * each.batch for each in stage),
            "batch": stage[0].batch,
        },
        "held_out": {
            "videos": ready.held.videos,
            "of_videos": ready.held.of,
            "clips": len(ready.held.source.clips),
        },
        "recipe": ready.recipe.plain(),
        "protocol": results[request.names[0]][request.seeds[0]].describe()["protocol"],
    }
    commit_json(folder / RESULT, record)
    (folder / TABLE).write_text(_markdown(outcome), "utf-8")
    return outcome, record


def prepare(request: Comparison, recipe: TrainRecipe, folder: Path, tell: Notice) -> Prepared:
    """Parts the dataset, and makes one recipe for all.

    Raises:
        MisuseError: as in `run_comparison`.
    """
    columns = request.names if request.kind == "captions" else (request.text,)
    whole = {
        column: open_source(request.data, recipe, folder / "cache" / f"text-{column}", text=column)
        for column in columns
    }
    videos, held = part(whole, request.held_out, request.most_clips)
    if request.kind == "captions":
        variants = _by_captions(whole, videos)
    else:
        variants = {
            name: _without(
                open_source(
                    request.data, recipe, folder / "cache" / f"subset-{name}", text=request.text,
                    subset=name,
                ),
                videos,
            )
            for name in request.names
        }  # fmt: skip
    fewest = min(variants, key=lambda name: len(variants[name].clips))
    count = len(variants[fewest].clips)
    if count < 2:
        raise MisuseError(
            f"{fewest!r} has {count} clips with captions outside the held-out videos",
            hint="hold out less (--held-out), or compare larger subsets",
        )
    _check_metric(request, held.metric_names)
    recipe = _shared_merges(recipe, variants, folder)
    recipe = _adapted(recipe, batch=count)
    # More seeds, or another metric that decides, are asked of the runs that are there.
    same = dataclasses.asdict(request) | {"seeds": None, "metric": None}
    plan = {"asked": same, "held_out": held.digest}
    steps = _steps(request, recipe, variants[fewest], folder, plan, tell)
    return Prepared(variants, held, with_budget(recipe, steps))


def _by_captions(
    whole: Mapping[str, ClipSource], videos: frozenset[str]
) -> dict[str, ChosenSource]:
    """Each column's source of the clips that have a usable text in every column."""
    tables = {column: source.table() for column, source in whole.items()}
    common: set[str] | None = None
    for table in tables.values():
        named = zip(table.clip_ids, table.captions, strict=True)
        good = {name for name, caption in named if usable(caption)}
        common = good if common is None else common & good
    return {
        column: ChosenSource(
            whole[column],
            tuple(
                at
                for at, (name, source) in enumerate(zip(table.clip_ids, table.sources, strict=True))
                if source not in videos and name in (common or ())
            ),
        )
        for column, table in tables.items()
    }


def _without(source: ClipSource, videos: frozenset[str]) -> ChosenSource:
    """The clips with a usable caption that are not of these source videos."""
    table = source.table()
    rows = enumerate(zip(table.sources, table.captions, strict=True))
    return ChosenSource(
        source, tuple(at for at, (name, text) in rows if name not in videos and usable(text))
    )


def _shared_merges(
    recipe: TrainRecipe, variants: Mapping[str, ClipSource], folder: Path
) -> TrainRecipe:
    """One tokenizer for all, where it is learned of the captions."""
    if recipe.start.weights or recipe.start.merges != "learn":
        return recipe
    texts = sorted(
        {clean_text(text) for each in variants.values() for text in each.table().captions if text}
    )
    path = (folder / MERGES).absolute()
    learn_merges(texts, recipe.start.learned_merges).write(path)
    return dataclasses.replace(recipe, start=dataclasses.replace(recipe.start, merges=str(path)))


def _adapted(recipe: TrainRecipe, batch: int) -> TrainRecipe:
    """Stages without neighbours, which datasets know nothing of, and no batch above the least."""
    stages = tuple(
        dataclasses.replace(stage, batch=min(stage.batch, batch), neighbours=0)
        for stage in recipe.stages
    )
    loop = dataclasses.replace(recipe.loop, writers=("csv",))
    return dataclasses.replace(recipe, stages=stages, loop=loop)


def _steps(
    request: Comparison,
    recipe: TrainRecipe,
    source: ClipSource,
    folder: Path,
    plan: dict[str, Any],
    tell: Notice,
) -> int:
    """The budget in steps, as it is recorded; measured once where seconds were requested."""
    path = folder / PLAN
    known = json.loads(path.read_text("utf-8")) if path.is_file() else None
    # Through JSON, so that tuples compare as lists.
    plan = json.loads(json.dumps(plan))
    if known is not None:
        if {key: known.get(key) for key in plan} != plan:
            raise MisuseError(
                f"{folder} holds another comparison, or one of data that has changed since",
                hint="give the same arguments to go on (--seeds and --metric may differ), "
                "or another -o",
            )
        return int(known["steps"])
    steps = request.steps
    if steps is None:
        assert request.seconds is not None
        tell("measuring how long a step takes")
        steps = measure_steps(recipe, source, folder / "trial", request.seconds)
    commit_json(path, {**plan, "steps": steps})
    return steps


def _check_metric(request: Comparison, known: Sequence[str]) -> None:
    """Refuses what no run will be measured by, before the first one. A benchmark's own metrics are
    known once it has measured.
    """
    title = request.metric.rpartition("/")[0]
    if request.metric not in known and title not in request.benchmarks:
        raise ConfigInvalidError(
            f"there is no metric {request.metric!r}; there are: {', '.join(sorted(known))}",
            hint="a benchmark's metric is written BENCHMARK/METRIC",
        )


def _run(
    request: Comparison, ready: Prepared, name: str, seed: int, folder: Path, tell: Notice
) -> Result:
    """The result of one variant with one seed; trained and measured if it is not there."""
    place = folder / "runs" / f"{name}-seed{seed}"
    path = place.with_suffix(".json")
    if path.is_file():
        finished = read_result(path)
        if finished.protocol.annotations != ready.held.digest:
            raise ProtocolMismatchError(
                f"{path} was measured on other clips", hint="choose another folder with -o"
            )
        tell(f"{name}, seed {seed}: there already")
        return finished
    tell(f"{name}, seed {seed}: training")
    loop = dataclasses.replace(ready.recipe.loop, seed=seed)
    start = dataclasses.replace(ready.recipe.start, seed=seed)
    recipe = dataclasses.replace(ready.recipe, loop=loop, start=start)
    summary = train(
        recipe, ready.variants[name], place, progress=_teller(f"{name}, seed {seed}", tell)
    )
    if summary.model is None:
        raise MisuseError(
            f"the run ended after {summary.step} of {summary.total} steps",
            hint="loop.steps ends runs early; leave it 0 in a comparison",
        )
    subject = ViCLIPEmbedder(ViCLIP.from_pretrained(summary.model), f"{name}-seed{seed}")
    result = ready.held.measure(subject)
    for title in request.benchmarks:
        other: Result = registry.create("benchmark", title).evaluate(subject, Run())
        more = {f"{title}/{metric}": value for metric, value in other.metrics.items()}
        details = {**result.protocol.details, title: other.protocol.fingerprint}
        protocol = dataclasses.replace(result.protocol, details=details)
        result = dataclasses.replace(result, metrics={**result.metrics, **more}, protocol=protocol)
    result.write(path)
    return result


def _teller(title: str, tell: Notice) -> Progress:
    """Says now and then how far a run is."""
    reported_at = time.monotonic()

    def progress(line: LogLine) -> None:
        nonlocal reported_at
        if time.monotonic() - reported_at >= _TELL_SECONDS:
            reported_at = time.monotonic()
            tell(
                f"{title}: step {line.step} of {line.total}, loss {line.loss:.2f}, about "
                f"{line.eta_seconds:.0f} s left"
            )

    return progress


def _markdown(outcome: Outcome) -> str:
    rows: Sequence[Mapping[str, Any]] = outcome.rows()
    names = list(rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join([*lines, "", outcome.verdict + ".", ""])

"""What `viclip_tiny` learns of the synthetic world, in CPU seconds of one thread.

    python -m benchmarks.learning learn   [--seeds 0 1 2]   the recipe, measured on unseen worlds
    python -m benchmarks.learning masking [--focus 0 3]     masks at half the unmasked time
    python -m benchmarks.learning noise   [--seeds 1 2]     permuted captions, filtered or not
    python -m benchmarks.learning crowding                  batches full of clips of one source

Clips are rendered once, before any clock starts, into --cache. Retrieval is text to video among 200
held-out clips with captions that all differ (chance 0.5 %), direction is of 4; "still" repeats the
middle frame. `learn` adds swap accuracy of each attribute, of held-out and seen combinations.
Every run is `internvid.training.loop.train`, as `internvid train` calls it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from internvid.evaluation.benchmarks.attributes import SyntheticAttributes
from internvid.evaluation.benchmarks.rendered import SyntheticDirection, SyntheticRetrieval
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.embedders import ViCLIPEmbedder
from internvid.models.viclip import ViCLIP, clean_text
from internvid.training.data.clip_sources import WorldSource
from internvid.training.data.samples import ClipSource, ClipTable
from internvid.training.loop import train
from internvid.training.recipes import pretraining as recipes
from internvid.training.recipes.recipe import Stage, TrainRecipe

WORLD_SEED = 0
UNSEEN = (901, 902, 903)


@dataclass(frozen=True)
class Chosen:
    """Some clips of a source, with captions, sources or neighbours of another's making."""

    whole: ClipSource
    places: tuple[int, ...]
    captions: tuple[str, ...]
    labels: tuple[str, ...]
    hard_negative_groups: tuple[str, ...]

    def table(self) -> ClipTable:
        names = self.whole.table().clip_ids
        clip_ids = [names[at] for at in self.places]
        return ClipTable(clip_ids, self.captions, self.labels, self.hard_negative_groups)

    def read(self, clip, choose):
        return self.whole.read(self.places[clip], choose)


def world(cache: Path, recipe: TrainRecipe, cameras: tuple[str, ...] = ()) -> WorldSource:
    """All training clips, rendered."""
    wanted, config = recipe.data.world, recipe.model.config
    source = WorldSource(
        WORLD_SEED,
        wanted.count,
        config.frames,
        config.resolution,
        cameras=cameras or wanted.cameras,
        paths=wanted.paths,
        cache=cache,
    )
    started = time.process_time()
    for clip in range(wanted.count):
        source.read(clip, lambda count: [0])
    print(f"{wanted.count} clips rendered in {time.process_time() - started:.0f} CPU s", flush=True)
    return source


def tiny(seed: int, *stages: Stage) -> TrainRecipe:
    """The recipe with another seed, and other stages if any are given."""
    recipe = recipes.viclip_tiny()
    return replace(
        recipe,
        stages=stages or recipe.stages,
        start=replace(recipe.start, seed=seed),
        loop=replace(recipe.loop, seed=seed, threads=1),
    )


def run(recipe: TrainRecipe, source: ClipSource) -> tuple[ViCLIP, float]:
    """The trained model and its CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        summary = train(recipe, source, Path(folder) / "run")
        spent = time.process_time() - started
        model = ViCLIP.from_pretrained(summary.model)
        _ = model.tokenizer  # read while its table is there
        return model, spent


def measure(model: ViCLIP, seeds=UNSEEN, **world: tuple[str, ...]) -> dict[str, float]:
    """Percentages on unseen worlds."""
    subject = ViCLIPEmbedder(model, "tiny")
    found = {}
    for benchmark in (
        SyntheticRetrieval(seeds=seeds, **world),
        SyntheticDirection(seeds=seeds, **world),
    ):
        found |= benchmark.evaluate(subject, Run()).metrics
    return found


def measure_attributes(model: ViCLIP) -> dict[str, dict[str, float]]:
    """Swap accuracy of each attribute on unseen worlds, of held-out and of seen combinations."""
    subject = ViCLIPEmbedder(model, "tiny")
    return {
        name: SyntheticAttributes(seeds=UNSEEN, held_out=held_out).evaluate(subject, Run()).metrics
        for name, held_out in (("held_out", True), ("seen", False))
    }


def step_seconds(stages: list[Stage], source: ClipSource) -> list[float]:
    """CPU seconds of a step of each, start-up aside: least of two interleaved rounds.

    Without the first steps: long runs are slower than these.
    """
    best = [float("inf")] * len(stages)
    for _ in range(2):
        for at, stage in enumerate(stages):
            short, long = (
                run(tiny(0, replace(stage, steps=steps, warmup_steps=1)), source)[1]
                for steps in (20, 70)
            )
            best[at] = min(best[at], (long - short) / 50)
    return best


def learn(given: argparse.Namespace) -> list[dict]:
    rows = []
    source = world(given.cache, tiny(0))
    for seed in given.seeds:
        model, spent = run(tiny(seed), source)
        rows.append({"seed": seed, "cpu_seconds": round(spent), **measure(model)})
        rows[-1] |= measure_attributes(model)
        print(json.dumps(rows[-1]), flush=True)
    return rows


def masking(given: argparse.Namespace) -> list[dict]:
    """Each ratio and focus, a fifth of the time unmasked at the end, in half the unmasked time."""
    rows = []
    source = world(given.cache, tiny(0))
    usual, finish = tiny(0).stages
    # Runs this short would spend half their steps on the usual warm-up.
    usual = replace(usual, warmup_steps=25)
    open_stage = replace(usual, name="unmasked", mask_ratio=0.0, mask_focus=0.0)
    masked = [
        replace(usual, mask_ratio=ratio, mask_focus=focus)
        for focus in given.focus
        for ratio in given.ratios
    ]
    costs = step_seconds(masked, source)
    (open_step,) = step_seconds([open_stage], source)
    steps = round(given.budget_seconds / open_step)
    for seed in given.seeds:
        _, spent = once(rows, tiny(seed, replace(open_stage, steps=steps)), source)
        # Long runs cost more a step than short ones: of what was spent, not of what was meant. And
        # a tenth less than half, since masked steps get slower as well.
        half, open_step = 0.45 * spent, spent / steps
        last = round(0.2 * half / open_step)
        for stage, cost in zip(masked, costs, strict=True):
            first = round(0.8 * half / cost)
            once(rows, tiny(seed, replace(stage, steps=first), replace(finish, steps=last)), source)
    return rows


def once(rows: list[dict], recipe: TrainRecipe, source: ClipSource) -> tuple[ViCLIP, float]:
    """A run, measured on 1,000 clips: five galleries of 200."""
    model, spent = run(recipe, source)
    first = recipe.stages[0]
    rows.append({"mask_ratio": first.mask_ratio, "mask_focus": first.mask_focus})
    rows[-1] |= {"seed": recipe.loop.seed}
    rows[-1] |= {"cpu_seconds": round(spent), "steps": [each.steps for each in recipe.stages]}
    rows[-1] |= measure(model, seeds=(901, 902, 903, 904, 905))
    print(json.dumps(rows[-1]), flush=True)
    return model, spent


def noise(given: argparse.Namespace) -> list[dict]:
    """A third of the captions permuted; the best-scored 60 % against a random 60 %."""
    whole = world(given.cache, tiny(0))
    table = whole.table()
    count = len(table.clip_ids)
    random = np.random.default_rng(5)
    wrong = random.permutation(count)[: count // 3]
    captions = np.array(table.captions, object)
    hard_negative_groups = np.array(table.hard_negative_groups, object)
    # What a wrong caption says is also what the batches go by.
    for column in (captions, hard_negative_groups):
        column[wrong] = column[np.roll(wrong, 1)]
    everything = _chosen(whole, np.arange(count), captions, hard_negative_groups)
    stage, _ = tiny(0).stages
    quick = replace(stage, steps=given.steps, warmup_steps=25)
    scorer, spent = run(tiny(0, quick), everything)
    scores = _own_scores(scorer, everything)
    kept = int(0.6 * count)
    rows = []
    for name, places in (
        ("filtered", np.argsort(-scores, kind="stable")[:kept]),
        ("unfiltered", random.permutation(count)[:kept]),
    ):
        share = float(np.isin(places, wrong).mean())
        for seed in given.seeds:
            model, seconds = run(
                tiny(seed, quick), _chosen(whole, np.sort(places), captions, hard_negative_groups)
            )
            found = measure(model)
            rows.append({"data": name, "wrong": round(share, 3), "seed": seed, **found})
            rows[-1] |= {"cpu_seconds": round(seconds), "scorer_cpu_seconds": round(spent)}
            print(json.dumps(rows[-1]), flush=True)
    return rows


def crowding(given: argparse.Namespace) -> list[dict]:
    """Clips with one caption as clips of one source: dealt together, or kept apart.

    With a static camera, so that there are enough clips of each caption.
    """
    static = ("static",)
    whole = world(given.cache, tiny(0), static)
    table = whole.table()
    places = np.arange(len(table.clip_ids))
    captions = np.array(table.captions, object)
    source = _chosen(whole, places, captions, captions, by_caption=True)
    stage, _ = tiny(0).stages
    rows = []
    for name, neighbours, sampling in (("crowded", 7, "reference"), ("separate", 0, "separate")):
        quick = replace(
            stage,
            steps=given.steps,
            warmup_steps=25,
            neighbours=neighbours,
            neighbour_share=1.0,
        )
        for seed in given.seeds:
            recipe = tiny(seed, quick)
            # As the reference does: other clips of a source are negatives like any.
            loss = replace(recipe.loss, same_source="keep", same_text="keep")
            data = replace(recipe.data, sampling=sampling)
            model, spent = run(replace(recipe, loss=loss, data=data), source)
            rows.append({"batches": name, "seed": seed, "cpu_seconds": round(spent)})
            rows[-1] |= measure(model, cameras=static)
            print(json.dumps(rows[-1]), flush=True)
    return rows


def _chosen(
    whole: ClipSource,
    places: np.ndarray,
    captions: np.ndarray,
    hard_negative_groups: np.ndarray,
    *,
    by_caption: bool = False,
) -> Chosen:
    words = tuple(captions[places])
    labels = words if by_caption else tuple(str(at) for at in places)
    return Chosen(
        whole, tuple(int(at) for at in places), words, labels, tuple(hard_negative_groups[places])
    )


@torch.no_grad()
def _own_scores(model: ViCLIP, source: Chosen) -> np.ndarray:
    """Cosine of each clip and its own caption."""
    texts = sorted(set(source.captions))
    vectors = model.encode_text([clean_text(text) for text in texts])
    at = {text: place for place, text in enumerate(texts)}
    scores = []
    for start in range(0, len(source.places), 128):
        rows = range(start, min(start + 128, len(source.places)))
        clips = np.stack([source.read(row, lambda count: list(range(count))) for row in rows])
        own = vectors[[at[source.captions[row]] for row in rows]]
        scores.append((model.encode_video(clips, batch_size=128) * own).sum(1).numpy())
    return np.concatenate(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("learn", "masking", "noise", "crowding"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ratios", type=float, nargs="+", default=[0.5, 0.75, 0.875])
    parser.add_argument("--focus", type=float, nargs="+", default=[0.0, 3.0])
    parser.add_argument("--budget-seconds", type=float, default=100.0, help="of the unmasked run")
    parser.add_argument("--steps", type=int, default=240, help="of the noise and crowding runs")
    parser.add_argument("--cache", type=Path, default=Path("world-cache"))
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = {"learn": learn, "masking": masking, "noise": noise, "crowding": crowding}[given.what](
        given
    )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""Samples that are drawn while a model trains, and the page that plays them."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from internvid.core.errors import MisuseError
from internvid.core.system.temporary import new_temporary
from internvid.dataset.parts import storage_errors
from internvid.evaluation.benchmarks.rendered import DIRECTIONS, draw_distinct
from internvid.evaluation.generation.shape_tracker import mean_speed
from internvid.evaluation.generation.world_samples import measure_direction
from internvid.models.generation.text_to_video_model import TextToVideo
from internvid.synthetic.clips import ClipSpec
from internvid.training.generation.recipe import DrawnSamples
from internvid.training.recipes.recipe import WorldRecipe
from internvid.video.encoding import write_frames

SAMPLES, PAGE = "samples", "index.html"
_PART = 16
_SEED = 4_000_037


@dataclass(frozen=True)
class SampleDrawing:
    """Draws samples of a checkpoint.

    Attributes:
        run: folder of the run.
        recipe: what is drawn.
        specs: of the synthetic world: held-out clips whose directions are tracked; empty elsewhere.
    """

    run: Path
    recipe: DrawnSamples
    specs: tuple[ClipSpec, ...] = ()

    def __call__(self, model: Any) -> dict[str, float]:
        """Draws without a place for it: for models that are no checkpoint's."""
        return self.draw(model, self.run / "step-0", [])

    def draw(self, model: TextToVideo, checkpoint: Path, captions: list[str]) -> dict[str, float]:
        """Writes samples of a checkpoint and the page anew.

        Returns:
            `direction` in percent and `speed` of the world's held-out sentences, or how many
            samples were drawn.
        """
        prompts = self._prompts(model, captions)
        options: dict[str, Any] = {"steps": self.recipe.steps} if self.recipe.steps else {}
        clips = [
            model.generate(prompt, seed=self.recipe.seed + at, **options)
            for at, prompt in enumerate(prompts)
        ]
        folder = self.run / SAMPLES / checkpoint.name
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for at, clip in enumerate(clips):
                write_frames(folder / f"{at:03d}.mp4", clip, model.limits.fps)
            (folder / "prompts.jsonl").write_text(
                "".join(
                    json.dumps({"video": f"{at:03d}.mp4", "prompt": prompt}) + "\n"
                    for at, prompt in enumerate(prompts)
                ),
                "utf-8",
            )
            write_samples_page(self.run / SAMPLES)
        if self.specs and all(_fits(model, spec.text()) for spec in self.specs):
            return self._measured(model, options)
        return {"samples": float(len(clips))}

    def _prompts(self, model: TextToVideo, captions: Sequence[str]) -> list[str]:
        if self.recipe.prompts:
            return list(self.recipe.prompts)
        if self.specs:
            captions = [spec.text() for spec in self.specs]
        step = max(1, len(captions) // self.recipe.count)
        chosen = (text for text in captions[::step] if _fits(model, text))
        return list(islice(chosen, self.recipe.count))

    def _measured(self, model: TextToVideo, options: dict[str, Any]) -> dict[str, float]:
        made = []
        for start in range(0, len(self.specs), _PART):
            some = [spec.text() for spec in self.specs[start : start + _PART]]
            made.append(model.generate(some, seed=self.recipe.seed + start, **options))
        clips = np.concatenate(made)
        return {
            "direction": measure_direction(clips, self.specs),
            "speed": 100 * mean_speed(clips),
        }


def _fits(model: TextToVideo, text: str) -> bool:
    """Whether the text encoder reads all of a text."""
    try:
        model.model.encode_text([text])
    except MisuseError:
        return False
    return True


def write_samples_page(folder: Path) -> Path:
    """A page of all samples below a folder: a row a prompt, a column a checkpoint.

    Raises:
        OSError: it cannot be written.
    """
    columns = sorted(path.parent for path in folder.glob("*/prompts.jsonl"))
    rows: dict[str, dict[str, str]] = {}
    for column in columns:
        for line in (column / "prompts.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            place = f"{column.name}/{row['video']}"
            rows.setdefault(str(row["prompt"]), {})[column.name] = place
    page = _page([column.name for column in columns], rows)
    beside = new_temporary(folder / PAGE)
    beside.write_text(page, "utf-8")
    beside.replace(folder / PAGE)
    return folder / PAGE


def _page(columns: Sequence[str], rows: dict[str, dict[str, str]]) -> str:
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    lines = []
    for prompt, places in rows.items():
        cells = "".join(
            f'<td><video src="{html.escape(places[name])}" muted loop autoplay playsinline '
            f'controls preload="metadata"></video></td>'
            if name in places
            else "<td></td>"
            for name in columns
        )
        lines.append(f"<tr><th scope=row>{html.escape(prompt)}</th>{cells}</tr>")
    return _FRAME.format(heads=heads, rows="\n".join(lines))


_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Samples</title>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; media-src 'self' file:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<style>
body {{ font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; }}
table {{ border-collapse: collapse; }}
th, td {{ padding: .3rem .6rem; text-align: left; vertical-align: top; }}
th[scope=row] {{ max-width: 18rem; font-weight: normal; }}
video {{ width: 160px; image-rendering: pixelated; background: #8884; }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #eee; }} }}
</style></head><body>
<h1>Samples</h1>
<table><thead><tr><th>prompt</th>{heads}</tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def world_specs(world: WorldRecipe) -> tuple[ClipSpec, ...]:
    """Held-out clips of the world, a quarter of them in each direction."""
    if not world.validation:
        return ()
    drawn = draw_distinct(
        _SEED, world.validation, cameras=world.cameras, paths=world.paths, motions=DIRECTIONS
    )
    return tuple(drawn)

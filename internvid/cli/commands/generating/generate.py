"""generate: videos from prompts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Optional

import typer

from internvid.cli.commands.evaluate import Ticker
from internvid.cli.options import Device, Json
from internvid.cli.output import put, put_json
from internvid.core.errors import MisuseError


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(rich_help_panel="Train")(generate)


def generate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="What internvid train saved, or a diffusers folder (Stable Diffusion, Wan, ...).",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="PLACE", help="A .mp4 file; a folder for several videos."
        ),
    ],
    prompt: Annotated[
        Optional[str], typer.Argument(metavar="PROMPT", help="What the video shows.")
    ] = None,
    prompts: Annotated[
        Optional[Path],
        typer.Option(metavar="FILE", help="A file of prompts, one a line, or .jsonl."),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="Number of videos of each prompt.")] = 1,
    protocol: Annotated[
        str,
        typer.Option(
            help="Protocol of the paper whose numbers the samples must have: ucf101, msrvtt."
        ),
    ] = "",
    frames: Annotated[
        Optional[int], typer.Option(min=1, help="Number of frames; default: the model's own.")
    ] = None,
    size: Annotated[
        Optional[str],
        typer.Option(metavar="WxH", help="Width and height in pixels; default: the model's own."),
    ] = None,
    steps: Annotated[Optional[int], typer.Option(min=1, help="Number of denoising steps.")] = None,
    guidance: Annotated[
        Optional[float], typer.Option(help="How strongly the prompt pulls; 1 for not at all.")
    ] = None,
    negative: Annotated[str, typer.Option(help="A text to stay away from.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first video.")] = 0,
    fps: Annotated[Optional[float], typer.Option(help="Frames per second of the files.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Number of videos to make at once.")] = 1,
    device: Device = "auto",
    dtype: Annotated[
        str, typer.Option(help="Numbers to compute in: auto, float32, bfloat16, float16.")
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Make videos from prompts with a text-to-video model."""
    from internvid.api.uses.generation import Sampling, read_prompts
    from internvid.api.uses.generation import generate as make

    if (prompt is None) == (prompts is None):
        raise MisuseError("give one PROMPT, or a file with --prompts")
    width, height = (None, None) if size is None else _sides(size)
    texts = prompt if prompts is None else read_prompts(prompts)
    assert texts is not None
    ticker = Ticker()
    made = make(
        model,
        texts,
        output,
        sampling=Sampling(frames, height, width, steps, guidance, negative, seed, fps),
        samples=samples,
        protocol=protocol,
        batch=batch,
        device=device,
        dtype=dtype,
        progress=lambda done, total: ticker("videos", done, total),
    )
    if as_json:
        put_json(made)
        return
    kept = f", {made['kept']:,} were there" if made["kept"] else ""
    put(f"{made['videos']:,} made{kept}: {made['frames']} frames of "
        f"{made['width']}x{made['height']}, {made['output']}")  # fmt: skip


def _sides(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if match is None:
        raise MisuseError(f"a size is WIDTHxHEIGHT, such as 512x320, not {text!r}")
    return int(match[1]), int(match[2])

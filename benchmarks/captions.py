"""What captioning costs beside the models, measured.

    python -m benchmarks.captions [--media FOLDER] [--json FILE]
    python -m benchmarks.captions --media FOLDER --references CSV --captioner NAME [--set F=V]

1. Overhead: `frame` with a stand-in model that takes 10 ms a frame on one core, over pictures
   stored as a scan stores them (JPEG, 256 pixels); time outside the model calls.
2. Client: requests of one 20-kB picture each, 64 at once, against a server in another process
   that answers after 200 ms; 64 / 0.2 s = 320 requests/s is the ceiling.

With a table of human captions (file, start, end, caption) it gives CIDEr and BLEU instead.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import json
import multiprocessing
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from internvid.captions.frame import FrameCaptioner
from internvid.captions.local import LocalModel
from internvid.captions.requests import ask_about
from internvid.captions.server.chat import converse
from internvid.captions.server.config import ServedModel
from internvid.core import registry
from internvid.core.contracts import ClipView, Pick
from internvid.core.timings import collecting
from internvid.core.types import Clip, TimeSpan
from internvid.evaluation.benchmarks.caption_metrics import evaluate_captioner, read_references
from internvid.models.generated_texts import Generated

MODEL_SECONDS, ANSWER_SECONDS, CONCURRENCY = 0.010, 0.2, 64


class BusyModel:
    """Keeps one core busy for a fixed time per picture, as a network on the CPU would."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._block = bytes(200_000)

    def words(self, prompt: str) -> str:
        return prompt

    def describe(self, images: Sequence[Image.Image], prompt: str) -> list[Generated]:
        started = time.perf_counter()
        end = started + MODEL_SECONDS * len(images)
        while time.perf_counter() < end:
            zlib.crc32(self._block)  # lets other threads run, as torch does
        self.seconds += time.perf_counter() - started
        return [Generated(f"a picture of {image.width} by {image.height}") for image in images]


@dataclass(frozen=True)
class BusyCaptioner(FrameCaptioner):
    """`frame` with the stand-in."""

    stand_in: Any = None

    def _model(self) -> Any:
        return self.stand_in


def overhead(views: list[ClipView], *, one_core: bool) -> dict[str, float]:
    """Share of the time that is not spent in the model."""
    cores = os.sched_getaffinity(0)
    if one_core:
        os.sched_setaffinity(0, {min(cores)})
    try:
        model = BusyModel()
        captioner = BusyCaptioner(local=LocalModel(batch=16, threads=2), stand_in=model)
        started = time.perf_counter()
        with collecting() as timings:
            answers = list(captioner.caption(views))
        wall = time.perf_counter() - started
    finally:
        os.sched_setaffinity(0, cores)
    assert all(answer.status == "ok" for answer in answers)
    return {
        "clips": len(answers),
        "seconds": round(wall, 3),
        "model_seconds": round(model.seconds, 3),
        "decode_seconds": round(timings.seconds["decode"], 3),
        "outside": round(1 - model.seconds / wall, 4),
    }


def stored_pictures(videos: Sequence[Path], number: int) -> list[bytes]:
    """Frames of real videos as a scan stores them; noise where no videos are given."""
    found: list[bytes] = []
    for path in videos:
        with contextlib.suppress(av.FFmpegError), av.open(str(path)) as container:
            for at, frame in enumerate(container.decode(video=0)):
                if at % 15 == 0:
                    found.append(_stored(frame.to_image()))
                if len(found) >= number or at > 600:
                    break
        if len(found) >= number:
            return found
    noise = np.random.default_rng(0)
    while len(found) < number:
        squares = noise.integers(0, 255, (18, 32, 3), dtype=np.uint8)
        found.append(_stored(Image.fromarray(squares).resize((512, 288))))
    return found


def _stored(picture: Image.Image) -> bytes:
    scale = 256 / min(picture.size)
    size = (round(picture.width * scale), round(picture.height * scale))
    file = io.BytesIO()
    picture.convert("RGB").resize(size).save(file, "JPEG", quality=90)
    return file.getvalue()


def clip_views(pictures: Sequence[bytes]) -> list[ClipView]:
    """Clips of five picks, each the middle one of its neighbours."""
    views = []
    for at in range(len(pictures)):
        picks = [
            Pick(index, index / 2, pictures[(at + index) % len(pictures)]) for index in range(5)
        ]
        clip = Clip(f"{at:032x}", "0" * 32, TimeSpan(0.0, 2.5), 0, 75)
        views.append(ClipView(clip, {}, picks))
    return views


def throughput(number: int) -> dict[str, float]:
    """Requests a second of the client."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        served = ServedModel(
            model="stand-in",
            base_url=f"http://127.0.0.1:{ours.recv()}/v1",
            concurrency=CONCURRENCY,
            cache="",
        )
        list(converse(served, _requests(CONCURRENCY), 64))  # connections and code are warm
        started, spent = time.perf_counter(), time.process_time()
        answers = list(converse(served, _requests(number), 64))
        wall, cpu = time.perf_counter() - started, time.process_time() - spent
    finally:
        server.kill()
        server.join()
    assert all(answer.text == request.prompt for request, answer in answers)
    return {
        "requests": number,
        "seconds": round(wall, 3),
        "requests_per_second": round(number / wall, 1),
        "of_ceiling": round(number / wall / (CONCURRENCY / ANSWER_SECONDS), 3),
        "cpu_ms_per_request": round(1000 * cpu / number, 3),
    }


def _requests(number: int) -> Iterator[Any]:
    for at in range(number):
        jpeg = b"\xff\xd8\xff" + at.to_bytes(4, "big") * 5000 + b"\xff\xd9"
        yield ask_about(f"{at:032x}", [Pick(0, 0.0, jpeg)], f"request {at}")


def _serve(pipe: Any) -> None:
    asyncio.run(_serving(pipe))


async def _serving(pipe: Any) -> None:
    server = await asyncio.start_server(_connection, "127.0.0.1", 0, limit=2**20)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return writer.close()
        # The prompt comes back, so that the benchmark also sees that none has moved.
        prompt = body[body.index(b'"text": "request ') + 9 :].split(b'"')[0]
        await asyncio.sleep(ANSWER_SECONDS)
        answer = (
            b'{"choices":[{"index":0,"finish_reason":"stop","message":{"content":"'
            + prompt
            + b'"}}],"usage":{"prompt_tokens":300,"completion_tokens":4}}'
        )
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


def main() -> None:
    """Run what is asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--media", type=Path, help="folder of real videos")
    parser.add_argument("--clips", type=int, default=600)
    parser.add_argument("--requests", type=int, default=3200)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--references", type=Path, help="score texts against this table instead")
    parser.add_argument("--captioner", default="frame")
    parser.add_argument("--set", action="append", default=[], help="field=value of the captioner")
    arguments = parser.parse_args()
    figures = quality(arguments) if arguments.references else speed(arguments)
    for name, found in figures.items():
        print(f"{name}: " + ", ".join(f"{key} {value:g}" for key, value in found.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


def quality(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """CIDEr and BLEU of one captioner."""
    captioner = registry.create("captioner", arguments.captioner, arguments.set)
    references = read_references(arguments.references)
    scores, _ = evaluate_captioner(captioner, references, arguments.media)
    return {arguments.captioner: scores.as_row()}


def speed(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Overhead and throughput."""
    videos = sorted(arguments.media.rglob("*.mp4")) if arguments.media else []
    views = clip_views(stored_pictures(videos, 200) * (arguments.clips // 200))
    return {
        "overhead": overhead(views, one_core=False),
        "overhead, everything on one core": overhead(views, one_core=True),
        "client": throughput(arguments.requests),
    }


if __name__ == "__main__":
    main()

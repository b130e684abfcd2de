"""Every frame of written clips beside a plain decode of its source.

    python -m benchmarks.exact_cuts [--media FOLDER] [--clips 200] [--seed 7] [--json FILE]

Sources are the real and odd files of the media folder (INTERNVID_MEDIA), and files made of two of
them: AVI without times of display, a raw stream, MPEG-TS, two of these joined, a turned picture.
They are scanned and cut at random places; clips drawn from all of them are published by the
exporter `folder`, with their own frames and 16 a second. A plain decode (PyAV, one pass from the
start, nothing of this package) gives each frame its number and its time. A written frame is *exact*
where no other frame of the source within two seconds of the clip is nearer to it than the one that
belongs there; *wrong* where one is, and *foreign* where that one lies outside the clip.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.bitstream import BitStreamFilterContext
from av.video.frame import VideoFrame
from PIL import Image

import internvid
from benchmarks.random_cuts import RandomCuts
from internvid.dataset.store import Dataset
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.publish import publish
from internvid.scan.scan import ScanRecipe
from internvid.synthetic.odd import boxes
from internvid.video.cutting.cut_plan import CutPlan

_SIDE = 96
# Levels of grey: nearer than that is the same picture, encoded twice.
_SAME = 0.4
_AROUND_SECONDS = 2
_LARGEST_BYTES = 3_000_000
_MADE_OF = ("videos/mpy__1.mp4", "videos/bbb__video.mp4")
Thumbs = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Plain:
    """A plain decode.

    Attributes:
        thumbs: float32 [N, 96, 96, 3] of each displayed frame.
        seconds: when each is shown; by its number where the stream does not say.
        slack: how far times are rounded: a tick of the stream, a millisecond at most.
    """

    thumbs: Thumbs
    seconds: list[Fraction]
    slack: float


@dataclass
class Tally:
    """Clips and frames of one kind of source."""

    clips: int = 0
    exact: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    frames: int = 0
    wrong: int = 0
    foreign: int = 0


def thumb_of(frame: VideoFrame, turn_degrees: int) -> Thumbs:
    """float32 [96, 96, 3]: means of areas, without an odd last row or column, and turned."""
    whole = frame.reformat(format="rgb24", src_colorspace=int(frame.colorspace)).to_ndarray()
    height, width = (side - side % 2 for side in whole.shape[:2])
    image = Image.fromarray(whole[:height, :width]).resize((_SIDE, _SIDE), Image.Resampling.BOX)
    return np.ascontiguousarray(np.rot90(np.asarray(image), turn_degrees // 90), np.float32)


def decode_plainly(source: Path | bytes) -> Plain:
    """All frames that a player would show, in order."""
    thumbs: list[Thumbs] = []
    pts: list[int | None] = []
    turn = 0
    opened: Any = io.BytesIO(source) if isinstance(source, bytes) else str(source)
    with av.open(opened, "r") as container:
        stream = container.streams.video[0]
        base = Fraction(stream.time_base or 1)
        rate = Fraction(stream.average_rate or 25)
        for packet in container.demux(stream):
            # Players pass over what is damaged.
            with contextlib.suppress(av.error.FFmpegError):
                for frame in packet.decode():
                    # Some streams state the turn on key frames alone; it holds until the next.
                    turn = frame.rotation or turn
                    thumbs.append(thumb_of(frame, turn))
                    pts.append(frame.pts)
        says = container.format.name.split(",")[0] in ("mov", "matroska", "flv", "mpegts")
    times = [time for time in pts if time is not None]
    if says and len(times) == len(pts) and times == sorted(set(times)):
        seconds = [(time - times[0]) * base for time in times]
    else:
        seconds = [number / rate for number in range(len(pts))]
    return Plain(
        np.stack(thumbs) if thumbs else np.zeros((0, _SIDE, _SIDE, 3), np.float32),
        seconds,
        min(float(base), 1e-3),
    )


def make_odd(media: Path, folder: Path) -> Iterator[Path]:
    """Files of other containers, of the packets of real ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _MADE_OF:
        source = media / name
        if not source.exists():
            continue
        for suffix, kind in ((".avi", "avi"), (".h264", "h264"), (".ts", "mpegts")):
            path = folder / f"{source.stem}{suffix}"
            _remux(source, path, kind)
            yield path
        joined = folder / f"{source.stem}-joined.ts"
        joined.write_bytes((folder / f"{source.stem}.ts").read_bytes() * 2)
        yield joined
        turned = folder / f"{source.stem}-turned.mp4"
        _remux(source, turned, "mp4")
        with av.open(str(turned)) as container:
            video = container.streams.video[0]
            size = video.width, video.height
        turned.write_bytes(boxes.turned(turned.read_bytes(), 90, *size))
        yield turned


def _remux(source: Path, path: Path, kind: str) -> None:
    with av.open(str(source)) as given, av.open(str(path), "w", format=kind) as made:
        video = given.streams.video[0]
        stream = made.add_stream_from_template(video)
        if kind == "avi":
            stream.time_base = 1 / Fraction(video.average_rate or 25)
        as_stream = None if kind == "mp4" else BitStreamFilterContext("h264_mp4toannexb", video)
        for packet in given.demux(video):
            if packet.dts is not None:
                for part in [packet] if as_stream is None else as_stream.filter(packet):
                    part.stream = stream
                    made.mux(part)


def kind_of(path: Path, plain: Plain) -> str:
    """Of which row of the table a source is."""
    steps = {round(float(b - a), 3) for a, b in zip(plain.seconds, plain.seconds[1:], strict=False)}
    if "joined" in path.stem:
        return "MPEG-TS, two joined"
    if path.suffix in (".avi", ".h264", ".gif", ".ts"):
        return {".avi": "AVI", ".h264": "raw H.264", ".ts": "MPEG-TS"}.get(path.suffix, path.suffix)
    if "turned" in path.stem or "_90" in path.stem or "portrait" in path.stem:
        return "turned"
    if steps and max(steps) - min(steps) > 0.002:
        return "variable rate"
    return f"constant rate, {path.suffix}"


def build_all(sources: Sequence[Path], data: Path, seed: int) -> Dataset:
    """A dataset of random clips."""
    cut = CutRecipe(RandomCuts(seed), signals=(), filters=())
    recipe = Recipe("random", cut, ScanRecipe(audio=False))
    build([str(path) for path in sources], data, recipe, workers=2)
    return internvid.open(data)


def check_clip(
    row: Mapping[str, Any], data: bytes, plain: Plain, fps: float | None, tally: Tally
) -> None:
    """Compare each frame of a written clip."""
    first, stop = int(row["start_frame"]), int(row["end_frame"])
    written = decode_plainly(data)
    if fps is None:
        wanted = list(range(first, stop))
    else:
        times = [float(each) for each in plain.seconds]
        wanted = [
            int(np.searchsorted(times, times[first] + number / fps + plain.slack + 1e-6, "right"))
            - 1
            for number in range(len(written.thumbs))
        ]
    tally.clips += 1
    tally.frames += len(written.thumbs)
    if len(wanted) != len(written.thumbs):
        tally.wrong += abs(len(wanted) - len(written.thumbs))
        return
    around = round(_AROUND_SECONDS / max(1e-3, float(plain.seconds[-1]) / len(plain.seconds)))
    low, high = max(0, first - around), min(len(plain.thumbs), stop + around)
    shown = plain.thumbs[low:high]
    is_exact = True
    for thumb, number in zip(written.thumbs, wanted, strict=True):
        apart = np.abs(shown - thumb).mean(axis=(1, 2, 3))
        nearest = low + int(apart.argmin())
        if (
            not low <= number < high
            or not first <= number < stop
            or apart[number - low] > apart.min() + _SAME
        ):
            is_exact = False
            tally.wrong += 1
            tally.foreign += not first <= nearest < stop
    tally.exact += is_exact


def measure(dataset: Dataset, places: Mapping[str, Path], fps: float | None) -> dict[str, Tally]:
    """Kind of source -> tally of its clips."""
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    rows = {row["clip_id"]: row for row in dataset.clips("drawn").to_pylist()}
    plan = CutPlan(fps=fps, size="", crf=10, sound="none")
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        manifest = publish(dataset, out, FolderExporter(caption="", trigger="x", cut=plan), "drawn")
        lost = {row["clip_id"]: row["reason"] for row in manifest["missing"]}
        by_video: defaultdict[str, list[str]] = defaultdict(list)
        for clip_id in sorted(rows):
            by_video[rows[clip_id]["video_id"]].append(clip_id)
        for video_id, clip_ids in by_video.items():
            plain = decode_plainly(places[video_id])
            tally = tallies[kind_of(places[video_id], plain)]
            for clip_id in clip_ids:
                path = out / f"{clip_id}.mp4"
                if clip_id in lost:
                    tally.clips += 1
                    tally.missing[lost[clip_id]] += 1
                elif path.is_file():
                    before = tally.wrong
                    check_clip(rows[clip_id], path.read_bytes(), plain, fps, tally)
                    if tally.wrong > before:
                        print("wrong", places[video_id].name, rows[clip_id]["start_frame"])
    return dict(tallies)


def show(title: str, tallies: Mapping[str, Tally]) -> None:
    """A table on stdout."""
    print(f"{title:24} clips  exact  missing  frames  wrong  foreign")
    for name, each in sorted(tallies.items()):
        print(
            f"  {name:22} {each.clips:5} {each.exact:6} {each.missing.total():8} "
            f"{each.frames:7} {each.wrong:6} {each.foreign:8}  {dict(each.missing) or ''}"
        )
    total = [sum(getattr(each, part) for each in tallies.values())
             for part in ("clips", "exact", "frames", "wrong", "foreign")]  # fmt: skip
    print("  all: clips {}, exact {}, frames {}, wrong {}, foreign {}".format(*total))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--media", type=Path, default=os.environ.get("INTERNVID_MEDIA"))
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the numbers here")
    options = parser.parse_args(arguments)
    if options.media is None:
        raise SystemExit("name a folder of real videos with --media or INTERNVID_MEDIA")
    media = Path(options.media)
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        sources = [
            path
            for part in ("videos", "odd")
            for path in sorted((media / part).iterdir())
            if path.is_file() and path.stat().st_size <= _LARGEST_BYTES
        ]
        sources += make_odd(media, Path(name) / "made")
        dataset = build_all(sources, Path(name) / "data", options.seed)
        names = {path.name: path for path in sources}
        places = {
            row["video_id"]: names[Path(row["uri"]).name]
            for row in dataset.videos().to_pylist()
            if row["status"] == "ok"
        }
        internvid.select(dataset, "random", "drawn", options.clips, seed=options.seed)
        for fps in (None, 16.0):
            title = "own frames" if fps is None else f"{fps:g} a second"
            found = measure(dataset, places, fps)
            show(title, found)
            report[title] = {kind: asdict(each) for kind, each in found.items()}
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()

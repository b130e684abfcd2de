"""Near-duplicates: what is found in copies of real videos, and time and memory for many hashes.

    python -m benchmarks.duplicates scale [--hashes 1000000 10000000]
    python -m benchmarks.duplicates media MEDIA --work FOLDER [--no-crops] [--held-out]

`scale` makes hashes as videos have them: six scenes a video, rows that are alike, noise inside a
scene. 5 % of the videos are copies with 4 % of their bits turned over; 2 % begin with one intro;
a tenth have a scene of one of few pictures that many share. Each size runs in a process of its own,
whose peak memory is stated.

`media` copies 21 videos of the collection in every way of `benchmarks.copies`, adds the whole
collection and a rendered world (videos of the same kind of scene, none a copy), builds a dataset of
it all and compares; `--held-out` copies other videos of up to 12 seconds, and renders another
world. Truth: `dedup_groups.csv` of the collection, and which copy is of what.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import internvid
from benchmarks.copies import make_copies
from internvid.curate.duplicates.alignment import RunRule, Track, find_runs
from internvid.curate.duplicates.candidates import Pictures, find_candidates
from internvid.curate.duplicates.difference_hashes import are_informative
from internvid.curate.duplicates.duplicates import Duplicates, find_duplicates
from internvid.synthetic.world import render_world

PER_VIDEO, SCENES = 60, 6
SOURCES = (
    "bbb__video.mp4", "gchrome__video.webm", "imio__cockatoo_yuv420.mp4", "ivid__example1.mp4",
    "mchat__output.mp4", "mdn__pig.mp4", "mma__demo.mp4", "mpy__1.mp4",
    "panda__14a68f_ejFT0e4YP0s.15.mp4", "panda__1IK5fEEVQdY.102.mp4",
    "panda__6fHASeSrH8w.43.mp4", "panda__8glWcEuxw3U.1.mp4", "panda__ArHJWrnn7Yw.22.mp4",
    "panda__CkPpCpixOMI.22.mp4", "panda__GH7Jlmx3riU.98.mp4", "panda__QrOHqqixHDU.64.mp4",
    "psd__testvideo.mp4", "stllm__cooking.mp4", "stllm__driving.mp4", "vfeat__v_GGSY1Qvo990.mp4",
    "vllava__sample_demo_3.mp4",
)  # fmt: skip
# The collection's list does not name it: the opening of the same film.
ALSO = {"exo__sample_h265.mp4": "big_buck_bunny_open"}


def turned(hashes: np.ndarray, share: float, draw: np.random.Generator) -> np.ndarray:
    """Hashes with a share of their bits turned over."""
    noisy = hashes.copy()
    for bit in range(64):
        flips = draw.random(len(hashes), dtype=np.float32) < share
        noisy ^= flips.astype(np.uint64) << np.uint64(bit)
    return noisy


def planted(count: int, seed: int = 0):
    """(pictures, copied videos and their copies) of so many hashes."""
    draw = np.random.default_rng(seed)
    videos = count // PER_VIDEO
    # Neighbouring rows of a picture are alike.
    rows = np.repeat(draw.integers(0, 256, (videos * SCENES, 2), dtype=np.uint8), 4, axis=1)
    rows ^= draw.integers(0, 256, rows.shape, dtype=np.uint8) & draw.integers(
        0, 256, rows.shape, dtype=np.uint8
    )
    scenes = rows.view(np.uint64)[:, 0].reshape(videos, SCENES)
    common = scenes[0, 0] ^ (np.uint64(1) << np.arange(40, dtype=np.uint64))
    crowd = draw.choice(videos, videos // 10, replace=False)
    scenes[crowd, -1] = draw.choice(common, len(crowd))
    hashes = turned(np.repeat(scenes.reshape(-1), PER_VIDEO // SCENES), 0.03, draw)
    hashes = hashes.reshape(videos, PER_VIDEO)
    pairs = draw.permutation(videos)[: 2 * (videos // 20)].reshape(2, -1)
    rest = np.setdiff1d(np.arange(videos), pairs)
    begin = draw.choice(rest, videos // 50, replace=False)
    intro = np.tile(hashes[rest[0], :10], len(begin))
    hashes[begin, :10] = turned(intro, 0.02, draw).reshape(-1, 10)
    hashes[pairs[1]] = turned(hashes[pairs[0]].reshape(-1), 0.04, draw).reshape(-1, PER_VIDEO)
    hashes = hashes.reshape(-1)
    track = np.repeat(np.arange(videos, dtype=np.int32), PER_VIDEO)
    seconds = np.tile(np.arange(PER_VIDEO, dtype=np.float32) / 2, videos)
    return Pictures(track, seconds, hashes, are_informative(hashes), videos), pairs


def measure_scale(count: int) -> dict:
    """Seconds, peak memory and recall for so many hashes, in this process."""
    pictures, pairs = planted(count)
    rule = RunRule()
    started = time.process_time()
    candidates = find_candidates(pictures, distance=rule.distance, neighbours=32)
    found_seconds = time.process_time() - started
    clips = np.arange(SCENES) * float(PER_VIDEO // 2 // SCENES)
    length = PER_VIDEO / 2 / SCENES

    def track(number: int) -> Track:
        here = slice(number * PER_VIDEO, (number + 1) * PER_VIDEO)
        return Track(
            pictures.seconds[here],
            pictures.hashes[here],
            pictures.is_informative[here],
            clips,
            clips + length,
        )

    started = time.process_time()
    whole = set()
    for first, second, is_mirrored in zip(
        candidates.first.tolist(),
        candidates.second.tolist(),
        candidates.is_mirrored.tolist(),
        strict=True,
    ):
        runs = find_runs(track(first), track(second), rule, is_mirrored=is_mirrored)
        if len({run.first for run in runs}) >= SCENES // 2:
            whole.add((first, second))
    truth = {tuple(sorted(pair)) for pair in pairs.T.tolist()}
    return {
        "hashes": len(pictures),
        "videos": pictures.tracks,
        "candidate_seconds": round(found_seconds, 1),
        "run_seconds": round(time.process_time() - started, 1),
        "candidates": len(candidates),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
        "planted": len(truth),
        "recall": round(len(truth & whole) / len(truth), 4),
        "false": len(whole - truth),
        "crowded_keys": candidates.crowded,
        "pairs_passed_over": candidates.passed_over,
    }


def prepare_media(media: Path, work: Path, sources: Sequence[str], seed: int) -> Path:
    """The dataset of the collection, the copies and a rendered world; made once."""
    data, copies = work / "data", work / "copies"
    if not copies.exists():
        copies.mkdir(parents=True)
        for number, name in enumerate(sources):
            make_copies(media / "videos" / name, copies, number)
        render_world(work / "world", seed, 10, seconds=20, copies=False)
    folders = [media / "videos", media / "odd", media / "labelled", copies, work / "world"]
    internvid.build([str(folder) for folder in folders], data)
    return data


def group_of(name: str, known: dict[str, str], originals: dict[str, str]) -> str:
    """What a file shows: the group of the collection's list, else its own name."""
    stem = name.rpartition(".")[0].rpartition("__")[0]
    origin = originals.get(stem, name)
    return known.get(origin, origin)


def is_short(row: dict[str, str]) -> bool:
    """Whether a row of the manifest is a natural video of at most 12 seconds."""
    return row["file"].startswith("videos/") and float(row["duration_s"] or 99) <= 12


def measure_media(media: Path, work: Path, rule: Duplicates, *, held_out: bool) -> dict:
    """Recall by kind of copy, and every pair of files that is none."""
    sources = SOURCES
    if held_out:
        with (media / "MANIFEST.csv").open() as file:
            short = [row["file"] for row in csv.DictReader(file) if is_short(row)]
        sources = tuple(sorted({Path(name).name for name in short} - set(SOURCES)))
    dataset = internvid.open(prepare_media(media, work, sources, 4 if held_out else 3))
    started = time.process_time()
    found = find_duplicates(dataset, rule)
    seconds = time.process_time() - started
    names = {
        row["video_id"]: Path(row["uri"]).name
        for row in dataset.sql("select video_id, uri from videos where status = 'ok'")
        .to_arrow_table()
        .to_pylist()
    }
    owners = [names[video_id] for video_id in found.clips["video_id"].to_pylist()]
    pairs = {tuple(sorted((owners[pair.first], owners[pair.second]))) for pair in found.pairs}
    with (media / "dedup_groups.csv").open() as file:
        known = {Path(row["file"]).name: row["group"] for row in csv.DictReader(file)}
    originals = {Path(name).stem: name for name in sources}
    groups = {name: group_of(name, known | ALSO, originals) for name in set(owners)}
    listed = [name for name in known if name in groups]
    truth = {
        tuple(sorted(pair))
        for pair in itertools.combinations(listed, 2)
        if known[pair[0]] == known[pair[1]]
    }
    recall: dict[str, list[int]] = {"list of the collection": [len(truth & pairs), len(truth)]}
    wanted: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for name in sorted(groups):
        stem, _, kind = name.rpartition(".")[0].rpartition("__")
        origin = originals.get(stem)
        if origin in groups:
            kind = re.sub(r"\d$", "", kind) if kind.startswith("part") else kind
            wanted[kind] += 1
            hits[kind] += tuple(sorted((name, origin))) in pairs
    recall |= {kind: [hits[kind], wanted[kind]] for kind in sorted(wanted)}
    in_group: Counter[str] = Counter()
    clips: Counter[str] = Counter()
    for owner, clip_id in zip(owners, found.clips["clip_id"].to_pylist(), strict=True):
        stem, _, kind = owner.rpartition(".")[0].rpartition("__")
        if originals.get(stem) in groups:
            kind = re.sub(r"\d$", "", kind) if kind.startswith("part") else kind
            clips[kind] += 1
            in_group[kind] += clip_id in found.members
    false = sorted(pair for pair in pairs if groups[pair[0]] != groups[pair[1]])
    return {
        "videos": len(groups),
        "clips": len(owners),
        "cpu_seconds": round(seconds, 1),
        "recall": recall,
        "clips_joined": {kind: [in_group[kind], clips[kind]] for kind in sorted(clips)},
        "pairs_of_videos": len(pairs),
        "false_pairs": false,
        **found.summary(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("scale", "media", "one"))
    parser.add_argument("media", nargs="?", type=Path)
    parser.add_argument("--hashes", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--work", type=Path, default=Path("duplicates-work"))
    parser.add_argument("--no-crops", action="store_true")
    parser.add_argument("--held-out", action="store_true")
    given = parser.parse_args()
    if given.what == "media":
        rule = Duplicates(crops=not given.no_crops)
        result = measure_media(given.media, given.work, rule, held_out=given.held_out)
        print(json.dumps(result, indent=2))
    elif given.what == "one":
        print(json.dumps(measure_scale(given.hashes[0])))
    else:
        for count in given.hashes:  # each in its own process, whose peak is its own
            command = [sys.executable, "-m", "benchmarks.duplicates", "one", "--hashes", str(count)]
            print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    main()

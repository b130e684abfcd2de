"""`t2v` on encoded videos: numbers, controls, protocols, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from internvid.api.evaluation import evaluate, make_benchmark
from internvid.cli.app import main
from internvid.core.errors import (
    ConfigInvalidError,
    DatasetError,
    MisuseError,
    ProtocolMismatchError,
)
from internvid.dataset.store import Dataset
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.vector_store import EmbeddingStore
from internvid.evaluation.generation.distances import (
    frechet_distance,
    inception_score,
    kernel_distance,
)
from internvid.evaluation.generation.video_sets import (
    VideoItem,
    VideoSet,
    check_prompts,
    read_samples,
)
from internvid.evaluation.generation.windows import WindowPlan
from internvid.evaluation.results.protocol import Result, compare, read_result
from internvid.models.features.networks import VideoNetwork, open_i3d, open_inception
from internvid.models.viclip.video_frames import read_frames
from tests.evaluation.colours import ColourEmbedder
from tests.evaluation.generation.conftest import FRAMES, Desk, write_clips
from tests.models.tiny import TinyModels


def run(desk: Desk, samples: Path, *names: str, more: Sequence[str] = (), **options: Any) -> Result:
    options.setdefault("reference", desk.real)
    return evaluate(
        str(samples), "t2v", settings=desk.settings(*names, more=more), workers=0, device="cpu",
        **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def results(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    store = tmp_path_factory.mktemp("store")
    return {
        name: run(desk, getattr(desk, name), "i3d", "inception", "videomae", store=store)
        for name in ("good", "bad")
    }


def test_numbers_are_those_of_the_parts(desk: Desk, results: dict[str, Result]) -> None:
    network = open_i3d(desk.i3d, size=32, device="cpu")
    rows = {
        folder.name: network([read_frames(path, FRAMES, sampling="stride").frames
                              for path in sorted(folder.glob("*.mp4"))])
        for folder in (desk.real, desk.bad)
    }  # fmt: skip
    metrics = results["bad"].metrics
    assert metrics["fvd"] == pytest.approx(
        frechet_distance(rows["bad"], rows["real"], singular=True), rel=1e-4
    )
    frames = open_inception(desk.inception, size=75, device="cpu")
    single = {
        name: frames([read_frames(path, FRAMES, sampling="stride").frames
                      for path in sorted(folder.glob("*.mp4"))]).reshape(-1, frames.width + 5)
        for name, folder in (("bad", desk.bad), ("real", desk.real))
    }  # fmt: skip
    width = frames.width
    expected = frechet_distance(single["bad"][:, :width], single["real"][:, :width])
    assert metrics["fid"] == pytest.approx(expected, rel=1e-3)
    score, spread = inception_score(single["bad"][:, width:], splits=3)
    assert metrics["inception_score"] == pytest.approx(score, rel=1e-4)
    assert score > 1.005
    assert metrics["inception_score_std"] == pytest.approx(spread, abs=1e-3)
    assert metrics["kvd"] == pytest.approx(kernel_distance(rows["bad"], rows["real"]), rel=1e-4)


def test_worse_videos_are_farther_and_controls_stand_beside(results: dict[str, Result]) -> None:
    good, bad = results["good"], results["bad"]
    for name in ("fvd", "kvd", "fvd_videomae", "fid"):
        assert bad.metrics[name] > good.metrics[name]
        assert bad.metrics[f"{name}_same_n"] > bad.metrics[f"{name}_real_real"]
        for control in ("same_n", "real_real", "reversed", "frozen"):
            assert np.isfinite(good.metrics[f"{name}_{control}"])
        # The controls are about the real videos alone.
        assert good.metrics[f"{name}_frozen"] == bad.metrics[f"{name}_frozen"]
    assert good.metrics["fvd_frozen"] != good.metrics["fvd_real_real"]
    assert good.metrics["fvd_reversed"] != good.metrics["fvd_real_real"]
    # Frames alone know no order.
    assert good.metrics["fid_reversed"] == good.metrics["fid_real_real"]
    assert 1 <= good.metrics["inception_score"] <= 5
    assert good.metrics["inception_score_reversed"] == good.metrics["inception_score_real"]


def test_few_samples_are_shown_to_be_biased(results: dict[str, Result]) -> None:
    runs = results["good"].runs
    assert list(runs) == ["n=4", "n=8", "n=10"]
    assert runs["n=4"]["fvd_real_real"] > runs["n=10"]["fvd_real_real"] > 0
    whole = results["good"].metrics["fvd_real_real"]
    assert runs["n=10"]["fvd_real_real"] == pytest.approx(whole, rel=1e-6)
    assert set(runs["n=4"]) == {
        f"{name}{end}" for name in ("fvd", "fvd_videomae", "fid") for end in ("", "_real_real")
    }


def test_the_protocol_stands_with_the_numbers(desk: Desk, results: dict[str, Result]) -> None:
    protocol = results["good"].protocol
    assert (protocol.listed, protocol.found, protocol.frames) == (10, 10, FRAMES)
    details = protocol.details
    assert details["without_prompt"] == 2
    assert details["windows"]["draw"] == "start"
    assert details["i3d"]["layer"] == "logits, mean over time"
    assert details["i3d"]["antialias"] is False
    assert details["i3d"]["weights"].startswith("files:")
    assert details["reference"]["found"] == 24
    assert compare(results["good"], results["bad"])["fvd"][2] > 0


@pytest.mark.parametrize(
    ("more", "field"),
    [(["antialias=true"], r"details\.i3d"), (["fps=8"], "frame_rule"),
     (["windows=2", "draw=spread", "frames=9"], "views"), (["singular=false"], "details.singular")],
)  # fmt: skip
def test_other_protocols_are_not_compared(
    desk: Desk, results: dict[str, Result], more: list[str], field: str
) -> None:
    other = run(desk, desk.good, "i3d", more=more)
    with pytest.raises(ProtocolMismatchError, match=field):
        compare(results["good"], other)


def test_windows_are_never_filled_up(desk: Desk) -> None:
    with pytest.raises(DatasetError, match="none of 10 videos can be measured: too_few_frames"):
        run(desk, desk.good, "i3d", more=["fps=4"])


def test_windows_are_consecutive_or_by_time() -> None:
    times = np.arange(40) / 20
    assert WindowPlan(16).choose(times) == list(range(16))
    assert WindowPlan(16, draw="middle").choose(times)[0] == 12
    two = WindowPlan(16, windows=2, draw="spread").choose(times)
    assert two == [*range(16), *range(24, 40)]
    assert WindowPlan(4, fps=10).choose(times) == [0, 2, 4, 6]
    assert WindowPlan(20, fps=10).choose(times) == list(range(0, 40, 2))
    assert WindowPlan(21, fps=10).choose(times) == []
    assert WindowPlan(41).choose(times) == []
    uneven = np.array([0, 0.1, 0.5, 0.6, 1.0])
    assert WindowPlan(3, fps=4).choose(uneven) == [0, 1, 2]
    drawn = WindowPlan(16, draw="random", seed=3)
    assert drawn.choose(times) == drawn.choose(times + 5)
    firsts = {WindowPlan(16, draw="random", seed=s).choose(times)[0] for s in range(20)}
    assert len(firsts) > 5
    for bad in ({"frames": 0}, {"fps": 0.0}, {"draw": "end"}, {"windows": 2}):
        with pytest.raises(ConfigInvalidError):
            WindowPlan(**bad)


def test_equal_sets_are_at_no_distance(desk: Desk, tmp_path: Path) -> None:
    result = run(desk, desk.real, "i3d")
    assert result.metrics["fvd"] < 1e-6
    assert len(result.metrics) == 10


def test_text_fit_needs_no_reference(desk: Desk, tiny_models: TinyModels) -> None:
    more = [f"clip={tiny_models['clip']}", "viclip=tests.evaluation.colours:ColourEmbedder"]
    result = run(desk, desk.good, more=more, reference=None)
    clip = pytest.importorskip("transformers").CLIPModel.from_pretrained(tiny_models["clip"])
    processor = pytest.importorskip("transformers").CLIPProcessor.from_pretrained(
        tiny_models["clip"]
    )
    cosines = []
    for at in range(8):
        frames = list(read_frames(desk.good / f"{at}.mp4", FRAMES, sampling="stride").frames)
        text = (desk.good / f"{at}.txt").read_text()
        given = processor(text=[text], images=frames, return_tensors="pt", truncation=True)
        with torch.no_grad():
            made = clip(**given)
        cosines.append(float((made.image_embeds @ made.text_embeds.T).mean()))
    assert result.metrics["clipsim"] == pytest.approx(np.mean(cosines), abs=1e-5)
    assert result.metrics["clipsim_reversed"] == result.metrics["clipsim"]
    assert result.metrics["clipsim_frozen"] != result.metrics["clipsim"]
    colours = ColourEmbedder()
    videos = [read_frames(desk.good / f"{at}.mp4", 4).frames for at in range(8)]
    texts = [(desk.good / f"{at}.txt").read_text() for at in range(8)]
    own = (colours.video_vectors(videos) * colours.text_vectors(texts)).sum(1).mean()
    assert result.metrics["viclip_sim"] == pytest.approx(own, abs=1e-6)
    distinct = sorted(set(texts))
    following = [distinct[(distinct.index(text) + 1) % len(distinct)] for text in texts]
    other = (colours.video_vectors(videos) * colours.text_vectors(following)).sum(1).mean()
    assert result.metrics["viclip_sim_other"] == pytest.approx(other, abs=1e-6)
    assert result.protocol.details["clip"]["videos"] == 8
    assert result.protocol.details["without_prompt"] == 2
    assert result.texts["texts"] == 8


def test_clips_of_a_dataset_are_a_reference(desk: Desk, dataset: Dataset) -> None:
    result = run(desk, desk.good, "i3d", reference=dataset.root)
    assert result.protocol.details["reference"]["listed"] == len(dataset)
    with pytest.raises(MisuseError, match="no subset 'none'"):
        run(desk, desk.good, "i3d", reference=dataset.root, more=["subset=none"])


def test_a_killed_evaluation_goes_on_to_the_same_numbers(
    desk: Desk, results: dict[str, Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    benchmark = make_benchmark("t2v", reference=desk.real, settings=desk.settings("i3d"))
    seen: list[int] = []
    plain = VideoNetwork.__call__

    def counting(self: VideoNetwork, videos: Any) -> Any:
        seen.append(len(videos))
        return plain(self, videos)

    def killing(self: VideoNetwork, videos: Any) -> Any:
        if sum(seen) >= 16:
            os.kill(os.getpid(), signal.SIGKILL)
        return counting(self, videos)

    subject = benchmark.open_subject(str(desk.good), "cpu")
    monkeypatch.setattr(VideoNetwork, "__call__", killing)
    child = os.fork()
    if not child:
        torch.set_num_threads(1)
        try:
            benchmark.evaluate(subject, Run(EmbeddingStore(tmp_path), part_clips=4))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    monkeypatch.setattr(VideoNetwork, "__call__", counting)
    run_on = Run(EmbeddingStore(tmp_path), part_clips=4)
    result = benchmark.evaluate(subject, run_on)
    # 10 generated, 24 real, 10 reversed, 10 frozen; parts of 4, 4, 2, 4 and 4 had been kept.
    assert sum(seen) == 54 - 18
    whole = benchmark.evaluate(subject, Run(EmbeddingStore(tmp_path / "other"), part_clips=4))
    assert result == whole
    assert result.metrics["fvd"] == pytest.approx(results["good"].metrics["fvd"], rel=1e-4)


def test_prompts_are_listed_or_lie_beside(tmp_path: Path, desk: Desk) -> None:
    shutil.copytree(desk.good, tmp_path / "a", ignore=shutil.ignore_patterns("*.txt"))
    rows = [{"video": f"{at}.mp4", "prompt": "a red film"} for at in range(9)]
    (tmp_path / "a" / "prompts.jsonl").write_text(
        "\n".join(json.dumps(row) for row in [*rows, {"video": "gone.mp4", "prompt": "x"}])
    )
    samples = read_samples(tmp_path / "a")
    assert samples.without_prompt == 1
    assert [one.clip for one in samples.missing] == ["gone.mp4"]
    (tmp_path / "a" / "prompts.jsonl").rename(tmp_path / "a" / "old")
    (tmp_path / "a" / "prompts.csv").write_text("name,text\n3,a blue film\n")
    assert read_samples(tmp_path / "a").items[3].prompt == "a blue film"
    (tmp_path / "a" / "prompts.csv").rename(tmp_path / "a" / "older")
    table = pa.table({"file_name": ["4.mp4"], "caption": ["a white film"]})
    pq.write_table(table, tmp_path / "a" / "prompts.parquet")
    assert read_samples(tmp_path / "a").items[4].prompt == "a white film"
    (tmp_path / "a" / "prompts.jsonl").write_text("{}")
    with pytest.raises(MisuseError, match="several lists"):
        read_samples(tmp_path / "a")
    (tmp_path / "a" / "prompts.parquet").unlink()
    with pytest.raises(MisuseError, match=r"prompts\.jsonl, row 1: each row has video"):
        read_samples(tmp_path / "a")


def test_protocols_of_the_paper_count_prompts() -> None:
    def made(count: int, prompts: int) -> VideoSet:
        return VideoSet("s", tuple(
            VideoItem(str(at), Path(f"{at}.mp4"), prompt=f"p{at % prompts}") for at in range(count)
        ))  # fmt: skip

    check_prompts(made(2020, 101), "ucf101")
    check_prompts(made(2990, 2990), "msrvtt")
    check_prompts(made(3, 3), "")
    with pytest.raises(ConfigInvalidError, match=r"2,000 videos, 100 prompts, 20 samples of each"):
        check_prompts(made(2000, 100), "ucf101")
    with pytest.raises(ConfigInvalidError, match="takes 2,990 videos"):
        check_prompts(made(2020, 101), "msrvtt")
    with pytest.raises(ConfigInvalidError, match="is ucf101 or msrvtt"):
        check_prompts(made(3, 3), "vbench")


def test_what_cannot_be_measured_is_refused(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalidError, match="no network is named"):
        run(desk, desk.good)
    with pytest.raises(ConfigInvalidError, match="i3d needs real videos"):
        run(desk, desk.good, "i3d", reference=None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MisuseError, match="holds no videos"):
        run(desk, tmp_path / "empty", "i3d")
    with pytest.raises(ConfigInvalidError, match="i3d takes 9 or more frames, not 8"):
        run(desk, desk.good, "i3d", more=["frames=8"])
    write_clips(tmp_path / "three", 5, 3)
    with pytest.raises(ConfigInvalidError, match="10 generated and 3 real videos"):
        run(desk, desk.good, "i3d", reference=tmp_path / "three")
    with pytest.raises(ConfigInvalidError, match="3 samples are too few for a covariance of 6"):
        run(desk, tmp_path / "three", "i3d", more=["singular=false"])
    with pytest.raises(ConfigInvalidError, match=r"takes 2,990"):
        run(desk, desk.good, "i3d", protocol="msrvtt")
    with pytest.raises(ConfigInvalidError, match="no use for --context"):
        run(desk, desk.good, "i3d", context=50)


def test_damaged_videos_are_missing_not_replaced(desk: Desk, tmp_path: Path) -> None:
    shutil.copytree(desk.good, tmp_path / "some")
    (tmp_path / "some" / "4.mp4").write_bytes(b"no video")
    result = run(desk, tmp_path / "some", "i3d")
    assert (result.protocol.listed, result.protocol.found) == (10, 9)
    assert [one.clip for one in result.missing] == ["4.mp4"]


def test_the_command_prints_and_keeps_all_of_it(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sets = [word for value in desk.settings("i3d") for word in ("--set", value)]
    arguments = ["evaluate", str(desk.good), "--benchmark", "t2v", "--reference", str(desk.real)]
    out = tmp_path / "r.json"
    assert main([*arguments, *sets, "--workers", "0", "--device", "cpu", "-o", str(out)]) == 0
    printed = capsys.readouterr().out
    for word in ("fvd_real_real", "fvd_frozen", "fvd_reversed", "videos a side"):
        assert word in printed
    assert read_result(out).metrics["fvd"] > 0
    assert list((tmp_path / "embeddings").glob("features@*/part-*.npy"))
    assert main([*arguments, "--workers", "0"]) == 2
    assert "no network is named" in capsys.readouterr().err

"""Processes that torchrun starts share an evaluation: each file once, the same numbers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from internvid.evaluation.benchmarks.recognition import Kinetics400
from internvid.evaluation.benchmarks.rendered import SyntheticRetrieval
from internvid.evaluation.benchmarks.retrieval import ZeroShotRetrieval
from internvid.evaluation.embedding.embed_clips import Run
from internvid.evaluation.embedding.vector_store import EmbeddingStore
from internvid.evaluation.results.protocol import read_result
from internvid.evaluation.team import Team, joined
from tests.evaluation.colours import COLOURS, ColourEmbedder, film
from tests.training.together import run_together


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five films, one of them broken, and lists that name one more."""
    folder = tmp_path_factory.mktemp("team")
    for colour in COLOURS:
        film(folder / "films" / f"{colour}.mp4", colour)
    (folder / "films" / "broken.mp4").write_bytes(b"no film")
    rows = "".join(f"{colour}.mp4,{colour}\n" for colour in COLOURS)
    (folder / "val.csv").write_text(rows + "gone.mp4,red\nbroken.mp4,red\n")
    captions = [{"video": f"{c}.mp4", "caption": [f"a {c} film", c]} for c in COLOURS]
    (folder / "captions.json").write_text(json.dumps(captions))
    return folder


def measured(desk: Path, team: Team, store: Path) -> tuple[list[object], list[int]]:
    model = ColourEmbedder()
    run = Run(EmbeddingStore(store), team=team)
    films = str(desk / "films")
    results = [
        Kinetics400((str(desk / "val.csv"),), films).evaluate(model, run),
        ZeroShotRetrieval((str(desk / "captions.json"),), films).evaluate(model, run),
        SyntheticRetrieval(clips=5, seeds=(1,), size=32).evaluate(model, run),
    ]
    return [result.describe() for result in results], [len(model.seen), len(model.read)]


def share_an_evaluation(desk: Path, store: Path) -> None:
    with joined() as team:
        assert team.size == 2
        spread_rows(team)
        found, (videos, texts) = measured(desk, team, store)
        own = store.with_name(f"alone-{team.rank}")
        alone, (all_videos, all_texts) = measured(desk, Team(), own)
        assert found == alone
        # Every clip is embedded by one of both. Rendered clips' few texts by both.
        assert sum(team.gather(videos)) == all_videos
        assert texts < all_texts


def spread_rows(team: Team) -> None:
    assert list(team.share([1, 2, 3])) == ([1, 3] if team.rank == 0 else [2])
    squares = team.spread([3, 4, 5], lambda own: np.array([[n * n] for n in own]))
    assert squares.tolist() == [[9], [16], [25]]
    # One process has nothing to do.
    assert team.spread([7], np.array).tolist() == [7]
    keys = [b"a", b"b"] if team.rank else []
    rows = np.ones((2, 3)) if team.rank else None
    seen = [(names, values.shape) for names, values in team.exchange(keys, rows)]
    assert seen == ([] if team.rank else [([b"a", b"b"], (2, 3))])


@pytest.mark.slow
def test_two_processes_measure_what_one_does(desk: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run_together(share_an_evaluation, desk, store)
    again = Run(EmbeddingStore(store))
    model = ColourEmbedder()
    Kinetics400((str(desk / "val.csv"),), str(desk / "films")).evaluate(model, again)
    # Each process kept what it made: nothing is left to embed.
    assert (model.seen, model.read) == ([], [])


def test_one_process_is_a_team_of_its_own() -> None:
    team = Team()
    assert team.spread([1, 2], np.array).tolist() == [1, 2]
    assert list(team.exchange([b"a"], np.ones((1, 2)))) == []
    with joined() as alone:
        assert alone == team


@pytest.mark.slow
def test_torchrun_writes_one_result(desk: Path, tmp_path: Path) -> None:
    output = tmp_path / "k400.json"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2",
        "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0",
        "-m", "internvid", "evaluate", "tests.evaluation.colours:ColourEmbedder",
        "--benchmark", "k400", "--videos", str(desk / "films"),
        "--annotations", str(desk / "val.csv"), "--workers", "0", "-o", str(output),
    ]  # fmt: skip
    made = subprocess.run(
        command, capture_output=True, text=True, timeout=240, cwd=Path(__file__).parents[2],
        check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    result = read_result(output)
    assert result.metrics["top1"] == 100.0
    assert (result.protocol.listed, result.protocol.found) == (6, 4)
    # One process speaks for both.
    assert made.stdout.count("4 of 6 found") == 1
    assert made.stderr.count("gone.mp4: not_found") == 1

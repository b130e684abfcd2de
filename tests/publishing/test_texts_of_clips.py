"""Texts of published clips: from which column they are, how long they are for a model."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path

import pytest

import internvid
from internvid.cli.app import main
from internvid.core.errors import ConfigInvalidError, WeightsMissingError
from internvid.dataset.store import Dataset
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.publish import publish
from internvid.publishing.texts.token_limits import estimated_tokens, token_counter
from internvid.video.cutting.cut_plan import CutPlan
from tests.models.tiny import TinyModels

SMALL = CutPlan(fps=8, maximum_frames=9, size="48")


@pytest.fixture(scope="module")
def few(dataset: Dataset) -> str:
    """A subset of some clips, with and without a direction of the camera."""
    internvid.select(dataset, "random", "few-for-texts", 8, seed=1)
    return "few-for-texts"


def test_of_several_columns_the_first_with_a_text_is_taken(
    dataset: Dataset, few: str, tmp_path: Path
) -> None:
    exporter = FolderExporter(caption="camera_direction, measured", cut=SMALL)
    manifest = publish(dataset, tmp_path / "out", exporter, few)
    rows = {row["clip_id"]: row for row in dataset.clips(few).to_pylist()}
    columns = [
        "camera_direction" if row["camera_direction"] else "measured" for row in rows.values()
    ]
    first = Counter(columns)
    assert len(first) == 2
    assert manifest["captions"] == first
    assert manifest["dropped"] == {}
    for clip_id, row in rows.items():
        text = (tmp_path / "out" / f"{clip_id}.txt").read_text("utf-8")
        assert text == (row["camera_direction"] or row["measured"])
    assert internvid.plan_publication(dataset, subset=few, exporter=exporter)["captions"] == first


def test_every_column_of_a_text_has_to_be_there(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalidError, match="'nothing': clips have no such column"):
        publish(dataset, tmp_path / "out", FolderExporter(caption="measured,nothing"))
    with pytest.raises(ConfigInvalidError, match="nothing would be written as text"):
        FolderExporter(caption=" , ")
    assert not (tmp_path / "out").exists()


def test_texts_over_the_limit_are_counted_and_warned_of(
    dataset: Dataset, few: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = [row["measured"] for row in dataset.clips(few).to_pylist()]
    counts = sorted(estimated_tokens(f"sks {text}") for text in texts)
    limit = counts[3]
    over = sum(count > limit for count in counts)
    assert 0 < over < len(texts)
    words = ["publish", str(dataset.root), str(tmp_path / "out"), "--exporter", "folder"]
    words += ["--subset", few, "--set", "trigger=sks", "--set", f"tokens={limit}"]
    words += ["--set", "cut.size=48", "--set", "cut.fps=8", "--json"]
    for more in (["--plan"], []):
        assert main([*words, *more]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out)["tokens"] == {
            "limit": limit,
            "counted_by": "estimate",
            "texts_over_limit": over,
            "longest": counts[-1],
        }
        assert f"warning: {over} of {len(texts)} texts have more than {limit} tokens" in said.err
        assert "estimated" in said.err
    text = (tmp_path / "out").glob("*.txt")
    assert max(estimated_tokens(path.read_text("utf-8")) for path in text) == counts[-1]


def test_a_model_counts_with_its_own_tokenizer(
    dataset: Dataset, few: str, tiny_models: TinyModels
) -> None:
    transformers = pytest.importorskip("transformers")
    folder = tiny_models["t5"]
    own = transformers.AutoTokenizer.from_pretrained(folder)
    texts = [row["measured"] for row in dataset.clips(few).to_pylist()]
    counts = [len(own(text)["input_ids"]) for text in texts]
    assert [token_counter(folder)(text) for text in texts] == counts
    exporter = FolderExporter(tokens=min(counts), tokenizer=folder, cut=SMALL)
    planned = internvid.plan_publication(dataset, subset=few, exporter=exporter)
    assert planned["tokens"] == {
        "limit": min(counts),
        "counted_by": folder,
        "texts_over_limit": sum(count > min(counts) for count in counts),
        "longest": max(counts),
    }


def test_a_tokenizer_inside_a_pipeline_is_found(tiny_models: TinyModels, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (tmp_path / "tokenizer").symlink_to(tiny_models["t5"])
    text = "a dog runs through snow"
    assert token_counter(str(tmp_path))(text) == token_counter(tiny_models["t5"])(text)


@pytest.mark.skipif(
    importlib.util.find_spec("open_clip") is None, reason="CLIP's merges are in open_clip_torch"
)
def test_clip_counts_its_marks_and_the_estimate_is_near_it() -> None:
    assert token_counter("clip")("a dog runs") == 5
    text = (
        "A man in a red jacket walks along a snowy mountain ridge while the camera slowly pans to "
        "the right, revealing a frozen lake below."
    )
    assert estimated_tokens(text) == pytest.approx(token_counter("clip")(text), rel=0.15)


def test_a_missing_tokenizer_is_refused_before_anything_is_written(
    dataset: Dataset, tmp_path: Path
) -> None:
    exporter = FolderExporter(tokens=77, tokenizer=str(tmp_path / "nowhere"))
    with pytest.raises(WeightsMissingError, match="nowhere"):
        publish(dataset, tmp_path / "out", exporter)
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsMissingError, match="has no tokenizer"):
        internvid.plan_publication(
            dataset, exporter=FolderExporter(tokens=77, tokenizer=str(tmp_path / "empty"))
        )
    with pytest.raises(ConfigInvalidError, match="counts nothing without a limit"):
        FolderExporter(tokenizer="clip")
    with pytest.raises(ConfigInvalidError, match="at least 1"):
        FolderExporter(tokens=0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 1),
        ("a dog", 3),
        ("extraordinarily", 4),
        ("a dog, 12 times.", 8),
        ("雪の中", 4),
        ("日本 dog", 4),
        ("Привет", 2),
    ],
)
def test_the_estimate_counts_words_marks_and_unspaced_scripts(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens

"""Fine-tuning reads the files that evaluation reads: one sample a text, or a paragraph a clip."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from internvid.cli.app import main
from internvid.core.errors import AnnotationInvalidError, MisuseError
from internvid.core.types import TimeSpan
from internvid.evaluation.benchmarks.reranking import RerankedRetrieval
from internvid.evaluation.benchmarks.retrieval import MSRVTT
from internvid.evaluation.embedding.loading import load_embedder
from internvid.training.data.samples import make_samples
from internvid.training.data.text_lists import ListedClips, open_listed
from internvid.training.recipes import pretraining as recipes
from tests.evaluation.colours import COLOURS, film

SMALL = (
    "start.weights= start.merges=learn model.config.vision_heads=2 model.config.text_heads=2 "
    "model.config.vision_width=32 model.config.text_width=32 model.config.vision_layers=2 "
    "model.config.text_layers=1 model.config.patch=16 model.config.resolution=32 "
    "model.config.frames=2 model.config.embedding=16 stages.tune.batch=4 stages.tune.epochs=1 "
    "stages.tune.warmup_epochs=0.5 data.loader.workers=0 loop.writers=csv"
)
NAMES = tuple(COLOURS)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for at, colour in enumerate(COLOURS):
        film(folder / f"video{at}.mp4", colour)
    return folder


def opened(videos: Path, *files: Path, recipe: str = "viclip_retrieval") -> ListedClips:
    return open_listed(recipes.get(recipe), files, [videos])


def samples_of(found: ListedClips) -> list[tuple[str, str]]:
    return [(clip.path.stem, clip.caption) for clip in found.source.clips]


def msrvtt(folder: Path) -> list[Path]:
    data = {
        "videos": [{"video_id": f"video{n}", "split": "train"} for n in range(5)],
        "sentences": [
            {"video_id": f"video{n}", "caption": f"{word} {colour} film"}
            for n, colour in enumerate((*NAMES, "black")) for word in ("a", "the")
        ],
    }  # fmt: skip
    (folder / "MSRVTT_data.json").write_text(json.dumps(data))
    (folder / "MSRVTT_train.9k.csv").write_text(
        "video_id\n" + "".join(f"video{n}\n" for n in range(5))
    )
    return [folder / "MSRVTT_train.9k.csv", folder / "MSRVTT_data.json"]


def test_msrvtt_trains_on_every_sentence(videos: Path, tmp_path: Path) -> None:
    found = opened(videos, *msrvtt(tmp_path))
    assert samples_of(found)[:3] == [
        ("video0", "a red film"), ("video0", "the red film"), ("video1", "a green film"),
    ]  # fmt: skip
    assert len(found.source.clips) == 8
    # `video4` is listed and not there.
    assert (found.missing, found.listed) == (1, 5)
    samples = make_samples(found.source.table())
    assert len(samples) == 8
    # Sentences of one clip are of one source: they are never each other's negatives.
    assert len(set(samples.sources.tolist())) == 4


def test_every_set_is_read(videos: Path, tmp_path: Path) -> None:
    def write(name: str, content: object) -> Path:
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / name).write_text(text)
        return tmp_path / name

    (tmp_path / "raw-captions.pkl").write_bytes(pickle.dumps({"video0": [["a", "film"]]}))
    sets = {
        "msvd": [write("train_list.txt", "video0\n"), tmp_path / "raw-captions.pkl"],
        "lsmdc": [write("LSMDC16_annos_training.csv", "video0\t1\t2\t3\t4\ta film\n")],
        "didemo": [write("train_data.json", [{"video": "video0.mp4", "description": "a film"}])],
        "activitynet": [
            write("train.json", {"video0": {"timestamps": [[0, 1]], "sentences": ["a film"]}})
        ],
        "vatex": [write("vatex.json", [{"videoID": "video0_000000_000010", "enCap": ["a film"]}])],
        "captions": [write("train.csv", "video_id,sentence\nvideo0,a film\n")],
        "reference": [write("r.json", [{"video": "video0.mp4", "caption": "a film"}])],
        "choices": [write("m.jsonl", json.dumps(
            {"clip_name": "video0", "options": ["no", "a film"], "answer": 1}))],
        "sta": [write("sta.txt", "video0 0.0 0.5##a film\n")],
        "youcook2": [write("y.csv", "end,start,task,text,video_id\n1,0,9,a film,video0\n")],
        "msvd-json": [write("m.json", {"video0": ["a film"]})],
    }  # fmt: skip
    for name, files in sets.items():
        assert samples_of(opened(videos, *files)) == [("video0", "a film")], name
    assert opened(videos, *sets["didemo"]).source.clips[0].span == TimeSpan(0, 30)
    assert opened(videos, *sets["sta"]).source.clips[0].span == TimeSpan(0, 0.5)


def test_recipes_of_paragraphs_join_the_texts(videos: Path, tmp_path: Path) -> None:
    rows = [{"video": "video0.mp4", "description": text} for text in ("one thing", "two things")]
    (tmp_path / "d.json").write_text(json.dumps(rows))
    whole = opened(videos, tmp_path / "d.json", recipe="viclip_retrieval_didemo")
    assert samples_of(whole) == [("video0", "one thing two things")]
    apart = opened(videos, tmp_path / "d.json")
    assert [text for _, text in samples_of(apart)] == ["one thing", "two things"]
    assert recipes.get("viclip_retrieval_activitynet").data.text_mode == "paragraph"


def test_several_sets_are_one_list_and_test_videos_are_left_out(
    videos: Path, tmp_path: Path
) -> None:
    first, second, test = (tmp_path / f"{name}.csv" for name in ("first", "second", "test"))
    first.write_text("video_id,sentence\nvideo0,a film\nvideo1,a film\n")
    second.write_text("video_id,sentence\nvideo2,a film\n")
    test.write_text("key,vid_key,video_id,sentence\nr,m,video1,a film\n")
    recipe = recipes.get("viclip_retrieval")
    found = open_listed(recipe, [first, second], [videos], [test])
    assert [name for name, _ in samples_of(found)] == ["video0", "video2"]
    (tmp_path / "test_list.txt").write_text("video0\n")
    found = open_listed(recipe, [first], [videos], [tmp_path / "test_list.txt"])
    assert [name for name, _ in samples_of(found)] == ["video1"]
    with pytest.raises(MisuseError, match="none of the 1 listed clips"):
        open_listed(recipe, [second], [_other(tmp_path)])


def _other(folder: Path) -> Path:
    film(folder / "other" / "else.mp4", "red")
    return folder / "other"


def test_labels_stay_labels(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("video0.mp4,red\nvideo1.mp4,green\n")
    (tmp_path / "u.txt").write_text("red/video0.avi\ngreen/video1.avi\n")
    (tmp_path / "r.json").write_text(json.dumps([{"video": "video0.mp4", "caption": "red"}]))
    for recipe in ("viclip_action", "viclip_retrieval"):
        for name in ("t.csv", "u.txt"):
            assert samples_of(opened(videos, tmp_path / name, recipe=recipe)) == [
                ("video0", "red"), ("video1", "green"),
            ]  # fmt: skip
    assert samples_of(opened(videos, tmp_path / "r.json", recipe="viclip_action")) == [
        ("video0", "red")
    ]
    (tmp_path / "c.csv").write_text(
        "id,script,descriptions,actions,length\nvideo0,,a man sits,c001 0.0 0.5;c002 0.5 1.0,1\n"
    )
    found = opened(videos, tmp_path / "c.csv", recipe="viclip_action")
    assert [(clip.caption, clip.span) for clip in found.source.clips] == [
        ("c001", TimeSpan(0, 0.5)), ("c002", TimeSpan(0.5, 1)),
    ]  # fmt: skip
    assert samples_of(opened(videos, tmp_path / "c.csv")) == [("video0", "a man sits")]
    (tmp_path / "ids.csv").write_text("video_id\nvideo0\n")
    with pytest.raises(AnnotationInvalidError, match="without texts"):
        opened(videos, tmp_path / "ids.csv")


def test_how_texts_are_joined_leaves_known_fingerprints_alone() -> None:
    plain = recipes.get("viclip_b16")
    joined = replace(plain, data=replace(plain.data, text_mode="paragraph"))
    assert plain.fingerprint == joined.fingerprint


@pytest.mark.slow
def test_the_command_trains_on_what_evaluation_measures(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids, texts = msrvtt(tmp_path)
    command = ["train", "-o", str(tmp_path / "run"), "--recipe", "viclip_retrieval", "--json"]
    command += ["--data", str(ids), "--data", str(texts), "--videos", str(videos)]
    command += [word for each in SMALL.split() for word in ("--set", each)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "1 of 5 listed clips are not there or have no text" in printed.err
    summary = json.loads(printed.out)
    assert summary["samples"] == 8
    subject = load_embedder(summary["model"], device="cpu")
    benchmark = MSRVTT((str(ids), str(texts)), str(videos))
    assert benchmark.read().clips[0].texts == ("a red film", "the red film")
    reranked = RerankedRetrieval(benchmark.annotations, str(videos), of="msrvtt")
    assert len(reranked.read().clips) == 5
    assert subject.identity().head == "matching"

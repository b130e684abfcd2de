"""Dialogues: every answer is proved from stored values, and trainers read them."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.cli.app import main
from internvid.conversations.dialogues.dialogue_templates import (
    CLIP_KINDS,
    VIDEO_KINDS,
    turn_of,
    turns_of,
)
from internvid.conversations.dialogues.model_checks import named_seconds
from internvid.conversations.dialogues.proven_turns import Scene
from internvid.conversations.dialogues.wordings import QUESTIONS
from internvid.conversations.documents.document_clips import ClipRow
from internvid.core.errors import ConfigInvalidError, NothingSelectedError
from internvid.dataset.store import Dataset
from internvid.pipeline.annotate.annotate import annotate
from internvid.publishing.texts.token_limits import estimated_tokens
from tests.conversations.library import TopicCaptioner, killed_at_file
from tests.publishing.test_chat import (
    llama_factory_samples,
    llava_prompt,
    qwen_messages,
    videochat2_conversation,
)
from tests.removal.bytes import traces
from tests.trees import digest_tree

WORDS = "transcript=transcript"


def dialogues_of(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in sorted(folder.glob("dialogues-*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]


@pytest.fixture(scope="module")
def written(
    filmed: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """Dialogues about the world, and their manifest."""
    folder = tmp_path_factory.mktemp("dialogues") / "out"
    return folder, internvid.make_dialogues(filmed, folder, settings=[WORDS, "pairs=9"])


def test_every_answer_is_proved_from_the_dataset(
    filmed: Dataset, written: tuple[Path, dict[str, Any]]
) -> None:
    folder, manifest = written
    proof = internvid.prove_dialogues(filmed, folder)
    assert proof.ok, proof.faults.examples
    assert proof.proved == manifest["per_document"]["pairs"]["total"] > 60
    assert proof.dialogues == manifest["documents"]
    rows = dialogues_of(folder)
    kinds = Counter(each["kind"] for row in rows for each in row["proofs"])
    assert set(kinds) >= {
        *("describe", "spoken", "length", "camera", "colours", "sound", "bars"),
        *("sequence", "shots", "when", "at_time", "transition"),
    }
    clips = {row["clip_id"]: row for row in filmed.clips().to_pylist()}
    for row in rows:
        for each in row["proofs"]:
            assert each["sources"]
            for source in each["sources"]:
                if source["table"] == "clips" and source["column"] != "shot":
                    assert clips[source["clip_id"]][source["column"]] == source["value"]


def test_answers_are_what_was_rendered(
    filmed: Dataset, written: tuple[Path, dict[str, Any]]
) -> None:
    """Counts, order and times of a video beside its rows, by other means than the templates."""
    folder, _ = written
    for row in dialogues_of(folder):
        if row["scope"] != "video":
            continue
        (video,) = row["video_ids"]
        length = filmed.sql(
            f"select duration_seconds from videos where video_id = '{video}' and status = 'ok'"
        ).fetchall()[0][0]
        clips = [each for each in filmed.clips().to_pylist() if each["video_id"] == video]
        everything = filmed.clips(rejected=True).to_pylist()
        shots = {each["shot"] for each in everything if each["video_id"] == video}
        turns = row["turns"]
        for question, answer, proof in zip(turns[::2], turns[1::2], row["proofs"], strict=True):
            assert all(each <= length for each in named_seconds(answer["text"]))
            if proof["kind"] == "shots":
                assert str(len(shots)) in answer["text"] or "one shot" in answer["text"]
            if proof["kind"] == "when":
                start, end = named_seconds(answer["text"])[::-1]
                caption = question["text"].partition('"')[2].rpartition('"')[0]
                (clip,) = [each for each in clips if each["measured"] == caption]
                assert abs(clip["start_seconds"] - start) < 0.06
                assert -0.06 < clip["end_seconds"] - end < 0.11  # never behind the video
            if proof["kind"] == "at_time":
                (when,) = named_seconds(question["text"])
                (clip,) = [e for e in clips if e["start_seconds"] <= when < e["end_seconds"]]
                assert clip["measured"] == answer["text"]


def test_the_seed_alone_decides_wordings(
    filmed: Dataset, written: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    folder, _ = written
    internvid.make_dialogues(filmed, tmp_path / "again", settings=[WORDS, "pairs=9"])
    assert digest_tree(tmp_path / "again") == digest_tree(folder)
    internvid.make_dialogues(filmed, tmp_path / "other", settings=[WORDS, "pairs=9", "seed=5"])
    one, other = (
        [turn["text"] for row in dialogues_of(each) for turn in row["turns"][::2]]
        for each in (folder, tmp_path / "other")
    )
    assert one != other
    described = [text for text in (*one, *other) if text in QUESTIONS["describe"]]
    assert set(described) == set(QUESTIONS["describe"])


def test_trainers_read_the_same_turns_from_every_list(filmed: Dataset, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    settings = [WORDS, "media.pixels=clips", "media.cut.size=48", "system=Answer in short."]
    manifest = internvid.make_dialogues(filmed, folder, settings=settings)
    rows = dialogues_of(folder)
    texts = {row["id"]: [turn["text"] for turn in row["turns"][1:]] for row in rows}
    samples = llama_factory_samples(folder)
    assert len(samples) == manifest["documents"] == len(rows)
    for row, sample in zip(rows, samples, strict=True):
        assert all(path.is_file() for path in sample["videos"])
        marks = "<video>" * len(sample["videos"])
        assert [text.removeprefix(marks) for text in sample["texts"]] == texts[row["id"]]
    conversations = json.loads((folder / "conversations.json").read_text("utf-8"))
    lines = (folder / "conversations.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == conversations
    for item in conversations:
        turns = qwen_messages(item, folder)
        assert len(turns) == len(texts[item["id"]])
    single = [row for row in json.loads((folder / "qa.json").read_text()) if row["video"]]
    for item in single:
        if isinstance(item["video"], str):
            path, text = videochat2_conversation(item, folder)
            assert path.is_file()
            assert text.startswith("Answer in short. ")
    videos = [row for row in rows if row["scope"] == "video"]
    assert videos
    assert {len(row["videos"]) for row in videos} == {len(row["clip_ids"]) for row in videos}
    kinds = {each["kind"] for row in videos for each in row["proofs"]}
    assert kinds <= {"in_turn", "videos", "nth"}  # times of a film nobody sees mean nothing
    assert internvid.prove_dialogues(filmed, folder).ok


def test_llava_reads_its_own_token(filmed: Dataset, tmp_path: Path) -> None:
    internvid.make_dialogues(
        filmed, tmp_path / "out", settings=["token=<image>", "about=clip", "base_path=/videos"]
    )
    for item in json.loads((tmp_path / "out" / "conversations.json").read_text("utf-8")):
        assert llava_prompt(item).startswith("human: <image>\n")
        assert item["video"].startswith("/videos/")
        assert item["start"] < item["end"]


def changed(folder: Path, change: Any) -> None:
    """Change rows of the first shard."""
    path = folder / "dialogues-000000.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    change(rows)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def set_answer(rows: list[dict[str, Any]]) -> None:
    rows[0]["turns"][1]["text"] = "An elephant."


def set_value(rows: list[dict[str, Any]]) -> None:
    rows[0]["proofs"][0]["sources"][0]["value"] = "An elephant."


def set_kind(rows: list[dict[str, Any]]) -> None:
    rows[0]["proofs"][0]["kind"] = "guess"


def set_role(rows: list[dict[str, Any]]) -> None:
    rows[0]["turns"][0]["role"] = "narrator"


def set_clip(rows: list[dict[str, Any]]) -> None:
    rows[0]["clip_ids"][0] = "0" * 32


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (set_answer, "answer_differs"),
        (set_value, "value_changed"),
        (set_kind, "unknown_kind"),
        (set_role, "not_a_dialogue"),
        (set_clip, "clip_gone"),
    ],
)
def test_an_answer_that_does_not_follow_is_found(
    filmed: Dataset,
    written: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    change: Any,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(written[0], folder)
    changed(folder, change)
    proof = internvid.prove_dialogues(filmed, folder)
    assert proof.faults.counts == {reason: 1}
    words = ["dialogues", str(filmed.root), str(folder), "--verify"]
    assert main([*words, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["faults"] == {reason: 1}
    assert report["changed"] == ["dialogues-000000.jsonl"]


def test_answers_of_earlier_captions_are_found(own: Dataset, tmp_path: Path) -> None:
    settings = ["caption=story"]
    internvid.make_dialogues(own, tmp_path / "out", settings=settings)
    assert internvid.prove_dialogues(own, tmp_path / "out").ok
    annotate(own.root, TopicCaptioner(word="Minute"), "story", workers=1)
    own.refresh()
    proof = internvid.prove_dialogues(own, tmp_path / "out")
    assert set(proof.faults.counts) == {"value_changed"}
    assert proof.proved > 0  # lengths and shots are as they were


def test_removed_clips_are_taken_out_of_every_list(own: Dataset, tmp_path: Path) -> None:
    settings = ["caption=story", "media.pixels=clips", "media.cut.size=32"]
    for name, each in (("cut", settings), ("named", settings[:1])):
        internvid.make_dialogues(own, tmp_path / name, settings=each)
    video = own.videos().to_pylist()[1]
    clips = [r["clip_id"] for r in own.clips().to_pylist() if r["video_id"] == video["video_id"]]
    names = [video["video_id"], Path(video["uri"]).name, *clips]
    assert traces(tmp_path / "cut", names)
    done = internvid.remove(own, video["video_id"])
    assert done.to_reissue == []
    own.refresh()
    for folder, each in ((tmp_path / "cut", settings), (tmp_path / "named", settings[:1])):
        assert traces(folder, names) == []
        assert internvid.verify(folder, dataset=own).ok
        assert internvid.prove_dialogues(own, folder).ok
        fresh = tmp_path / f"fresh-{folder.name}"
        internvid.make_dialogues(own, fresh, settings=each)
        late = {"manifest.json", "removed.parquet"}
        one, other = (
            {name: data for name, data in digest_tree(root).items() if name not in late}
            for root in (folder, fresh)
        )
        assert one == other


@pytest.mark.parametrize(
    ("ending", "count"), [("dialogues-000001.jsonl", 1), ("qa.json", 1), ("manifest.json", 1)]
)
def test_what_was_killed_goes_on_to_the_same_bytes(
    library: Dataset, tmp_path: Path, ending: str, count: int
) -> None:
    settings = ["caption=story", "documents_per_shard=5"]

    def write() -> None:
        fresh = internvid.open(library.root)
        internvid.make_dialogues(fresh, tmp_path / "parts", settings=settings)

    killed_at_file(ending, count, write)
    internvid.make_dialogues(library, tmp_path / "parts", settings=settings)
    internvid.make_dialogues(library, tmp_path / "whole", settings=settings)
    assert digest_tree(tmp_path / "parts") == digest_tree(tmp_path / "whole")


def test_questions_over_the_token_limit_are_left_out_and_counted(
    filmed: Dataset, tmp_path: Path
) -> None:
    settings = [WORDS, "pairs=9", "tokens=60", "about=clip"]
    manifest = internvid.make_dialogues(filmed, tmp_path / "out", settings=settings)
    for row in dialogues_of(tmp_path / "out"):
        assert sum(estimated_tokens(turn["text"]) for turn in row["turns"]) <= 60
    assert manifest["refused"]["over_tokens"] > 0
    assert manifest["per_document"]["tokens"]["most"] <= 60
    planned = internvid.plan_dialogues(filmed, settings=settings)
    assert planned["refused"] == manifest["refused"]
    assert planned["pairs"] == manifest["per_document"]["pairs"]["total"]
    assert planned["documents"] == manifest["documents"]
    with pytest.raises(NothingSelectedError, match="over_tokens"):
        internvid.make_dialogues(filmed, tmp_path / "none", settings=[*settings[:2], "tokens=2"])


def test_a_dialogue_without_its_video_is_left_out_with_the_reason(
    own: Dataset, library_videos: list[Path], tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in library_videos[1:]:
        shutil.copy(path, moved)
    internvid.repair(own.root, moved=[f"{library_videos[0].parent}={moved}"])
    own.refresh()
    gone = own.sql(f"select video_id from videos where uri like '%{library_videos[0].name}'")
    ((video_id,),) = gone.fetchall()
    settings = ["caption=story", "media.pixels=clips", "media.cut.size=32"]
    manifest = internvid.make_dialogues(own, tmp_path / "out", settings=settings)
    rows = dialogues_of(tmp_path / "out")
    assert all(video_id not in row["video_ids"] for row in rows)
    assert len({video for row in rows for video in row["video_ids"]}) == 5
    assert set(manifest["documents_left_out"]) == {"no_video"}
    assert {each["reason"] for each in manifest["missing"]} == {"source_gone"}
    assert all((tmp_path / "out" / path).is_file() for row in rows for path in row["videos"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["about=film"], "about is clip, video or"),
        (["pairs=0"], "leaves no question"),
        (["media.pixels=frames"], "dialogues are about videos"),
        (["tokens=0"], "tokens must be at least 1"),
        (["token=<clip>"], "token is one of"),
        (["caption=nothing"], "no such column"),
        (["transcript=nothing"], "no such column"),
        (["model.prompt=Talk."], "where the notes go"),
    ],
)
def test_settings_that_make_no_dialogue_are_refused(
    library: Dataset, tmp_path: Path, settings: list[str], message: str
) -> None:
    with pytest.raises(ConfigInvalidError, match=message):
        internvid.make_dialogues(library, tmp_path / "out", settings=["caption=story", *settings])
    assert not (tmp_path / "out").exists()


def clip(number: int, start: float, caption: str, **values: Any) -> ClipRow:
    return ClipRow(
        f"{number:032x}", "v", "v", "v.mp4", start, start + 1.0, "v", caption, "", "story",
        values=values, seconds_of_video=60.0, shots_of_video=3,
    )  # fmt: skip


def test_no_template_answers_what_is_not_certain() -> None:
    bare = Scene("name", "clip", [clip(1, 0.0, "")], 0)
    assert {turn.kind for turn in turns_of(bare, 99)} == {"length"}
    unsure = clip(1, 0.0, "", camera_move="pan", camera_direction="left", camera_confidence=0.5)
    assert turn_of("camera", Scene("name", "clip", [unsure], 0)) is None
    between = clip(1, 0.0, "", brightness=0.5, brightness_range=0.0)
    assert turn_of("light", Scene("name", "clip", [between], 0)) is None
    thin = clip(1, 0.0, "", letterbox_share=0.05, pillarbox_share=0.0)
    assert turn_of("bars", Scene("name", "clip", [thin], 0)) is None
    odd = clip(1, 0.0, "", text_boxes="{")
    assert turn_of("text", Scene("name", "clip", [odd], 0)) is None


def test_a_caption_that_stands_twice_has_no_time() -> None:
    twice = [clip(1, 0.0, "A dog."), clip(2, 5.0, "a dog."), clip(3, 9.0, "A cat.")]
    for seed in range(20):
        turn = turn_of("when", Scene("name", "video", twice, seed))
        assert turn is not None
        assert "A cat." in turn.question
    elsewhere = frozenset({"a cat."})
    scene = Scene("name", "video", twice, 0, captions_elsewhere=elsewhere)
    assert turn_of("when", scene) is None
    assert turn_of("order", scene) is None


def test_what_is_listed_in_order_leaves_nothing_out() -> None:
    rows = [clip(at, start, f"Dog {at}.") for at, start in enumerate((0, 1, 2, 9, 10, 20))]
    rows.insert(2, clip(9, 2, ""))
    turn = turn_of("sequence", Scene("name", "video", rows, 0))
    assert turn is not None
    assert turn.answer == "First: Dog 0. At last: Dog 1."
    assert "0.0" in turn.question
    assert "2.0" in turn.question
    assert turn_of("sequence", Scene("name", "video", rows[::4], 0)) is None


def test_text_in_the_picture_is_counted() -> None:
    for boxes, words in (([], "No"), ("[]", "No"), ([[0, 0, 1, 1]], "one"), ([[0] * 4] * 2, "2")):
        turn = turn_of("text", Scene("name", "clip", [clip(1, 0.0, "", text_boxes=boxes)], 0))
        assert turn is not None
        assert words in turn.answer


def test_every_kind_has_wordings() -> None:
    assert set(QUESTIONS) == {*CLIP_KINDS, *VIDEO_KINDS}
    assert all(len(set(words)) >= 3 for words in QUESTIONS.values())


def test_the_command_says_what_it_wrote(
    library: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dialogues", str(library.root), str(tmp_path / "out"), "--caption", "story"]
    assert main([*words, "--plan"]) == 0
    assert "describe" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert main(words) == 0
    assert "dialogues of 29 clips" in capsys.readouterr().out
    check = ["dialogues", str(library.root), str(tmp_path / "out"), "--verify"]
    assert main(check) == 0
    assert "answers follow from the dataset" in capsys.readouterr().out
    assert main([*check, "--seed", "1"]) == 2
    assert main([*words, "--plan", "--model", "m"]) == 2

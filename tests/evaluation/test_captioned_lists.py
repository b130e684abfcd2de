"""Lists of captions as they are shared: whole, with the published counts, or refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from internvid.core.errors import AnnotationInvalidError, SourceMissingError
from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.captioned import (
    read_captions,
    read_lsmdc,
    read_msrvtt,
    read_vatex,
)
from internvid.evaluation.annotations.moments import read_activitynet, read_didemo
from internvid.evaluation.annotations.msvd import read_msvd
from internvid.evaluation.annotations.texts import read_texts
from tests.evaluation.lists import Write, texts


def test_real_msrvtt_1ka(media: Path) -> None:
    found = read_msrvtt(media / "text" / "msrvtt_1kA_test.csv")
    assert len(found.clips) == 1000
    assert found.clips[0].clip == "video9770"
    assert found.clips[0].texts == ("a person is connecting something to system",)
    assert {len(clip.texts) for clip in found.clips} == {1}


def test_real_didemo(media: Path) -> None:
    path = media / "text" / "didemo_val.json"
    rows = json.loads(path.read_text("utf-8"))
    found = read_didemo(path)
    assert len(found.clips) == 1065
    assert {clip.clip for clip in found.clips} == {row["video"].rpartition(".")[0] for row in rows}
    assert sum(len(clip.texts) for clip in found.clips) == len(rows)
    assert {clip.span for clip in found.clips} == {TimeSpan(0, 30)}
    joined = found.as_paragraphs()
    assert {len(clip.texts) for clip in joined.clips} == {1}
    assert joined.clips[0].texts[0].startswith("the man in the hat briefly bends over")
    assert joined.digest != found.digest


def test_msrvtt_in_every_form(write: Write) -> None:
    data = {
        "videos": [
            {"video_id": "video0", "split": "train"}, {"video_id": "video1", "split": "test"},
        ],
        "sentences": [
            {"video_id": "video0", "caption": "a"}, {"video_id": "video1", "caption": "b"},
            {"video_id": "video0", "caption": "c"},
        ],
    }  # fmt: skip
    whole = write("MSRVTT_data.json", data)
    train = write("MSRVTT_train.9k.csv", "video_id\nvideo0\n")
    assert texts(read_msrvtt(train, whole)) == {"video0": ("a", "c")}
    assert texts(read_msrvtt(whole)) == {"video1": ("b",)}
    assert texts(read_msrvtt(whole, split="train")) == {"video0": ("a", "c")}
    with pytest.raises(AnnotationInvalidError, match=r"MSRVTT_data\.json as well"):
        read_msrvtt(train)
    with pytest.raises(AnnotationInvalidError, match="has no sentence of video9"):
        read_msrvtt(write("x.csv", "video_id\nvideo9\n"), whole)


def test_lsmdc(write: Write) -> None:
    clip = "1001_American_Beauty_00.00.51.926-00.00.54.129"
    row = f'{clip}\t00:00:51\t00:00:54\t00:00:51\t00:00:54\tHe says "hi, then leaves.\n'
    found = read_lsmdc(write("l.csv", row))
    assert texts(found) == {clip: ('He says "hi, then leaves.',)}
    with pytest.raises(AnnotationInvalidError, match="line 2: 2 cells"):
        read_lsmdc(write("l.csv", row + "a\tb\n"))


def test_didemo(write: Write) -> None:
    rows = [{"video": "v.mov", "description": "one"}, {"video": "w.mp4", "description": "three"},
            {"video": "v.mp4", "description": "two"}]  # fmt: skip
    path = write("val_data.json", rows)
    assert texts(read_didemo(path)) == {"v": ("one", "two"), "w": ("three",)}
    assert texts(read_didemo(path).as_paragraphs())["v"] == ("one two",)
    assert texts(read_didemo(path, write("val_list.txt", "w.mp4\n"))) == {"w": ("three",)}
    with pytest.raises(AnnotationInvalidError, match=r"val_list\.txt, line 2: 'x'"):
        read_didemo(path, write("val_list.txt", "w.mp4\nx\n"))
    with pytest.raises(AnnotationInvalidError, match=r"\[0\]"):
        read_didemo(write("d.json", [{"video": "v", "description": ""}]))
    reference = read_didemo(write("r.json", [{"video": "v.mp4", "caption": ["a", "b"]}]))
    assert reference.clips[0].span == TimeSpan(0, 30)


def test_activitynet(write: Write) -> None:
    row = {"duration": 9.0, "timestamps": [[0, 1], [1, 2]], "sentences": [" a. ", "b."]}
    path = write("val_1.json", {"v_x": row, "v_y": row})
    found = read_activitynet(path)
    assert found.clips[0].names == ("v_x", "x")
    assert texts(found.as_paragraphs())["v_x"] == ("a. b.",)
    assert list(texts(read_activitynet(path, write("ids.json", ["v_y"])))) == ["v_y"]
    with pytest.raises(AnnotationInvalidError, match="v_x: timestamps"):
        read_activitynet(write("v.json", {"v_x": row | {"timestamps": [[0, 1]]}}))


def test_vatex(write: Write) -> None:
    rows = [{"videoID": f"Ptf_2VRj-V{n}_000122_000132", "enCap": ["a", "b"], "chCap": ["x"]}
            for n in range(2)]  # fmt: skip
    path = write("vatex.json", rows)
    found = read_vatex(path)
    assert found.clips[0].names == ("Ptf_2VRj-V0_000122_000132", "Ptf_2VRj-V0")
    ids = write("ids.txt", "Ptf_2VRj-V1_000122_000132\n")
    assert list(texts(read_vatex(path, ids))) == ["Ptf_2VRj-V1_000122_000132"]


def test_any_captions(write: Write) -> None:
    csv = write("a.csv", "\ufeffvideo_id,sentence\nv1,one\nv2,two\nv1,three\n")
    assert texts(read_captions(csv)) == {"v1": ("one", "three"), "v2": ("two",)}
    other = write("b.csv", "path,caption\nv1.mp4,one\nv1.mp4,two\n")
    assert texts(read_captions(other)) == texts(read_texts([other])) == {"v1.mp4": ("one", "two")}
    rows = [{"video": "v1.mp4", "caption": "one"}, {"video": "v2.mp4", "caption": ["a", "b"]},
            {"video": "v1.mp4", "caption": "two"}]  # fmt: skip
    assert texts(read_captions(write("a.json", rows))) == {
        "v1.mp4": ("one", "two"), "v2.mp4": ("a", "b"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "video_id,what\n", "line 1: there is no column 'sentence'"),
        ("a.csv", "video_id,sentence\nv1,one\nv2\n", "line 3: 1 cells under 2 columns"),
        ("a.csv", 'video_id,sentence\nv1,"one\n', "no CSV"),
        ("a.csv", "video_id,sentence\n,one\n", "line 2: video_id or sentence is empty"),
        ("a.csv", "video_id,sentence\n", "list no clip"),
        ("a.csv", "", "no column"),
        ("a.json", '[{"video": "a",\n "caption": }]', "line 2: no JSON"),
        ("a.json", {"a": 1}, "a JSON dict"),
        ("a.json", [1], r"\[0\]: a int"),
        ("a.json", [{"video": "a"}], r"\[0\]: 'caption' is None"),
        ("a.json", [{"video": "a", "caption": ["x", " "]}], "empty text"),
        ("a.json", [], "list no clip"),
    ],
)
def test_damage_is_named_with_its_place(
    write: Write, name: str, content: Any, message: str
) -> None:
    with pytest.raises(AnnotationInvalidError, match=message):
        read_captions(write(name, content))


def test_bytes_that_are_no_text_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"video_id,sentence\nv1,one\nv2,\xff\xfe\n")
    with pytest.raises(AnnotationInvalidError, match="line 3: no UTF-8"):
        read_captions(path)
    with pytest.raises(SourceMissingError):
        read_captions(tmp_path / "none.csv")


def test_msvd_reads_its_pickle(tmp_path: Path, write: Write) -> None:
    listed = write("test_list.txt", "kid_1_5\ndog_0_3\n")
    captions = {"kid_1_5": [["a", "kid"], ["one", "child", "runs"]], "dog_0_3": [["a", "dog"]]}
    for protocol in range(5):
        path = tmp_path / "raw-captions.pkl"
        path.write_bytes(pickle.dumps(captions, protocol))
        assert texts(read_msvd(listed, path)) == {
            "kid_1_5": ("a kid", "one child runs"), "dog_0_3": ("a dog",),
        }  # fmt: skip
    # As Python 2 wrote it: texts are byte strings.
    path.write_bytes(b"(dp0\nS'kid_1_5'\np1\n(lp2\n(lp3\nS'a'\np4\naS'kid'\np5\naas.")
    assert texts(read_msvd(write("one.txt", "kid_1_5"), path)) == {"kid_1_5": ("a kid",)}


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("owned"),))


def test_msvd_runs_nothing_that_a_pickle_asks_for(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listed, path = write("test_list.txt", "a\n"), tmp_path / "raw-captions.pkl"
    damaged = [b"", b"\x80\x04", pickle.dumps({"a": [["b"]]})[:-3], b"garbage", b"\x80\x04N."]
    for content in (pickle.dumps({"a": Evil()}), *damaged, pickle.dumps({"a": [[1]]})):
        path.write_bytes(content)
        with pytest.raises(AnnotationInvalidError):
            read_msvd(listed, path)
    assert not (tmp_path / "owned").exists()

"""Annotation files as they are shared: whole, with the published counts, or refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from internvid.core.errors import AnnotationInvalidError, ConfigInvalidError, SourceMissingError
from internvid.core.types import TimeSpan
from internvid.evaluate.annotations.actions import (
    read_hmdb51,
    read_labelled,
    read_ssv2,
    read_ucf101,
)
from internvid.evaluate.annotations.captioned import (
    read_captions,
    read_lsmdc,
    read_msrvtt,
    read_vatex,
)
from internvid.evaluate.annotations.finding import VideoFolder
from internvid.evaluate.annotations.labelled import read_classes, read_kinetics
from internvid.evaluate.annotations.moments import read_activitynet, read_didemo
from internvid.evaluate.annotations.msvd import read_msvd

Write = Callable[[str, Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    return write


def labels(found: Any) -> list[tuple[str, str]]:
    return [(clip.clip, clip.label) for clip in found.clips]


def texts(found: Any) -> dict[str, tuple[str, ...]]:
    return {clip.clip: clip.texts for clip in found.clips}


# Real files.


@pytest.mark.parametrize(
    ("name", "count"),
    [("kinetics400", 400), ("kinetics700", 700), ("ssv2", 174), ("ucf101", 101),
     ("activitynet", 200)],
)  # fmt: skip
def test_real_class_lists_have_the_published_counts(media: Path, name: str, count: int) -> None:
    classes = read_classes(media / "text" / f"{name}_classes.txt")
    assert len(classes) == len(set(classes)) == count


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


# Classes.


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "abseiling\nair drumming\n"),
        ("b.txt", "1 abseiling\n2 air drumming\n"),
        ("c.txt", "1 air drumming\n0 abseiling"),
        ("d.csv", "id,name\n0,abseiling\n1,air drumming\n"),
        ("e.json", ["abseiling", "air drumming"]),
        ("f.json", {"air drumming": "1", "abseiling": "0"}),
        ("g.json", {'"air drumming"': 1, '"abseiling"': 0}),
    ],
)
def test_class_lists_of_every_form(write: Write, name: str, content: Any) -> None:
    assert read_classes(write(name, content)) == ("abseiling", "air drumming")


@pytest.mark.parametrize("content", [{"a": 0, "b": 2}, {"a": True}, {"a": "x"}, [1], 5])
def test_class_lists_with_gaps_are_refused(write: Write, content: Any) -> None:
    with pytest.raises(AnnotationInvalidError):
        read_classes(write("c.json", content))


DEEPMIND = (
    "label,youtube_id,time_start,time_end,split\n"
    'testifying,---QUuC4vJs,84,94,validate\n"a, b",abC-_12,0,10,train\n'
)


def test_kinetics_csv_of_deepmind(write: Write) -> None:
    path = write("k.csv", DEEPMIND)
    found = read_kinetics(path)
    assert labels(found) == [
        ("---QUuC4vJs_000084_000094", "testifying"),
        ("abC-_12_000000_000010", "a, b"),
    ]
    assert found.clips[0].names == ("---QUuC4vJs_000084_000094", "---QUuC4vJs")
    assert found.classes == ("a, b", "testifying")
    assert len(read_kinetics(path, split="validate").clips) == 1
    with pytest.raises(AnnotationInvalidError, match="no row is of split 'val'"):
        read_kinetics(path, split="val")


def test_kinetics_lists_of_paths(write: Write) -> None:
    classes = ("abseiling", "yoga")
    for content in ("x/a.mp4,1\nb.mp4,0\n", "x/a.mp4 1\nb.mp4 0\n", "x/a.mp4 120 1\nb.mp4 90 0\n"):
        found = read_kinetics(write("val.csv", content), classes=classes)
        assert labels(found) == [("x/a.mp4", "yoga"), ("b.mp4", "abseiling")]
    named = read_kinetics(write("named.csv", "a.mp4,yoga\nb.mp4,air drumming\n"))
    assert named.classes == ("air drumming", "yoga")
    with pytest.raises(AnnotationInvalidError, match="class list"):
        read_kinetics(write("val.csv", "a.mp4,1\n"))
    with pytest.raises(AnnotationInvalidError, match="line 2: class 7 of 2"):
        read_kinetics(write("val.csv", "a.mp4,1\nb.mp4,7\n"), classes=classes)


def test_kinetics_json_of_the_reference_has_a_fixed_order_of_classes(write: Write) -> None:
    rows = [{"video": "a.mp4", "caption": "yoga"}, {"video": "b.mp4", "caption": "abseiling"}]
    assert read_kinetics(write("k.json", rows)).classes == ("abseiling", "yoga")


def test_kinetics_as_folders(tmp_path: Path) -> None:
    for name in ("yoga/b.mp4", "yoga/notes.txt", "abseiling/a.webm"):
        (tmp_path / "k" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "k" / name).touch()
    found = read_kinetics(tmp_path / "k")
    assert labels(found) == [("abseiling/a.webm", "abseiling"), ("yoga/b.mp4", "yoga")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceMissingError):
        read_kinetics(tmp_path / "empty")


def test_ssv2(write: Write) -> None:
    row = {"id": "78687", "label": "holding potato next to vicks vaporub bottle",
           "template": "Holding [something] next to [something]",
           "placeholders": ["potato", "vicks"]}  # fmt: skip
    label = "Holding something next to something"
    classes = read_classes(write("labels.json", {"Approaching something": "0", label: "1"}))
    found = read_ssv2(write("validation.json", [row]), classes=classes)
    assert labels(found) == [("78687", label)]
    assert labels(read_ssv2(write("v.csv", "78687 50 1\n"), classes=classes)) == [("78687", label)]
    with pytest.raises(AnnotationInvalidError, match=r"\[0\]: 'template' is None"):
        read_ssv2(write("test.json", [{"id": "1420"}]))
    with pytest.raises(AnnotationInvalidError, match="not among the 1 classes"):
        read_ssv2(write("validation.json", [row]), classes=("other",))


def test_ucf101(write: Write) -> None:
    classes = read_classes(write("classInd.txt", "1 ApplyEyeMakeup\n2 ApplyLipstick\n"))
    test = write("testlist01.txt", "ApplyLipstick/v_ApplyLipstick_g01_c01.avi\n")
    found = read_ucf101(test, classes=classes)
    assert labels(found) == [("v_ApplyLipstick_g01_c01", "ApplyLipstick")]
    train = write("trainlist01.txt", "ApplyLipstick/v_x.avi 2\n")
    assert len(read_ucf101(train, classes=classes).clips) == 1
    with pytest.raises(AnnotationInvalidError, match="line 1: class 1 is ApplyEyeMakeup"):
        read_ucf101(write("t.txt", "ApplyLipstick/v_x.avi 1\n"), classes=classes)
    with pytest.raises(AnnotationInvalidError, match="line 2"):
        read_ucf101(write("t.txt", "A/v.avi\nv_x.avi\n"))


def test_hmdb51(write: Write, tmp_path: Path) -> None:
    write("h/brush_hair_test_split1.txt", "a.avi 1 \nb[1].avi 2 \nc.avi 0 \n")
    write("h/wave_test_split1.txt", "w.avi 2 \n")
    write("h/wave_test_split2.txt", "w.avi 1 \n")
    assert labels(read_hmdb51(tmp_path / "h")) == [("b[1].avi", "brush_hair"), ("w.avi", "wave")]
    train = read_hmdb51(tmp_path / "h", part="train")
    assert labels(train) == [("a.avi", "brush_hair")]
    assert train.classes == ("brush_hair", "wave")
    with pytest.raises(SourceMissingError):
        read_hmdb51(tmp_path / "h", split=3)
    write("h/wave_test_split1.txt", "w.avi 7\n")
    with pytest.raises(AnnotationInvalidError, match="line 1"):
        read_hmdb51(tmp_path / "h")


# Texts.


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
    rows = [{"video": "v1.mp4", "caption": "one"}, {"video": "v2.mp4", "caption": ["a", "b"]},
            {"video": "v1.mp4", "caption": "two"}]  # fmt: skip
    assert texts(read_captions(write("a.json", rows))) == {
        "v1.mp4": ("one", "two"), "v2.mp4": ("a", "b"),
    }  # fmt: skip


def test_a_clip_with_two_labels_is_refused(write: Write) -> None:
    rows = [{"video": "a", "caption": "x"}, {"video": "a", "caption": "y"}]
    with pytest.raises(AnnotationInvalidError, match="clip 'a' is listed 2 times"):
        read_kinetics(write("a.json", rows))


# Damage.


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "video_id,caption\n", "line 1: there is no column 'sentence'"),
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


# Videos.


def test_videos_are_found_whatever_their_extension(tmp_path: Path) -> None:
    for name in (
        "a/video7.webm", "b/78687.xyz", "1001_A_00.00.51.926-00.00.54.129.avi", "c/one.mov.mp4",
        "c/same.mp4", "d/same.mp4", "Aa.mp4", "aA.mp4", "b/video8.txt", "one.jpg", ".hidden.mp4",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    folder = VideoFolder.scan(tmp_path)

    def found(*names: str) -> str:
        path = folder.find(names)
        return path if isinstance(path, str) else path.relative_to(tmp_path).as_posix()

    assert found("video7") == found("elsewhere/video7.mp4") == "a/video7.webm"
    assert found("78687") == "b/78687.xyz"
    assert found("1001_A_00.00.51.926-00.00.54.129").endswith(".avi")
    assert found("one.mov") == found("one") == found("one.avi") == "c/one.mov.mp4"
    assert found("same") == "ambiguous"
    assert found("/data/d/same.mp4") == "d/same.mp4"
    assert found("Aa") == "Aa.mp4"
    assert found("video8") == found("video") == found(".hidden") == "not_found"
    assert found("nothing", "video7") == "a/video7.webm"


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError):
        VideoFolder.scan(tmp_path)
    with pytest.raises(SourceMissingError):
        VideoFolder.scan(tmp_path / "none")


# Any form.


def test_the_form_of_a_labelled_list_is_told_by_its_content(write: Write, tmp_path: Path) -> None:
    ssv2 = write("s.json", [{"id": "7", "template": "Moving [something] up", "label": ""}])
    assert labels(read_labelled(ssv2)) == [("7", "Moving something up")]
    reference = write("r.json", [{"video": "a.mp4", "caption": "yoga"}])
    assert labels(read_labelled(reference)) == [("a.mp4", "yoga")]
    for line in ("Archery/v_Archery_g01_c01.avi", "Archery/v_Archery_g01_c01.avi 1"):
        assert labels(read_labelled(write("u.txt", line))) == [("v_Archery_g01_c01", "Archery")]
    assert labels(read_labelled(write("p.csv", "yoga/a.mp4,yoga\n"))) == [("yoga/a.mp4", "yoga")]
    assert len(read_labelled(write("k.csv", DEEPMIND), split="train").clips) == 1
    write("h/wave_test_split2.txt", "a.avi 1\nb.avi 2\n")
    folder = tmp_path / "h"
    assert labels(read_labelled(folder, split="2")) == [("b.avi", "wave")]
    assert labels(read_labelled(folder, split="2", part="train")) == [("a.avi", "wave")]
    with pytest.raises(ConfigInvalidError, match="splits 1, 2 and 3"):
        read_labelled(folder, split="test")
    (tmp_path / "tree" / "yoga").mkdir(parents=True)
    (tmp_path / "tree" / "yoga" / "a.mp4").touch()
    assert labels(read_labelled(tmp_path / "tree")) == [("yoga/a.mp4", "yoga")]

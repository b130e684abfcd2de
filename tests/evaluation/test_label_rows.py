"""Lists of clips and labels in the layouts that are shared: read right, or refused by line."""

from __future__ import annotations

from typing import Any

import pytest

from internvid.core.errors import AnnotationInvalidError, ConfigInvalidError
from internvid.evaluation.annotations.actions import read_hmdb51, read_labelled, read_ucf101
from internvid.evaluation.annotations.label_rows import read_label_rows
from internvid.evaluation.annotations.labelled import read_classes, read_kinetics
from internvid.evaluation.benchmarks.recognition import Kinetics400
from tests.evaluation.lists import Write, labels

DRUMMING, YOGA = ("air drumming/a b.mp4", "air drumming"), ("yoga/c.mp4", "yoga")


@pytest.mark.parametrize(
    "content",
    [
        "air drumming/a b.mp4\tair drumming\nyoga/c.mp4\tyoga\n",
        "air drumming/a b.mp4\t120\tair drumming\nyoga/c.mp4\t7\tyoga\n",
        "air drumming/a b.mp4,air drumming\r\nyoga/c.mp4,yoga\r\n",
        "air drumming/a b.mp4,120,air drumming\nyoga/c.mp4,98.0,yoga\n",
        '"air drumming/a b.mp4","air drumming"\n"yoga/c.mp4",yoga\n',
        "air drumming/a b.mp4 air drumming\nyoga/c.mp4 yoga\n",
        "air drumming/a b.mp4 120 air drumming\nyoga/c.mp4 98 yoga\n",
        "air drumming/a b.mp4\nyoga/c.mp4\n",
        "air drumming/a b.mp4;air drumming\nyoga/c.mp4;yoga\n",
        "path,label\nair drumming/a b.mp4,air drumming\nyoga/c.mp4,yoga\n",
        "\ufeffPath\tLabel\nair drumming/a b.mp4\tair drumming\nyoga/c.mp4\tyoga\n",
        "path label\nair drumming/a b.mp4 air drumming\nyoga/c.mp4 yoga\n",
        "label,num_frames,video_path\nair drumming,3,air drumming/a b.mp4\nyoga,4,yoga/c.mp4\n",
        "id,clip_path,class_id,label\n1,air drumming/a b.mp4,0,air drumming\n2,yoga/c.mp4,1,yoga\n",
        "air drumming/a b.mp4,air drumming,7,3\nyoga/c.mp4,yoga,3,0\n",
    ],
)
def test_names_of_classes(write: Write, content: str) -> None:
    found = read_labelled(write("val.csv", content))
    assert labels(found) == [DRUMMING, YOGA]
    assert found.classes == ("air drumming", "yoga")


@pytest.mark.parametrize(
    "content",
    [
        "air drumming/a b.mp4 0\nyoga/c.mp4 1\n",
        "air drumming/a b.mp4 120 0\nyoga/c.mp4 98 1\n",
        "air drumming/a b.mp4\t0\nyoga/c.mp4\t1\n",
        "air drumming/a b.mp4,120,0\nyoga/c.mp4,98,1\n",
        "path,label\nair drumming/a b.mp4,0\nyoga/c.mp4,1\n",
    ],
)
def test_numbers_of_classes(write: Write, content: str) -> None:
    path = write("val.txt", content)
    assert labels(read_labelled(path, classes=("air drumming", "yoga"))) == [DRUMMING, YOGA]
    with pytest.raises(AnnotationInvalidError, match="classes are numbers"):
        read_labelled(path)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        # Folders of frames and bare ids have no ending that parts path and label.
        ("air drumming/abc 120 1\n", [("air drumming/abc", "1")]),
        ("78687 50 1\n", [("78687", "1")]),
        ("air drumming/abc yoga\n", [("air drumming/abc", "yoga")]),
        ("abc air drumming\n", [("abc", "air drumming")]),
        ("100218;Putting [something], then leaving\n7;Drumming Fingers\n",
         [("100218", "Putting [something], then leaving"), ("7", "Drumming Fingers")]),
        ('a,"b.mp4",1\n', [("a", "1")]),
        ("12;Putting a; then b\n13;Pushing\n", [("12", "Putting a; then b"), ("13", "Pushing")]),
        ('"a b.mp4" "air drumming"\n', [("a b.mp4", "air drumming")]),
        ('a.mp4\t"air drumming"\n', [("a.mp4", "air drumming")]),
        ("Hello, world.mp4,1\n", [("Hello, world.mp4", "1")]),
        ("#20_Rhythm_clap_u_nm.avi,clap\n", [("#20_Rhythm_clap_u_nm.avi", "clap")]),
        ("a.mp4 vault 2\n", [("a.mp4", "vault 2")]),
    ],
)  # fmt: skip
def test_rows_without_usual_names(write: Write, content: str, rows: list[tuple[str, str]]) -> None:
    if rows[0][0] == "a":
        with pytest.raises(AnnotationInvalidError, match=r"middle cell 'b\.mp4' is no number"):
            read_label_rows(write("val.csv", content))
        return
    found = read_label_rows(write("val.csv", content))
    assert [(row.clip, row.label) for row in found] == rows


def test_a_label_that_is_a_class_is_taken_whole(write: Write) -> None:
    classes = ("99 bottles", "putting a, b and c", "3")
    path = write("v.txt", "a.mp4 99 bottles\nb.mp4 3\n")
    assert [c.label for c in read_labelled(path, classes=classes).clips] == ["99 bottles", "3"]
    path = write("v.csv", "a.mp4,putting a, b and c\n")
    assert read_labelled(path, classes=classes).clips[0].label == "putting a, b and c"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.mp4\tair drumming\nb.mp4 yoga\n", "line 2"),
        ("a.mp4,air,drumming\n", "line 1: the middle cell 'air' is no number"),
        ("a.mp4,yoga\nb.mp4,1,2,yoga\n", "line 2: 4 cells"),
        ("a.mp4,\n", "line 1: an empty cell"),
        ("yoga/a.mp4,\n", "line 1: an empty cell"),
        ("url_of_it,what\na.mp4,yoga\nb.mp4,dance\n", "line 1: 'url_of_it' and 'what' look like"),
        ("frames total\n78687 1\n78688 2\n", "line 1: 'frames' and 'total' look like a header"),
        ("path,label\na.mp4\n", "line 2: 1 cells under 2 columns"),
        ("path,label\na.mp4,\n", "line 2: path or label is empty"),
        ("a.mp4 0 120 yoga\n", "line 1: several numbers"),
        ("some/dir 0 120 5\n", "line 1: several numbers"),
        ("a.mp4\n", "line 1: 'a.mp4' has no label"),
        ("", "is empty"),
    ],
)
def test_what_does_not_fit_is_named(write: Write, content: str, message: str) -> None:
    with pytest.raises(AnnotationInvalidError, match=message):
        read_label_rows(write("val.txt", content))


def test_a_header_is_no_clip_and_no_class(write: Write) -> None:
    found = read_kinetics(write("k.csv", "path,label\na.mp4,yoga\nb.mp4,dancing\n"))
    assert found.classes == ("dancing", "yoga")
    assert len(found.clips) == 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "label\nabseiling\nair drumming\n"),
        ("b.csv", "class_id,class_name\n1,air drumming\n0,abseiling\n"),
        ("c.tsv", "id\tname\n0\tabseiling\n1\tair drumming\n"),
        ("d.txt", "abseiling 0\nair drumming 1\n"),
        ("e.txt", "air drumming,2\nabseiling,1\n"),
        ("f.json", {"0": "abseiling", "1": "air drumming"}),
        ("g.csv", "ID,Name\n0,abseiling\n1,air drumming\n"),
    ],
)
def test_class_lists_with_headers_and_numbers(write: Write, name: str, content: Any) -> None:
    assert read_classes(write(name, content)) == ("abseiling", "air drumming")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.mp4,abseiling\nb.mp4,yoga\n", "names a video"),
        ("abseiling\nabseiling\n", "listed twice"),
        ("air drumming\nair_drumming\n", "in other letters"),
    ],
)
def test_lists_that_are_no_class_lists_are_refused(
    write: Write, content: str, message: str
) -> None:
    with pytest.raises(AnnotationInvalidError, match=message):
        read_classes(write("classes.txt", content))


def test_numbers_count_as_the_class_list_does(write: Write) -> None:
    classes = read_classes(write("classInd.txt", "1 abseiling\n2 yoga\n"))
    assert classes == ("abseiling", "yoga")
    from_one = write("one.txt", "a.mp4 1\nb.mp4 2\n")
    assert [c.label for c in read_labelled(from_one, classes=classes).clips] == list(classes)
    from_zero = write("zero.txt", "a.mp4 0\nb.mp4 1\n")
    assert [c.label for c in read_labelled(from_zero, classes=classes).clips] == list(classes)
    with pytest.raises(AnnotationInvalidError, match="line 1: class 3 of 2"):
        read_labelled(write("three.txt", "a.mp4 3\n"), classes=classes)


def test_more_classes_than_the_set_has_are_refused(write: Write) -> None:
    classes = write("classes.txt", "".join(f"class {at} of many\n" for at in range(700)))
    benchmark = Kinetics400((str(write("v.csv", "a.mp4,3\n")),), ".", classes=str(classes))
    with pytest.raises(ConfigInvalidError, match="lists 700 classes and k400 has 400"):
        benchmark.read()


def test_ucf101_counts_from_one_or_from_zero(write: Write) -> None:
    classes = read_classes(write("classInd.txt", "1 ApplyEyeMakeup\n2 Archery\n"))
    rows = "ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01{} {}\nArchery/v_Archery_g01_c01{} {}\n"
    for content in (
        rows.format(".avi", 1, ".avi", 2),
        rows.format(".avi", 0, ".avi", 1),
        rows.format("", "90 1", "", "70 2"),
        rows.format(".mp4", 1, ".mp4", 2),
    ):
        found = read_labelled(write("trainlist01.txt", content), classes=classes)
        assert [clip.label for clip in found.clips] == list(classes)
    with pytest.raises(AnnotationInvalidError, match="line 1: class 2 is Archery"):
        read_ucf101(write("x.txt", rows.format(".avi", 2, ".avi", 1)), classes=classes)
    kaggle = "clip_name,clip_path,label\nv_Archery_g01_c01,/train/Archery/v_x.avi,Archery\n"
    found = read_labelled(write("train.csv", kaggle))
    assert labels(found) == [("/train/Archery/v_x.avi", "Archery")]


def test_hmdb51_as_one_csv(write: Write) -> None:
    path = write(
        "hmdb51.csv",
        "video_id,label,split1,split2,split3\na.avi,brush_hair_test,1,2,0\n"
        "b[1].avi,brush_hair_test,2,1,1\nw.avi,wave_test,2,0,1\n",
    )
    assert labels(read_labelled(path)) == [("b[1].avi", "brush_hair"), ("w.avi", "wave")]
    assert labels(read_labelled(path, split="2", part="train")) == [("b[1].avi", "brush_hair")]
    found = read_hmdb51(path, split=2)
    assert labels(found) == [("a.avi", "brush_hair")]
    assert found.classes == ("brush_hair", "wave")
    with pytest.raises(ConfigInvalidError, match="splits 1, 2 and 3"):
        read_labelled(path, split="val")


def test_kinetics_json_of_deepmind(write: Write) -> None:
    rows = {"-3B32lodo2M": {"annotations": {"label": "yoga", "segment": [59.0, 69.0]},
                            "duration": 10.0, "subset": "validate"}}  # fmt: skip
    found = read_labelled(write("validate.json", rows), split="val")
    assert labels(found) == [("-3B32lodo2M_000059_000069", "yoga")]
    assert found.clips[0].names == ("-3B32lodo2M_000059_000069", "-3B32lodo2M")


def test_json_under_other_names(write: Write) -> None:
    rows = [{"vid_name": "a", "label": 1, "start_frame": 0}, {"vid_name": "b", "label": 0}]
    found = read_labelled(write("Diving48.json", rows), classes=("back", "front"))
    assert labels(found) == [("a", "front"), ("b", "back")]
    lines = '{"video": "a.mp4", "label": "yoga"}\n{"video": "b.mp4", "label": "dance"}\n'
    assert labels(read_labelled(write("a.jsonl", lines))) == [("a.mp4", "yoga"), ("b.mp4", "dance")]
    with pytest.raises(AnnotationInvalidError, match="classes are numbers"):
        read_labelled(write("Diving48.json", rows))


def test_a_column_of_splits_is_heeded(write: Write) -> None:
    path = write("all.csv", "path,split,label\na.mp4,train,yoga\nb.mp4,val,dance\n")
    assert labels(read_labelled(path, split="validation")) == [("b.mp4", "dance")]
    assert len(read_labelled(path).clips) == 2
    # Training never takes the rows to be measured on.
    assert labels(read_labelled(path, part="train")) == [("a.mp4", "yoga")]
    only = write("val.csv", "path,split,label\nb.mp4,val,dance\n")
    assert labels(read_labelled(only, part="train")) == [("b.mp4", "dance")]
    kinetics = "label,youtube_id,time_start,time_end,split\nyoga,a,0,9,train\ndance,b,0,9,val\n"
    assert read_labelled(write("k.csv", kinetics), part="train").classes == ("yoga",)
    with pytest.raises(AnnotationInvalidError, match="no row is of split 'test'"):
        read_labelled(path, split="test")


@pytest.mark.parametrize("name", ["validate", "val", "validation", "VAL"])
def test_splits_have_several_names(write: Write, name: str) -> None:
    header = "label,youtube_id,time_start,time_end,split\n"
    path = write("k.csv", header + "yoga,abc,0,10,val\ndance,def,0,10,train\n")
    assert labels(read_kinetics(path, split=name)) == [("abc_000000_000010", "yoga")]
    with pytest.raises(AnnotationInvalidError, match="no row is of split 'test'") as caught:
        read_kinetics(path, split="test")
    assert caught.value.hint == "expected one of the file's splits: 'train' (1), 'val' (1)"

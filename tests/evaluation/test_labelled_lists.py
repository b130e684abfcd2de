"""Lists of classes as they are shared: whole, with the published counts, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from internvid.core.errors import AnnotationInvalidError, ConfigInvalidError, SourceMissingError
from internvid.evaluation.annotations.actions import (
    read_hmdb51,
    read_labelled,
    read_ssv2,
    read_ucf101,
)
from internvid.evaluation.annotations.labelled import read_classes, read_kinetics
from tests.evaluation.lists import Write, labels


@pytest.mark.parametrize(
    ("name", "count"),
    [("kinetics400", 400), ("kinetics700", 700), ("ssv2", 174), ("ucf101", 101),
     ("activitynet", 200)],
)  # fmt: skip
def test_real_class_lists_have_the_published_counts(media: Path, name: str, count: int) -> None:
    classes = read_classes(media / "text" / f"{name}_classes.txt")
    assert len(classes) == len(set(classes)) == count


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
    assert len(read_kinetics(path, split="val").clips) == 1
    with pytest.raises(AnnotationInvalidError, match="no row is of split 'test'"):
        read_kinetics(path, split="test")


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


def test_a_clip_with_two_labels_is_refused(write: Write) -> None:
    rows = [{"video": "a", "caption": "x"}, {"video": "a", "caption": "y"}]
    with pytest.raises(AnnotationInvalidError, match="clip 'a' is listed 2 times"):
        read_kinetics(write("a.json", rows))


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

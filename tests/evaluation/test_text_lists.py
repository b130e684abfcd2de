"""Texts of clips in the layouts that are shared, recognised by content, one reader each."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest

from internvid.core.errors import AnnotationInvalidError, ConfigInvalidError
from internvid.core.types import TimeSpan
from internvid.evaluation.annotations.actions import read_labelled
from internvid.evaluation.annotations.charades import (
    read_action_names,
    read_charades,
    read_charades_actions,
)
from internvid.evaluation.annotations.choices import read_choices
from internvid.evaluation.annotations.moments import (
    read_activitynet,
    read_charades_sta,
    read_youcook2,
)
from internvid.evaluation.annotations.msvd import read_msvd
from internvid.evaluation.annotations.texts import is_texts, lists_ids, read_texts
from tests.evaluation.lists import Write, labels, texts

CHARADES = (
    "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"
    'AB12C,S1,Hall,6,7,Yes,"A boy sits, then reads.",book,a boy sits;he reads,'
    "c092 11.90 21.20;c147 0.00 12.60;c092 25.00 26.00,30.96\n"
    "XY00Z,S2,Attic,5,7,Yes,A girl looks.,,,,22.00\n"
)
CODES = "c092 Sitting in a chair\nc147 Reading a book\nc000 Holding some clothes\n"


def test_charades_has_several_actions_a_video(write: Write) -> None:
    names = read_action_names(write("classes.txt", CODES))
    found = read_charades(write("Charades_v1_test.csv", CHARADES), names)
    assert [(clip.clip, clip.labels) for clip in found.clips] == [
        ("AB12C", ("Sitting in a chair", "Reading a book")), ("XY00Z", ()),
    ]  # fmt: skip
    assert found.classes == tuple(names.values())
    spans = read_charades_actions(write("c.csv", CHARADES), names)
    assert [clip.span for clip in spans.clips] == [
        TimeSpan(11.9, 21.2), TimeSpan(0, 12.6), TimeSpan(25, 26),
    ]  # fmt: skip
    assert spans.clips[1].label == "Reading a book"
    with pytest.raises(AnnotationInvalidError, match="line 2: action 'c092' is not in"):
        read_charades(write("c.csv", CHARADES), {"c147": "Reading a book"})
    with pytest.raises(AnnotationInvalidError, match=r"line 2: action 'c092 11\.90'"):
        read_charades(write("c.csv", CHARADES.replace("11.90 21.20", "11.90")), names)
    with pytest.raises(AnnotationInvalidError, match="line 2"):
        read_action_names(write("x.txt", "c000 a\nc000 b\n"))


def test_charades_tells_what_happens_too(write: Write) -> None:
    found = read_texts([write("c.csv", CHARADES)])
    assert texts(found) == {"AB12C": ("a boy sits", "he reads"), "XY00Z": ("A girl looks.",)}


def test_charades_sta(write: Write) -> None:
    path = write(
        "charades_sta_test.txt",
        "AB12C 0.0 6.9##a person sits down.\nAB12C 0.0 6.9##they take a seat\n"
        "AB12C 6.9 9##a person # reads\nXY00Z 5.0 5.0##nothing\n",
    )
    found = read_charades_sta(path)
    assert texts(found) == {
        "AB12C_0_6.9": ("a person sits down.", "they take a seat"),
        "AB12C_6.9_9": ("a person # reads",),
    }
    assert found.clips[0].span == TimeSpan(0, 6.9)
    assert found.clips[0].names == ("AB12C",)
    assert found.left_out == (("XY00Z_5_5", "empty_span"),)
    assert read_texts([path]) == found
    for line in ("AB12C 0.0 6.9 a person", "AB12C a b##x", "AB12C 0 nan##x", "AB12C 0 9##"):
        with pytest.raises(AnnotationInvalidError, match="line 1"):
            read_charades_sta(write("x.txt", line))


def test_youcook2(write: Write) -> None:
    csv = write(
        "validation_youcook.csv",
        "end,start,task,text,video_id\n60,47,226,pick the ends off,xHr8X2Wpmn0\n"
        "89,67,226,combine salt and oil,xHr8X2Wpmn0\n36,33,105,place chicken,V53XmPeyjI0\n",
    )
    found = read_youcook2(csv)
    assert found.clips[0].span == TimeSpan(47, 60)
    assert found.clips[0].names == ("xHr8X2Wpmn0",)
    assert [clip.texts[0] for clip in found.clips][2] == "place chicken"
    assert read_texts([csv]) == found
    step = {"segment": [47, 60], "id": 0, "sentence": "pick the ends off"}
    data = {"database": {
        "a": {"subset": "validation", "annotations": [step], "recipe_type": "226"},
        "b": {"subset": "training", "annotations": [step], "recipe_type": "226"},
    }}  # fmt: skip
    path = write("youcookii_annotations_trainval.json", data)
    assert texts(read_youcook2(path)) == {"a_47_60": ("pick the ends off",)}
    assert texts(read_texts([path], split="train")) == {"b_47_60": ("pick the ends off",)}
    with pytest.raises(AnnotationInvalidError, match="no row is of split 'test'"):
        read_youcook2(path, split="test")


def test_msvd_as_json(write: Write, tmp_path: Path) -> None:
    words: dict[str, Any] = {"kid_1_5": [["a", "kid"], "one child"], "dog_0_3": ["a dog"]}
    path = write("msvd.json", words)
    expected = {"kid_1_5": ("a kid", "one child"), "dog_0_3": ("a dog",)}
    assert texts(read_msvd(path)) == expected
    ids = write("test_list.txt", "dog_0_3\n")
    assert texts(read_msvd(ids, path)) == {"dog_0_3": ("a dog",)}
    lines = write("AllVideoDescriptions.txt", "# notes\n\nkid_1_5 a kid\nkid_1_5 one child\n")
    assert texts(read_msvd(write("one.txt", "kid_1_5"), lines)) == {
        "kid_1_5": ("a kid", "one child")
    }
    rows = [{"video_id": "a_0_1", "sentence": "x"}, {"video_id": "b_0_1", "sentence": "y"}]
    split = write("MSVD_caption.json", {"metadata": rows, "train": ["a_0_1"], "test": ["b_0_1"]})
    assert texts(read_msvd(split)) == {"b_0_1": ("y",)}
    assert texts(read_texts([split], split="train")) == {"a_0_1": ("x",)}
    (tmp_path / "raw-captions.pkl").write_bytes(pickle.dumps({"dog_0_3": [["a", "dog"]]}))
    for pair in ([ids, tmp_path / "raw-captions.pkl"], [tmp_path / "raw-captions.pkl", ids]):
        assert texts(read_texts(pair)) == {"dog_0_3": ("a dog",)}
    with pytest.raises(AnnotationInvalidError, match="'kid_1_5'"):
        read_msvd(write("bad.json", {"kid_1_5": [["a", 1]]}))


def test_activitynet_leaves_out_ids_without_texts_and_says_so(write: Write) -> None:
    row = {"duration": 9.0, "timestamps": [[0, 1]], "sentences": ["a."]}
    path = write("val_1.json", {"v_x": row, "v_y": row, "v_z": row})
    ids = write("val_ids.json", ["v_y", "v_gone", "v_x"])
    found = read_activitynet(path, ids)
    assert list(texts(found)) == ["v_y", "v_x"]
    assert found.left_out == (("v_gone", "no_texts"),)
    assert read_texts([ids, path]) == read_texts([path, ids]) == found
    assert list(texts(read_activitynet(path, write("ids.txt", "v_z.mp4\ny\n")))) == ["v_z", "v_y"]
    with pytest.raises(AnnotationInvalidError, match="2 of 2 ids have no texts, such as 'q'"):
        read_activitynet(path, write("other.json", ["q", "r"]))


def test_a_list_of_ids_and_a_file_of_texts_come_in_any_order(write: Write) -> None:
    data = {
        "videos": [{"video_id": f"video{n}", "split": "train"} for n in range(3)],
        "sentences": [{"video_id": f"video{n}", "caption": f"text {n}"} for n in range(3)],
    }
    whole = write("MSRVTT_data.json", data)
    train = write("MSRVTT_train.9k.csv", "video_id\nvideo2\nvideo0\n")
    assert texts(read_texts([train, whole])) == {"video2": ("text 2",), "video0": ("text 0",)}
    assert read_texts([whole, train]) == read_texts([train, whole])
    didemo = write("train_data.json", [{"video": "v.mp4", "description": "one"}])
    found = read_texts([didemo, write("train_list.txt", "v.mp4\n")])
    assert found.clips[0].span == TimeSpan(0, 30)
    vatex = write("vatex.json", [{"videoID": "Ptf_2VRj-V0_000122_000132", "enCap": ["a"]}])
    assert read_texts([vatex]).clips[0].names[1] == "Ptf_2VRj-V0"
    with pytest.raises(AnnotationInvalidError, match=r"neither vatex\.json nor train_data\.json"):
        read_texts([vatex, didemo])
    with pytest.raises(AnnotationInvalidError, match="a list of videos without texts"):
        read_texts([train])
    with pytest.raises(ConfigInvalidError, match="not 3"):
        read_texts([train, whole, vatex])


def test_labels_are_no_texts(write: Write, tmp_path: Path) -> None:
    assert not is_texts(write("k.csv", "a.mp4,yoga\nb.mp4,dance\n"))
    assert not is_texts(write("ssv2.json", [{"id": "7", "template": "Moving [x]", "label": ""}]))
    assert not is_texts(
        write("h.csv", "video_id,label,split1,split2,split3\na.avi,wave_test,1,2,0\n")
    )
    assert not is_texts(write("labels.json", {"Moving something": "0"}))
    assert not is_texts(tmp_path)
    assert is_texts(write("r.json", [{"video": "a", "caption": "x"}]))
    assert is_texts(write("l.csv", "a\t1\t2\t3\t4\tHe leaves.\n"))
    assert lists_ids(write("ids.txt", "a\nb\n"))
    assert not lists_ids(write("two.txt", "a b\n"))
    with pytest.raises(AnnotationInvalidError, match="not known"):
        read_texts([write("k.csv", "a.mp4,yoga\n")])


def test_multiple_choice(write: Write) -> None:
    rows = [{"video": "video1.mp4", "caption": ["a", "b", "c"], "answer": 2},
            {"video": "video1.mp4", "caption": ["a", "d"], "answer": 0}]  # fmt: skip
    found = read_choices(write("msrvtt_mc_test.json", rows))
    assert [(c.clip, c.options[c.answer]) for c in found.clips] == [
        ("video1.mp4", "c"), ("video1.mp4#2", "a"),
    ]  # fmt: skip
    lines = '{"qid": 1, "clip_name": "video1", "options": ["a", "b"], "answer": "b"}\n'
    listed = read_choices(write("msrvtt_mc_test.jsonl", lines))
    assert listed.clips[0].names == ("video1",)
    assert listed.clips[0].answer == 1
    # The right options are texts to train on.
    assert texts(read_texts([write("mc.json", rows)])) == {"video1.mp4": ("c", "a")}
    for answer in (3, -1, True, None, "z"):
        with pytest.raises(AnnotationInvalidError, match=r"\[0\]: answer"):
            read_choices(write("x.json", [rows[0] | {"answer": answer}]))
    with pytest.raises(AnnotationInvalidError, match="holds 1 texts"):
        read_choices(write("x.json", [{"video": "v", "caption": ["a"], "answer": 0}]))


def test_labelled_charades_is_told_by_its_header(write: Write) -> None:
    found = read_labelled(write("Charades_v1_train.csv", CHARADES))
    assert labels(found)[1] == ("AB12C_c147_0_12.6", "c147")
    assert found.classes == ("c092", "c147")

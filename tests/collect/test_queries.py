"""Search phrases: from published label lists and captions, each action once, sieved."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.cli.app import main
from internvid.collect.queries.label_lists import phrase_of, read_labels
from internvid.collect.queries.lemmas import Lemmas
from internvid.collect.queries.phrases import Action, find_extractor
from internvid.collect.queries.query_list import SUFFIXES, Query, read_queries, write_queries
from internvid.core.errors import MisuseError, OutputExistsError, SourceMissingError
from tests.captions.servers import Turn, chat, serving
from tests.cli.speaking import Capture, read_json

MEDIA = os.environ.get("INTERNVID_MEDIA", "")
TEXTS = Path(MEDIA) / "text"
needs_media = pytest.mark.skipif(not MEDIA, reason="INTERNVID_MEDIA names no folder of videos")


@pytest.mark.parametrize(
    ("label", "phrase"),
    [
        ("playing guitar", "playing guitar"),
        ("ApplyEyeMakeup", "apply eye makeup"),
        ("YoYo", "yo yo"),
        ("PlayingTabla", "playing tabla"),
        ("brush_hair", "brush hair"),
        ("Throwing something", "throwing"),
        ("Pushing [something] off of [something]", "pushing off"),
        ("Putting something, something and something on the table", "putting on the table"),
        ("Showing that something is empty", "showing that something is empty"),
        ("Touching (without moving) part of something", "touching part"),
        ("Travel related to caring, n.e.c.*", "travel related to caring"),
        ("Not categorized", ""),
    ],
)
def test_a_label_becomes_a_phrase(label: str, phrase: str) -> None:
    assert phrase_of(label) == phrase


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "1 ApplyEyeMakeup\n2 Archery\n"),
        ("b.csv", "id,label\n7,ApplyEyeMakeup\n8,Archery\n"),
        ("c.csv", "0,ApplyEyeMakeup\n1,Archery\n"),
        ("d.json", '["ApplyEyeMakeup", "Archery"]'),
        ("e.json", '{"ApplyEyeMakeup": 0, "Archery": 1}'),
        ("f.json", '{"0": "ApplyEyeMakeup", "1": "Archery"}'),
        ("g.jsonl", '{"label": "ApplyEyeMakeup"}\n{"label": "Archery"}\n'),
        ("h.json", '[{"template": "ApplyEyeMakeup"}, {"template": "Archery"}]'),
    ],
)
def test_published_forms_of_label_lists_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert list(read_labels(tmp_path / name)) == ["ApplyEyeMakeup", "Archery"]


def test_what_is_no_list_of_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match="is not there"):
        list(read_labels(tmp_path / "no.txt"))
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "broken.json").write_text('["a", ')
    for name, why in (("empty.txt", "has no labels"), ("broken.json", "is no JSON")):
        with pytest.raises(MisuseError, match=why):
            list(read_labels(tmp_path / name))


def test_two_ways_to_say_one_action_are_one(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("playing guitar\nnaked dancing\nArchery\n")
    (tmp_path / "two.csv").write_text("label\nPlay the guitar\nplaying guitars\n")
    made = internvid.make_queries(labels=[tmp_path / "one.txt", tmp_path / "two.csv"])
    assert [(query.query, query.sources, query.count) for query in made.queries] == [
        ("playing guitar", ("one", "two"), 3),
        ("archery", ("one",), 1),
    ]
    assert made.dropped == {"duplicate": 2, "unsafe": 1}


def test_words_of_ones_own_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("hunting deer\nboxing\nplaying with a dog and a cat\n")
    (tmp_path / "words.txt").write_text("hunt  # no animals are hurt\n")
    (tmp_path / "phrases.txt").write_text("Box\n")
    made = internvid.make_queries(
        labels=tmp_path / "labels.txt",
        unsafe=tmp_path / "words.txt",
        excluded=tmp_path / "phrases.txt",
        most_words=5,
    )
    assert made.queries == ()
    assert made.dropped == {"excluded": 1, "long": 1, "unsafe": 1}


def test_actions_are_found_in_captions(tmp_path: Path) -> None:
    (tmp_path / "captions.csv").write_text(
        "video,caption\n1,a man is playing a guitar\n2,two women are playing guitar on stage\n"
        "3,a child throws the ball\n4,there is a house\n"
    )
    (tmp_path / "captions.jsonl").write_text('{"text": "a boy kicks a ball", "id": 3}\n')
    made = internvid.make_queries(
        texts=[f"{tmp_path / 'captions.csv'}:caption", tmp_path / "captions.jsonl"]
    )
    found = {query.query: query for query in made.queries}
    assert found["play guitar"].count == 2
    assert found["play guitar"].kind == "phrase"
    assert (found["throw ball"].verb, found["throw ball"].object) == ("throw", "ball")
    assert found["kick ball"].sources == ("captions",)
    assert made.extractor == find_extractor().name
    common = internvid.make_queries(texts=tmp_path / "captions.csv", least_count=2)
    assert [query.query for query in common.queries] == ["play guitar"]
    assert common.dropped["rare"] >= 1


def test_a_dictionary_alone_finds_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    from internvid.collect.queries import phrases

    monkeypatch.setattr(phrases, "_spacy", lambda: None)
    find_extractor.cache_clear()
    try:
        tool = find_extractor()
        assert tool.name.startswith("lemminflect")
        (actions,) = tool.extract(["the woman is slicing a ripe tomato"])
        assert Action("slice", "tomato") in actions
    finally:
        find_extractor.cache_clear()


def test_a_model_finds_actions_and_what_it_makes_up_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("a man rides a horse\na cat sleeps\n")

    def script(payload: dict[str, Any], _: int) -> Turn:
        prompt = payload["messages"][0]["content"]
        return Turn(chat("ride horse; feed horse; Jump." if "horse" in prompt else "none"))

    with serving(script) as server:
        made = internvid.make_queries(
            texts=tmp_path / "captions.txt", model="m", server=server.served().base_url
        )
    assert [(query.query, query.verb, query.object) for query in made.queries] == [
        ("ride horse", "ride", "horse")
    ]
    assert made.dropped["unsupported"] == 2
    assert made.extractor == "m (served)"


def test_phrases_are_translated_and_say_what_of(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("playing guitar\narchery\n")

    def script(payload: dict[str, Any], _: int) -> Turn:
        prompt = payload["messages"][0]["content"]
        assert "into Chinese" in prompt
        return Turn(chat("弹吉他" if "guitar" in prompt else "Sure! Here is the phrase: 射箭"))

    with serving(script) as server:
        made = internvid.make_queries(
            labels=tmp_path / "labels.txt",
            languages=["zh"],
            model="m",
            server=server.served().base_url,
        )
    chinese = [query for query in made.queries if query.language == "zh"]
    assert [(query.query, query.of) for query in chinese] == [("弹吉他", "playing guitar")]
    assert made.dropped["untranslated"] == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_list_is_read_back_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    queries = [
        Query("play guitar", "phrase", "en", ("a", "b"), 3, "play", "guitar"),
        Query("弹吉他", "label", "zh", ("m",), 1, of="play guitar"),
    ]
    path = tmp_path / f"list{suffix}"
    write_queries(queries, path)
    if suffix == ".txt":
        assert [query.query for query in read_queries(path)] == ["play guitar", "弹吉他"]
    else:
        assert read_queries(path) == queries
    with pytest.raises(OutputExistsError):
        write_queries(queries, path)


@needs_media
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("kinetics400_classes.txt", 400),
        ("kinetics700_classes.txt", 700),
        ("ssv2_classes.txt", 174),
        ("ucf101_classes.txt", 101),
        ("activitynet_classes.txt", 200),
        ("atus_activities.csv", 396),
    ],
)
def test_published_label_lists_parse_whole(name: str, count: int) -> None:
    labels = list(read_labels(TEXTS / name))
    assert len(labels) == count
    phrases = [phrase_of(label) for label in labels]
    assert phrases.count("") <= 5
    assert all(phrase == phrase.lower().strip() and "  " not in phrase for phrase in phrases)


@needs_media
def test_the_published_list_is_read_and_compared(tmp_path: Path, capfd: Capture) -> None:
    published = TEXTS / "internvid_queries.jsonl"
    queries = read_queries(published)
    assert sum(query.language == "en" for query in queries) == 6244
    out = tmp_path / "list.jsonl"
    labels = f"--labels={TEXTS / 'kinetics400_classes.txt'}"
    shown = read_json(capfd, "queries", out, labels, f"--compare={published}")
    assert shown["queries"] == len(out.read_text("utf-8").splitlines())
    compared = shown["compared"]
    # Kinetics is among the sources that the paper names; the published list has most of it.
    assert compared["shared"] > 0.75 * compared["queries"]
    assert compared["other_queries"] > 6000
    assert len(compared["only_there"]) == 10


def test_the_command_says_what_it_made(tmp_path: Path, capfd: Capture) -> None:
    (tmp_path / "labels.txt").write_text("playing guitar\nPlaying the guitar\nnude\n")
    out = tmp_path / "list.jsonl"
    assert main(["queries", str(out), "--labels", str(tmp_path / "labels.txt")]) == 0
    shown = capfd.readouterr()
    assert "1 phrases (1 of labels, 0 found in texts)" in shown.out
    assert "left out: 1 duplicate, 1 unsafe" in shown.err
    assert json.loads(out.read_text("utf-8"))["query"] == "playing guitar"
    assert main(["queries", str(out), "--labels", str(tmp_path / "labels.txt")]) == 2
    assert "exists" in capfd.readouterr().err
    assert main(["queries", str(out)]) == 2
    assert "--labels FILE" in capfd.readouterr().err
    assert main(["queries", str(tmp_path / "list.doc"), "--labels", "x.txt"]) == 2
    assert ".jsonl" in capfd.readouterr().err


def test_plain_forms_do_without_a_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "lemminflect", None)
    lemmas = Lemmas()
    assert lemmas.name == "English endings"
    assert lemmas.of("Hopping the rabbits") == lemmas.of("hop rabbit")

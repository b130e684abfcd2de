"""Subtitles of a video: files beside it, and text streams inside it, as lines with times."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error

SUFFIXES = (".vtt", ".srt")
CODECS = ("mov_text", "subrip", "srt", "webvtt", "text", "ass", "ssa")
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_ARROW = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}")
_TAGS = re.compile(r"<[^>\n]{0,200}>|\{\\[^}\n]{0,200}\}")
_MOST_BYTES = 32 << 20


@dataclass(frozen=True)
class Line:
    """Words and when they are shown, in seconds from the first displayed frame."""

    start_seconds: float
    end_seconds: float
    text: str

    @property
    def middle_seconds(self) -> float:
        """The middle of the time it is shown."""
        return (self.start_seconds + self.end_seconds) / 2


def lines_beside(video: Path, language: str = "") -> list[Line] | None:
    """Lines of the subtitle file of a video: `film.srt`, `film.en.srt`, `film.en-GB.vtt`, ...

    Args:
        video: the media file.
        language: the wanted one; without it a file without a language comes first, then the first
            by name.

    Returns:
        None where there is no such file, or none that can be read.
    """
    for path in _candidates(video, language):
        try:
            data = path.read_bytes()[:_MOST_BYTES]
        except OSError:
            continue
        lines = parse(_decoded(data))
        if lines:
            return lines
    return None


def _candidates(video: Path, language: str) -> list[Path]:
    found = []
    try:
        names = sorted(entry.name for entry in video.parent.iterdir())
    except OSError:
        return []
    for name in names:
        stem, suffix = Path(name).stem, Path(name).suffix.lower()
        if suffix not in SUFFIXES or not (stem == video.stem or stem.startswith(video.stem + ".")):
            continue
        spoken = stem[len(video.stem) + 1 :].split(".")[0].lower()
        if language and spoken and not _is_language(spoken, language):
            continue
        found.append((not (language and spoken), bool(spoken), name))
    return [video.parent / name for _, _, name in sorted(found)]


def _is_language(spoken: str, wanted: str) -> bool:
    return spoken.split("-", maxsplit=1)[0] == wanted.lower().split("-")[0]


def _decoded(data: bytes) -> str:
    for encoding in (
        ("utf-8-sig", "utf-16") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",)
    ):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", "replace")


def parse(text: str) -> list[Line]:
    """Lines of SubRip or WebVTT; what is neither is passed over."""
    found: list[Line] = []
    span: tuple[float, float] | None = None
    words: list[str] = []

    def close() -> None:
        said = plain(" ".join(words))
        if span is not None and said and span[1] > span[0]:
            found.append(Line(*span, said))
        words.clear()

    for line in text.splitlines():
        match = _ARROW.match(line)
        if match:
            # The number above an arrow belongs to the entry that begins.
            if words and words[-1].strip().isdigit() and span is not None:
                words.pop()
            close()
            span = _seconds(match.groups()[:4]), _seconds(match.groups()[4:])
        elif not line.strip():
            close()
            span = None
        elif span is not None:
            words.append(line)
    close()
    return sorted(found, key=lambda one: (one.start_seconds, one.end_seconds))


def _seconds(parts: Iterable[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + int((fraction or "0").ljust(3, "0")) / 1000


def plain(text: str) -> str:
    """Words without marks of style, entities and line breaks."""
    return " ".join(html.unescape(_TAGS.sub(" ", text.replace("\\N", " "))).split())


def lines_inside(video: Path, language: str = "") -> list[Line] | None:
    """Lines of the first text stream of a media file, of that language where one says so.

    Returns:
        None where it has no such stream, or cannot be read.
    """
    try:
        with av.open(str(video)) as container:
            streams = [
                stream
                for stream in container.streams.subtitles
                if stream.codec_context is not None and stream.codec_context.name in CODECS
            ]
            if language:
                named = [one for one in streams if _is_language(_spoken(one), language)]
                streams = named or [one for one in streams if _spoken(one) in ("", "und")]
            if not streams:
                return None
            start = _start_seconds(container)
            lines = list(_packets(container, streams[0], start))
    except (av.error.FFmpegError, OSError, ValueError):
        return None
    return lines or None


def _spoken(stream: object) -> str:
    metadata = getattr(stream, "metadata", {}) or {}
    # Three letters in most files, where people write two: eng, deu.
    return _TWO_LETTERS.get(str(metadata.get("language", "")).lower()[:3], "") or str(
        metadata.get("language", "")
    )


_TWO_LETTERS = {
    "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it",
    "por": "pt", "rus": "ru", "jpn": "ja", "kor": "ko", "zho": "zh", "chi": "zh", "ara": "ar",
    "hin": "hi", "nld": "nl", "dut": "nl", "pol": "pl", "tur": "tr", "swe": "sv", "vie": "vi",
}  # fmt: skip


def _start_seconds(container: object) -> float:
    streams = getattr(container, "streams").video  # noqa: B009
    if not streams or streams[0].start_time is None or streams[0].time_base is None:
        return 0.0
    return float(streams[0].start_time * streams[0].time_base)


def _packets(container: object, stream: object, start: float) -> Iterator[Line]:
    codec = stream.codec_context.name  # type: ignore[attr-defined]
    for packet in container.demux(stream):  # type: ignore[attr-defined]
        if packet.pts is None or packet.time_base is None:
            continue
        said = plain(_packet_text(bytes(packet), codec))
        began = float(packet.pts * Fraction(packet.time_base)) - start
        lasts = float((packet.duration or 0) * Fraction(packet.time_base))
        if said and lasts > 0:
            yield Line(began, began + lasts, said)


def _packet_text(data: bytes, codec: str) -> str:
    if codec == "mov_text":
        # Two bytes of length, the text, then styles.
        data = data[2 : 2 + int.from_bytes(data[:2], "big")] if len(data) >= 2 else b""
    text = data.decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        # ReadOrder, Layer, Style, Name, three margins, Effect, Text.
        return text.split(",", 8)[-1]
    return text

"""Finds the videos of a benchmark in a folder, by id: files of any extension, folders of frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from internvid.core.errors import SourceMissingError
from internvid.pipeline.sources import MEDIA_SUFFIXES
from internvid.video.frame_folder import is_picture

# Files that lie beside videos and share their names.
_BESIDE = """
txt csv tsv json jsonl vtt srt ass wav mp3 m4a aac flac npy npz pkl pt md xml yaml yml jpg jpeg png
webp html part ytdl tmp parquet h5 zip tar gz
"""
_NOT_VIDEOS = frozenset(f".{name}" for name in _BESIDE.split())


@dataclass(frozen=True)
class VideoFolder:
    """Where the videos of a folder lie, by name.

    Attributes:
        folder: the folder.
        paths: every name a file answers to -> the files that do. Names of YouTube videos
            differ by case alone, so case counts.
        unpacked: the same of folders that hold pictures; used where no file has the name.
    """

    folder: Path
    paths: dict[str, tuple[Path, ...]]
    unpacked: dict[str, tuple[Path, ...]] = field(default_factory=dict)

    @classmethod
    def scan(cls, folder: Path) -> VideoFolder:
        """Look through a folder and all below it, links followed.

        Raises:
            SourceMissingError: there is no such folder, or no file that could be a video.
        """
        if not folder.is_dir():
            raise SourceMissingError(f"there is no folder {str(folder)!r}")
        files_of: dict[str, list[Path]] = {}
        folders_of: dict[str, list[Path]] = {}
        for root, folders, files in os.walk(folder, followlinks=True):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            here = Path(root)
            if here != folder and any(map(is_picture, files)):
                _note(folders_of, here, here.relative_to(folder).as_posix(), is_file=False)
            for name in sorted(files):
                if name.startswith(".") or Path(name).suffix.lower() in _NOT_VIDEOS:
                    continue
                path = here / name
                _note(files_of, path, path.relative_to(folder).as_posix(), is_file=True)
        if not files_of and not folders_of:
            raise SourceMissingError(f"folder {str(folder)!r} holds no videos")
        return cls(folder, *({key: tuple(paths) for key, paths in each.items()}
                             for each in (files_of, folders_of)))  # fmt: skip

    def find(self, names: Sequence[str]) -> Path | str:
        """The file of a clip, or the folder of its frames.

        Args:
            names: names it may have, best first: a file name or stem, alone or with folders.

        Returns:
            The path; or `not_found`, or `ambiguous` where several have the name.
        """
        for name in names:
            for key in _keys(name.replace("\\", "/").strip("/"), is_file=False):
                matches = self.paths.get(key) or self.unpacked.get(key, ())
                if len(matches) == 1:
                    return matches[0]
                if matches:
                    return "ambiguous"
        return "not_found"


def _note(known: dict[str, list[Path]], path: Path, name: str, *, is_file: bool) -> None:
    for key in _keys(name, is_file=is_file):
        known.setdefault(key, []).append(path)


def _keys(name: str, *, is_file: bool) -> list[str]:
    """Names for a path, most folders first. Stems may hold dots, so few endings are stripped.

    Args:
        name: a path with `/`.
        is_file: a file's last ending goes whatever it is; a listed name's only if it is that of
            a video.
    """
    parts = PurePosixPath(name).parts
    keys = []
    for first in range(len(parts)):
        stem = "/".join(parts[first:])
        keys.append(stem)
        shorter, ending = os.path.splitext(stem)
        strip = bool(ending) and is_file
        while strip or ending.lower() in MEDIA_SUFFIXES:
            keys.append(shorter)
            shorter, ending = os.path.splitext(shorter)
            strip = False
    return list(dict.fromkeys(keys))

"""Answers of served models on disk, so that the same question is paid for once.

One SQLite file, safe against crashes and shared by processes. The key is a hash of everything
that decides an answer (pictures, words, model, sampling); the server's address and the clip are
not part of it. Only good answers are kept. No keys, no addresses, no times.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

from internvid.core.errors import StorageError

logger = logging.getLogger(__name__)
_NAME = "answers.sqlite"


@dataclass(frozen=True)
class Kept:
    """A kept answer.

    Attributes:
        text: as it was accepted.
        prompt_tokens, completion_tokens: what it cost when it was made.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


class AnswerCache:
    """Answers by key. Used from one thread.

    Args:
        folder: where its file lies; made where missing. Empty for none: nothing is kept.
    """

    def __init__(self, folder: str) -> None:
        self._base: sqlite3.Connection | None = None
        if not folder:
            return
        path = Path(folder).expanduser()
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._base = _open(path / _NAME)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(
                f"the cache of answers at {path} cannot be opened: {error}",
                hint="--set served.cache=FOLDER names another folder, an empty one turns it off",
            ) from error

    def get(self, key: bytes) -> Kept | None:
        """The answer of that key, if there is one."""
        if self._base is None:
            return None
        try:
            row = self._base.execute("select answer from answers where key = ?", (key,)).fetchone()
            return Kept(**json.loads(row[0])) if row else None
        except (sqlite3.Error, ValueError, TypeError) as error:
            # A damaged row costs one request.
            logger.warning("an answer in the cache cannot be read: %s", error)
            return None

    def put(self, key: bytes, kept: Kept) -> bool:
        """Keep an answer; whether it is kept. A full disk costs its second use, not the run."""
        if self._base is None:
            return False
        answer = json.dumps(asdict(kept), ensure_ascii=True)
        try:
            self._base.execute("insert or replace into answers values (?, ?)", (key, answer))
        except sqlite3.Error as error:
            logger.warning("an answer cannot be kept in the cache: %s", error)
            return False
        return True

    def close(self) -> None:
        """Close the file."""
        if self._base is not None:
            self._base.close()
            self._base = None


def cache_folder(named: str) -> str:
    """The folder that a setting names: "auto" is the user's own cache folder, empty is none."""
    if named != "auto":
        return named
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("INTERNVID_CACHE") or str(Path(home) / "internvid")


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        # Not a database: kept aside for its owner, and begun anew.
        os.replace(path, path.with_suffix(".damaged"))
        logger.warning("the cache of answers was damaged and is begun anew: %s", path)
        return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    # Each statement is its own transaction; a write-ahead log survives a killed process.
    base = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        base.execute("pragma journal_mode = wal")
        base.execute("pragma synchronous = normal")
        base.execute(
            "create table if not exists answers (key blob primary key, answer text) without rowid"
        )
    except sqlite3.Error:
        base.close()
        raise
    return base

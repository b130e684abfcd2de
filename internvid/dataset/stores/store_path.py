"""Paths of objects in a store, which the house uses as it uses those of files.

A `StorePath` is a path below the cache folder that mirrors the names of a store. Looking, listing
and reading answer from the store; a library that opens the path itself is given a kept copy. What
is written goes through `internvid.dataset.parts`: a local file first, then one whole object.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path, PosixPath
from typing import IO, Any, NamedTuple

from internvid.core.errors import MisuseError, StorageError
from internvid.core.system.temporary import new_temporary
from internvid.dataset.stores.remote import (
    SCHEMES,
    ObjectFacts,
    Remote,
    endpoint_name,
    remote_of,
    require_obstore,
)
from internvid.dataset.stores.store_cache import (
    fetched,
    keep,
    objects_root,
    pin,
    spool_errors,
    spool_folder,
)

SCHEME_NAMES = {
    **{name: name for name in SCHEMES},
    "s3a": "s3",
    "gcs": "gs",
    "abfs": "az",
    "abfss": "az",
    "azure": "az",
}
"""Scheme that users write -> the one that is meant."""
_ADDRESS = re.compile(r"(?P<scheme>[a-z0-9]+):(//(?P<rest>.*)|/(?P<cut>[^/].*)|/?)", re.DOTALL)


class _Place(NamedTuple):
    scheme: str
    endpoint: str
    bucket: str
    key: str


class StorePath(PosixPath):
    """The path of an object, or of all objects below a name. Make one with `located`."""

    __slots__ = ()

    @property
    def plain(self) -> str:
        """Its name in the cache folder, where nothing need be."""
        return PosixPath.__str__(self)

    def _place(self) -> _Place:
        root = f"{objects_root()}/"
        plain = self.plain
        if not plain.startswith(root):
            raise ValueError(f"{plain} is not below {root}")
        store, _, rest = plain.removeprefix(root).partition("/")
        bucket, _, key = rest.partition("/")
        scheme, _, endpoint = store.partition("-")
        return _Place(scheme, endpoint, bucket, key)

    @property
    def key(self) -> str:
        """Its name in the bucket."""
        return self._place().key

    @property
    def remote(self) -> Remote:
        """Its bucket."""
        place = self._place()
        return remote_of(place.scheme, place.bucket, place.endpoint)

    def __str__(self) -> str:
        try:
            place = self._place()
        except ValueError:
            return self.plain
        return f"{place.scheme}://{place.bucket}" + (f"/{place.key}" if place.key else "")

    def __repr__(self) -> str:
        return f"StorePath({str(self)!r})"

    def __bytes__(self) -> bytes:
        return os.fsencode(str(self))

    def __fspath__(self) -> str:
        """A kept copy; where there is no such object, a name that nothing has."""
        try:
            kept = str(fetched(self.remote, self.key, Path(self.plain)))
        except FileNotFoundError:
            return self.plain
        return kept

    def pinned(self) -> str:
        """A copy that is kept for as long as this process runs."""
        kept = os.fspath(self)
        pin(kept)
        return kept

    def as_posix(self) -> str:
        return str(self)

    def as_uri(self) -> str:
        return str(self)

    def is_absolute(self) -> bool:
        return True

    def absolute(self) -> StorePath:
        return self

    def resolve(self, strict: bool = False) -> StorePath:
        del strict
        return self

    def expanduser(self) -> StorePath:
        return self

    def relative_to(self, *other: Any, **options: Any) -> Any:
        """The rest of the name, as a path of no store."""
        base = [each.plain if isinstance(each, StorePath) else each for each in other]
        return Path(self.plain).relative_to(*base, **options)

    def is_symlink(self) -> bool:
        return False

    def is_mount(self) -> bool:
        return False

    def _facts(self) -> ObjectFacts | None:
        key = self.key
        return self.remote.facts(key) if key else None

    def exists(self, **_: Any) -> bool:
        return self._facts() is not None or self.is_dir()

    def is_file(self, **_: Any) -> bool:
        return self._facts() is not None

    def is_dir(self, **_: Any) -> bool:
        return self.remote.is_folder(self.key)

    def stat(self, **_: Any) -> os.stat_result:
        facts = self._facts()
        if facts is None:
            if not self.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
            return os.stat_result((stat.S_IFDIR | 0o755, 0, 0, 1, 0, 0, 0, 0, 0, 0))
        # Equal stamps are equal bytes: the ETag stands where a file has its number.
        inode = zlib.crc32(facts.etag.encode())
        when = int(facts.modified)
        head = (stat.S_IFREG | 0o644, inode, 0, 1, 0, 0, facts.size, when, when, when)
        exact = int(facts.modified * 1e9)
        times = {"st_mtime_ns": exact, "st_atime_ns": exact, "st_ctime_ns": exact}
        return os.stat_result(head, times)

    lstat = stat

    def iterdir(self) -> Generator[StorePath, None, None]:
        files, folders = self.remote.listed(self.key)
        if not files and not folders and self.key:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        for name in sorted({*files, *folders}):
            yield self / name

    def glob(  # type: ignore[override,unused-ignore]
        self, pattern: Any, **_: Any
    ) -> Generator[StorePath, None, None]:
        steps = [step for step in str(pattern).split("/") if step]
        yield from _matching(self, steps)

    def rglob(  # type: ignore[override,unused-ignore]
        self, pattern: Any, **_: Any
    ) -> Generator[StorePath, None, None]:
        yield from self.glob(f"**/{pattern}")

    def walk(self, *_: Any, **__: Any) -> Iterator[tuple[StorePath, list[str], list[str]]]:
        files, folders = self.remote.listed(self.key)
        yield self, sorted(folders), sorted(files)
        for name in sorted(folders):
            yield from (self / name).walk()

    def open(  # type: ignore[override]
        self, mode: str = "r", *args: Any, **options: Any
    ) -> IO[Any]:
        """A kept copy, open for reading.

        Raises:
            FileNotFoundError: there is no such object.
            StorageError: for any writing, which goes through `internvid.dataset.parts`.
        """
        if set(mode) & set("wax+"):
            raise StorageError(
                f"{self} cannot be opened for writing",
                hint="objects are written whole: this is a fault of internvid, please report it",
            )
        return open(fetched(self.remote, self.key, Path(self.plain)), mode, *args, **options)

    def read_bytes(self) -> bytes:
        return self.remote.read(self.key)

    def read_text(self, encoding: str | None = None, errors: str | None = None, **_: Any) -> str:
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: Any) -> int:
        self.remote.put(self.key, bytes(data))
        return len(data)

    def write_text(  # type: ignore[override]
        self, data: str, encoding: str | None = None, errors: str | None = None, **_: Any
    ) -> int:
        return self.write_bytes(data.encode(encoding or "utf-8", errors or "strict"))

    def touch(self, *_: Any, **__: Any) -> None:
        if not self.is_file():
            self.write_bytes(b"")

    def mkdir(self, *_: Any, **__: Any) -> None:
        """Nothing: folders are there as soon as an object is in them."""

    def rmdir(self) -> None:
        """Nothing: folders are gone with the last object in them."""

    def unlink(self, missing_ok: bool = False) -> None:
        if not missing_ok and not self.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        self.remote.remove(self.key)

    def remove_all(self) -> None:
        """Remove the object, or all objects below the name; absent ones are fine."""
        remote, key = self.remote, self.key
        remote.remove(key)
        for each in remote.keys_below(key):
            remote.remove(each)

    def rename(self, target: Any) -> Any:
        """Move the object, or all objects below the name. Not one step: those below go singly."""
        moved: StorePath = target
        remote, key = self.remote, self.key
        for each in [*remote.keys_below(key)] if not self.is_file() else [key]:
            rest = each.removeprefix(key).lstrip("/")
            place = moved / rest if rest else moved
            place.remote.put(place.key, remote.read(each))
            remote.remove(each)
        return moved

    replace = rename

    def temporary(self) -> Path:
        """A file on this machine for what is to become the object."""
        folder = spool_folder(str(self.parent))
        with spool_errors(folder):
            return new_temporary(folder / self.name)

    def put_file(self, file: Path) -> None:
        """Write the object whole, from a file of `temporary`, which is taken."""
        keep(file, Path(self.plain), self.remote.put(self.key, file))

    def put_file_if_absent(self, file: Path) -> bool:
        """Write the object unless somebody has; whether it is ours. The file is taken if so."""
        facts = self.remote.put_if_absent(self.key, file)
        if facts is None:
            return False
        keep(file, Path(self.plain), facts)
        return True


def _matching(folder: StorePath, steps: list[str]) -> Iterator[StorePath]:
    step, rest = steps[0], steps[1:]
    if step == "**":
        if rest:
            yield from _matching(folder, rest)
        else:
            yield folder
        for name in sorted(folder.remote.listed(folder.key)[1]):
            yield from _matching(folder / name, steps)
        return
    if not any(mark in step for mark in "*?["):
        below = folder / step
        if rest:
            yield from _matching(below, rest)
        elif below.exists():
            yield below
        return
    files, folders = folder.remote.listed(folder.key)
    for name in sorted(fnmatch.filter({*files, *folders} if not rest else folders, step)):
        if rest:
            yield from _matching(folder / name, rest)
        else:
            yield folder / name


def is_store_url(text: str) -> bool:
    """Whether a text is the address of something in an object store."""
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme in SCHEME_NAMES


def located(value: str | os.PathLike[str]) -> Path:
    """The path that a user states: of a folder here, absolute, or in an object store by its URL.

    Args:
        value: a path, or `s3://bucket/name`, `gs://`, `az://`. A `Path` that was made of an
            address, which lost one of the slashes, is one all the same.

    Raises:
        MisuseError: the address names no folder in a bucket.
        DependencyMissingError: obstore is not installed.
    """
    if isinstance(value, StorePath):
        return value
    text = os.fsdecode(value)
    match = _ADDRESS.fullmatch(text)
    scheme = match["scheme"] if match is not None else ""
    scheme = SCHEME_NAMES.get(scheme, scheme)
    if match is not None and scheme in SCHEMES:
        rest = match["rest"] or match["cut"] or ""
        bucket, _, key = rest.partition("/")
        key = key.strip("/")
        steps = key.split("/")
        if not bucket or any(step in ("", ".", "..") for step in steps):
            raise MisuseError(
                f"{scheme}://{rest} names no folder in a bucket",
                hint=f"for example {scheme}://{bucket or 'bucket'}/dataset",
            )
        require_obstore()
        store = f"{scheme}-{endpoint_name(scheme)}"
        return StorePath(objects_root() / store / bucket / key)
    if match is not None and "://" in text and scheme in ("http", "https"):
        raise MisuseError(
            f"{text} cannot be written to: it is a web address",
            hint="name a folder, or an object store: s3://bucket/dataset, gs://, az://",
        )
    path = Path(value).absolute()
    inside = objects_root()
    return StorePath(path) if path.is_relative_to(inside) else path

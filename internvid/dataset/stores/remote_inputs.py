"""What an address that is an input of a build names: a file, a folder of a bucket, a pattern."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePosixPath

from internvid.core.errors import ConfigInvalidError, SourceMissingError, StorageError
from internvid.dataset.sources.uris import uri_to_path
from internvid.dataset.stores.source_path import WEB, SourcePath, source_path
from internvid.dataset.stores.store_errors import StoreMissingError

_MARKS = "*?["


def remote_inputs(text: str, media: Collection[str], tables: Collection[str]) -> list[SourcePath]:
    """The files that an address names, sorted.

    Args:
        text: the address.
        media: suffixes of media files, which folders are searched for.
        tables: suffixes of tables.

    Raises:
        SourceMissingError: it names nothing.
        StorageError: the store refuses, or cannot be reached.
    """
    try:
        return _files_named(text, media, tables)
    except StoreMissingError as error:
        raise SourceMissingError(f"{text}: {error.message}", hint=error.hint) from error
    except FileNotFoundError as error:
        raise SourceMissingError(f"{text}: {error.strerror}") from error
    except OSError as error:
        raise StorageError(
            f"{text} cannot be read: {error.strerror}", hint="see who may read it, and from where"
        ) from error


def _files_named(text: str, media: Collection[str], tables: Collection[str]) -> list[SourcePath]:
    scheme, _, rest = text.partition("://")
    if scheme.lower() in WEB:
        path = source_path(text)
        # Videos are looked for when they are scanned; without a table nothing is known at all.
        if path.suffix.lower() in tables:
            path.stat()
        return [path]
    bucket, _, key = rest.rstrip("/").partition("/")
    if any(mark in key for mark in _MARKS):
        return _matching(scheme, bucket, key, text)
    path = _checked(f"{scheme}://{bucket}/{key}" if key else f"{scheme}://{bucket}")
    with_suffix = PurePosixPath(key).suffix.lower()
    if key and not text.endswith("/") and path.has_object():
        return [path]
    found = [
        each
        for name in path.remote.keys_below(path.key)
        if PurePosixPath(name).suffix.lower() in media and not _is_hidden(name)
        for each in [_checked(f"{scheme}://{bucket}/{name}")]
    ]
    if not found:
        what = "does not exist" if with_suffix else "holds no media files"
        raise SourceMissingError(
            f"{text} {what}",
            hint="give files, folders and patterns in buckets, or a table with a uri column",
        )
    return sorted(found, key=str)


def _matching(scheme: str, bucket: str, key: str, text: str) -> list[SourcePath]:
    root = _checked(f"{scheme}://{bucket}")
    found = [each for each in root.glob(key) if isinstance(each, SourcePath) and each.is_file()]
    if not found:
        raise SourceMissingError(
            f"{text} matches nothing",
            hint="give files, folders and patterns in buckets, or a table with a uri column",
        )
    return sorted(found, key=str)


def _checked(uri: str) -> SourcePath:
    path = uri_to_path(uri)
    if not isinstance(path, SourcePath):
        raise ConfigInvalidError(f"{uri} is no address of a source")
    return path


def _is_hidden(name: str) -> bool:
    return any(step.startswith(".") for step in name.split("/"))

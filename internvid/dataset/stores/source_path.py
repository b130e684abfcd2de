"""Videos and tables behind addresses: fetched whole into the bounded cache when they are read.

A `SourcePath` fails as a file does, with an `OSError`: a source that is gone or closed to us is a
row with a reason, as a file would be. Trouble with this machine's disk is a `StorageError`.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import urlsplit

from internvid.core.errors import ConfigInvalidError
from internvid.dataset.stores.remote import SCHEMES, endpoint_name, require_obstore
from internvid.dataset.stores.store_cache import objects_root
from internvid.dataset.stores.store_errors import (
    StoreMissingError,
    StoreRefusedError,
    StoreUnreachableError,
)
from internvid.dataset.stores.store_path import SCHEME_NAMES, StorePath
from internvid.dataset.stores.web_files import WebRemote, web_key

WEB = ("http", "https")
_WEB_STORE = "web"


class SourcePath(StorePath):
    """The path of a source behind an address. Make one with `source_path`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"SourcePath({str(self)!r})"

    @property
    def remote(self) -> Any:
        """Where it lies."""
        place = self._place()
        return _web(place.scheme) if place.scheme in WEB else super().remote

    def __str__(self) -> str:
        place = self._place()
        if place.scheme in WEB:
            return _web(place.scheme).address(place.key)
        return super().__str__()

    def _facts(self) -> Any:
        with _as_of_files(self):
            return super()._facts()

    def is_file(self, **_: Any) -> bool:
        try:
            return self._facts() is not None
        except OSError:
            return False  # it cannot be had

    def has_object(self) -> bool:
        """Whether it is there.

        Raises:
            OSError: that cannot be known.
        """
        return self._facts() is not None

    def exists(self, **_: Any) -> bool:
        return self.is_file()

    def __fspath__(self) -> str:
        with _as_of_files(self):
            return super().__fspath__()

    def open(  # type: ignore[override]
        self, mode: str = "r", *args: Any, **options: Any
    ) -> IO[Any]:
        with _as_of_files(self):
            return super().open(mode, *args, **options)

    def release(self) -> None:
        """Remove the copy that was fetched: nobody will read it soon."""
        with contextlib.suppress(OSError):
            os.unlink(self.plain)


@functools.cache
def _web(scheme: str) -> WebRemote:
    return WebRemote(scheme)


@contextmanager
def _as_of_files(path: SourcePath) -> Iterator[None]:
    try:
        yield
    except StoreRefusedError as error:
        raise PermissionError(errno.EACCES, error.message, str(path)) from error
    except StoreMissingError as error:
        raise FileNotFoundError(errno.ENOENT, error.message, str(path)) from error
    except StoreUnreachableError as error:
        raise TimeoutError(errno.ETIMEDOUT, error.message, str(path)) from error


def is_remote(text: str) -> bool:
    """Whether a text is an address that sources may have."""
    scheme = text.partition("://")[0].lower() if "://" in text else ""
    return scheme in WEB or SCHEME_NAMES.get(scheme) in SCHEMES


def source_path(uri: str) -> SourcePath:
    """The path of an address.

    Raises:
        ConfigInvalidError: there are no sources of that scheme, or the address names none.
        DependencyMissingError: it is in an object store, and obstore is not installed.
    """
    scheme, _, rest = uri.partition("://")
    lower = scheme.lower()
    if lower in WEB:
        host = urlsplit(uri).hostname
        if not host:
            raise ConfigInvalidError(f"{uri} names no host", hint="for example https://host/v.mp4")
        suffix = PurePosixPath(urlsplit(uri).path).suffix
        suffix = suffix if suffix.isascii() and suffix[1:].isalnum() and len(suffix) < 9 else ""
        key = web_key(rest, suffix)
        return SourcePath(objects_root() / f"{lower}-{_WEB_STORE}" / "all" / key)
    known = SCHEME_NAMES.get(lower)
    if known is None:
        raise ConfigInvalidError(
            f"{scheme}:// sources cannot be read: {uri}",
            hint="local files, http(s)://, s3://, gs:// and az:// can; download others first",
        )
    bucket, _, key = rest.partition("/")
    key = key.rstrip("/")
    if not bucket or (key and any(step in ("", ".", "..") for step in key.split("/"))):
        raise ConfigInvalidError(
            f"{uri} names no object", hint=f"for example {known}://bucket/v.mp4"
        )
    require_obstore()
    store = f"{known}-{endpoint_name(known)}"
    return SourcePath(Path(objects_root(), store, bucket, key))

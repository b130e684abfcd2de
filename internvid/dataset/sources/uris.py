"""How sources are named in a dataset: local paths, and file:// for names that are no Unicode."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from internvid.core.errors import ConfigInvalidError


def path_to_uri(path: str) -> str:
    """How a local path stands in the dataset: absolute; as file:// when it is not Unicode."""
    absolute = os.path.abspath(path)
    try:
        absolute.encode("utf-8")
    except UnicodeEncodeError:
        return "file://" + quote_from_bytes(os.fsencode(absolute))
    return absolute


def uri_to_path(uri: str) -> Path:
    """The local file of a uri.

    Raises:
        ConfigInvalidError: a remote scheme; remote sources are fetched before a build.
    """
    if uri.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix("file://"))))
    scheme = urlsplit(uri).scheme if "://" in uri else ""
    if scheme:
        raise ConfigInvalidError(
            f"{scheme}:// sources cannot be read directly: {uri}",
            hint="download them first and build from the local files",
        )
    return Path(uri)

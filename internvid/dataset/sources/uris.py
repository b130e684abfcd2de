"""How sources are named in a dataset.

Local paths, file:// for names that are no Unicode, and addresses: http(s)://, s3://, gs://, az://.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from internvid.dataset.stores.source_path import is_remote, source_path


def path_to_uri(path: str) -> str:
    """How a local path stands in the dataset: absolute; as file:// when it is not Unicode."""
    absolute = os.path.abspath(path)
    try:
        absolute.encode("utf-8")
    except UnicodeEncodeError:
        return "file://" + quote_from_bytes(os.fsencode(absolute))
    return absolute


def uri_to_path(uri: str) -> Path:
    """The file of a uri: on this machine, or behind an address, fetched when it is read.

    Raises:
        ConfigInvalidError: no source can have such a uri.
        DependencyMissingError: it is in an object store, and obstore is not installed.
    """
    if uri.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(uri.removeprefix("file://"))))
    return source_path(uri) if "://" in uri else Path(uri)


def release(uri: str) -> None:
    """Remove the copy that was fetched of a source behind an address."""
    if is_remote(uri):
        source_path(uri).release()

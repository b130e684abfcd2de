"""What object stores answer when they fail, in the words of the house."""

from __future__ import annotations

import errno
import re
import time
from collections.abc import Callable
from typing import TypeVar

from internvid.core.errors import InternvidError, StorageError

_T = TypeVar("_T")
_STATUS = re.compile(r"status code: (\d{3})")
# Worth another try: the store is busy, or the way to it broke.
_PASSING = frozenset({"408", "409", "425", "429"})
_TRIES = 7
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 5.0
_CREDENTIALS = {
    "s3": "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}


class StoreMissingError(StorageError):
    """There is no such bucket."""


class StoreRefusedError(StorageError):
    """The store does not let us."""


class StoreUnreachableError(StorageError):
    """The store does not answer, or answers with errors again and again."""


class ObjectExistsError(Exception):
    """An object is there already, or is another than it was, or the store says so."""


def persistently(
    url: str, doing: str, call: Callable[[], _T], *, is_conditional: bool = False
) -> _T:
    """What a request answers; one that fails for passing reasons is made again.

    Args:
        url: of the object, for messages.
        doing: `read`, `write`, `list` or `remove`.
        call: makes the request.
        is_conditional: whether it writes only where nothing is, or what was known; conflicts of
            other requests pass.

    Raises:
        FileNotFoundError: there is no such object.
        ObjectExistsError: of conditional requests.
        StorageError: the store refuses, or cannot be reached.
    """
    wait = _FIRST_WAIT_SECONDS
    for left in reversed(range(_TRIES)):
        try:
            return call()
        except InternvidError:
            raise
        except Exception as error:
            known = translated(error, url, doing)
            passes = isinstance(known, ObjectExistsError) and not is_conditional
            if known is not None and not passes:
                raise known from error
            if not left:
                raise StoreUnreachableError(
                    f"cannot {doing} {url}: {_reason(error)}",
                    hint="see whether the store can be reached, then run the same command again: "
                    "it goes on where it stopped",
                ) from error
        time.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
    raise AssertionError


def translated(error: Exception, url: str, doing: str) -> Exception | None:
    """The error to raise for one of a request; None where the request may be made again."""
    name, text = type(error).__name__, str(error)
    if "NoSuchBucket" in text or "ContainerNotFound" in text:
        return StoreMissingError(
            f"cannot {doing} {url}: there is no such bucket",
            hint="make the bucket first, or see whether the name and the endpoint are right",
        )
    if name in ("AlreadyExistsError", "PreconditionError"):
        return ObjectExistsError(url)
    if isinstance(error, FileNotFoundError) or name == "NotFoundError":
        return FileNotFoundError(errno.ENOENT, "no such object", url)
    scheme = url.partition("://")[0]
    if "169.254.169.254" in text or name == "UnauthenticatedError":
        return StoreRefusedError(
            f"cannot {doing} {url}: no credentials were found",
            hint=_CREDENTIALS.get(scheme, "set the credentials of the store"),
        )
    status = _STATUS.search(text)
    is_refused = name == "PermissionDeniedError" or isinstance(error, PermissionError)
    if is_refused or (status is not None and status[1] == "403"):
        return StoreRefusedError(
            f"cannot {doing} {url}: access denied",
            hint=f"the credentials need the right to {doing} there; "
            f"{_CREDENTIALS.get(scheme, 'check them')}",
        )
    if isinstance(error, OSError) and error.errno is not None:
        return error
    if status is not None and status[1].startswith("4") and status[1] not in _PASSING:
        return StorageError(
            f"cannot {doing} {url}: {_reason(error)}", hint="see whether the address is right"
        )
    if name in ("InvalidPathError", "UnknownConfigurationKeyError", "NotSupportedError"):
        return StorageError(f"cannot {doing} {url}: {_reason(error)}", hint="use another address")
    return None if name == "GenericError" or isinstance(error, (TimeoutError, OSError)) else error


def _reason(error: Exception) -> str:
    status = _STATUS.search(str(error))
    if status is not None:
        return f"the store answered {status[1]}"
    lines = [line for line in str(error).strip().splitlines() if line]
    return lines[0][:200] if lines else type(error).__name__

"""Which share of the work a process does: as it is given, or as its scheduler says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from internvid.core.errors import ConfigInvalidError

SHARE_COUNT = "INTERNVID_SHARES"
"""Environment variable: how many shares there are, where the scheduler does not say."""
_SHARE = re.compile(r"(\d{1,9})/(\d{1,9})")


def share_of(share: str | None, environment: Mapping[str, str]) -> tuple[int, int]:
    """(number from 0, how many shares).

    Args:
        share: `2/8` is the second of eight; None for what the environment says.
        environment: a task of a Slurm array has SLURM_ARRAY_TASK_ID with _MIN, _COUNT and _STEP; a
            pod of an indexed Kubernetes Job has JOB_COMPLETION_INDEX, and INTERNVID_SHARES where
            its manifest sets it.

    Raises:
        ConfigInvalidError: there can be no such share, or how many there are is not known.
    """
    if share is not None:
        match = _SHARE.fullmatch(share.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ConfigInvalidError(
                f"{share!r} is no share", hint="the second of eight is 2/8; the first is 1/8"
            )
        return int(match[1]) - 1, int(match[2])
    if "SLURM_ARRAY_TASK_ID" in environment:
        task = _number(environment, "SLURM_ARRAY_TASK_ID")
        first = _number(environment, "SLURM_ARRAY_TASK_MIN")
        step = _number(environment, "SLURM_ARRAY_TASK_STEP", 1)
        count = _number(environment, "SLURM_ARRAY_TASK_COUNT")
        return _checked((task - first) // max(step, 1), count, "SLURM_ARRAY_TASK_COUNT")
    if "JOB_COMPLETION_INDEX" in environment:
        index = _number(environment, "JOB_COMPLETION_INDEX")
        return _checked(index, _number(environment, SHARE_COUNT), SHARE_COUNT)
    return 0, 1


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name, "" if default is None else str(default))
    if not re.fullmatch(r"\d{1,9}", text):
        raise ConfigInvalidError(
            f"{name} is {text!r}, and with it the share would be known"
            if text
            else f"{name} is not set, so how many shares there are is not known",
            hint="name the share: --share 2/8 is the second of eight",
        )
    return int(text)


def _checked(number: int, count: int, name: str) -> tuple[int, int]:
    if not 0 <= number < count:
        raise ConfigInvalidError(
            f"share {number + 1} of {count} cannot be",
            hint=f"{name} must be the number of all shares; or name the share: --share 2/8",
        )
    return number, count

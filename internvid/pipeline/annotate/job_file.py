"""A column's job in a file, for the workers that write its parts.

It names every part of the dataset and every clip that is left out, which is too much for each of
many tasks.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from internvid.core.errors import ConfigInvalidError, InternvidError
from internvid.core.system.temporary import new_temporary
from internvid.dataset.parts import storage_errors
from internvid.pipeline.annotate.stream import ColumnJob


@contextmanager
def job_file(job: ColumnJob) -> Iterator[Path]:
    """The job in a file of the dataset, for as long as the block runs.

    What a kill leaves is removed with what other writers leave.

    Raises:
        StorageError: it cannot be written.
        ConfigInvalidError: the component cannot be sent to another process.
    """
    try:
        data = pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ConfigInvalidError(
            f"a component cannot be sent to a worker process: {error}",
            hint="define its class at the top of a module; keep open files and locks out of it",
        ) from error
    with storage_errors(job.layout.root):
        path = new_temporary(job.layout.root / "job")
    try:
        with storage_errors(path):
            path.write_bytes(data)
        yield path
    finally:
        path.unlink(missing_ok=True)


def read_job(path: Path) -> ColumnJob:
    """The job in a file, with a component of its own: none keeps state from part to part.

    Raises:
        ConfigInvalidError: the component cannot be loaded here.
        StorageError: it is not there any more.
    """
    try:
        job: ColumnJob = pickle.loads(_read(path))
    except InternvidError:
        raise
    except Exception as error:  # whatever a stranger's module raises when it is imported
        raise ConfigInvalidError(
            f"a worker process cannot load a component: {type(error).__name__}: {error}",
            hint="put its class into a module that can be imported by name",
        ) from error
    return job


@functools.lru_cache(maxsize=1)
def _read(path: Path) -> bytes:
    with storage_errors(path):
        return path.read_bytes()

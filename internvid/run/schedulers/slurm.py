"""A Slurm array as a script for `sbatch`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from internvid.core.errors import ConfigInvalidError
from internvid.run.schedulers.share_jobs import ShareJobs

_OWN = frozenset({"job-name", "array", "cpus-per-task", "time", "mem", "gpus-per-node"})


def slurm_script(jobs: ShareJobs, program: Sequence[str], options: Mapping[str, str]) -> str:
    """The script of an array with a task for each share, and below it how it is submitted.

    Args:
        jobs: what is started.
        program: how internvid is called on the nodes.
        options: further ones of `sbatch`, long names without dashes: `partition`, `account`.

    Raises:
        ConfigInvalidError: an option that is one of the others'.
    """
    needs = jobs.needs
    at_once = "" if jobs.at_once is None else f"%{jobs.at_once}"
    lines = {
        "job-name": jobs.name,
        "array": f"1-{jobs.shares}{at_once}",
        "cpus-per-task": str(needs.cpus),
        "time": str(needs.minutes),
        **({"mem": f"{needs.memory_gb}G"} if needs.memory_gb else {}),
        **({"gpus-per-node": str(needs.gpus)} if needs.gpus else {}),
        **checked_options(options),
    }
    text = "".join(f"#SBATCH --{name}={value}\n" for name, value in lines.items())
    again = "".join(
        '\n#   last=$(sbatch --parsable --dependency="afterany:$last" work.sbatch)'
        for _ in range(jobs.passes - 1)
    )
    return (
        f"#!/bin/bash\n{text}\n"
        "# 3: this share is done, others are not.\n"
        f"{shlex.join(jobs.command(program))} || [ $? = 3 ]\n\n"
        "# Save this as work.sbatch; then:\n"
        f"#   last=$(sbatch --parsable work.sbatch){again}\n"
    )


def checked_options(options: Mapping[str, str]) -> dict[str, str]:
    """Options of `sbatch` that a user may add.

    Raises:
        ConfigInvalidError: one has an option of its own, or no name or value that one can have.
    """
    for name, value in options.items():
        if name in _OWN:
            raise ConfigInvalidError(
                f"{name} is set by the options of this command", hint="see --help"
            )
        plain = name.replace("-", "")
        if not plain.isascii() or not plain.isalnum() or not value or "\n" in value:
            raise ConfigInvalidError(
                f"{name}={value} is no option of sbatch", hint="for example partition=cpu"
            )
    return dict(options)

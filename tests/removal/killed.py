"""`python -m tests.removal.killed`: removals that are killed at a step, in processes of their own.

Reads lines `STEP DATASET OPTION...` and answers each with the step that was reached, or with
`killed`. The removing processes are forks of this one, which imports everything beforehand.
"""

from __future__ import annotations

import os
import signal
import sys

import internvid
from tests.dying import die_before


def run_until(step: int, arguments: list[str]) -> int:
    """How many steps a removal took; the process is killed before step `step`."""
    taken = die_before(step)
    request: dict[str, list[str]] = {"videos": [], "uris": [], "sources": []}
    for each in arguments[1:]:
        kind, _, text = each.partition("=")
        request[kind].append(text)
    internvid.remove(arguments[0], **request)  # type: ignore[arg-type]
    return taken()


def main() -> None:
    for line in sys.stdin:
        step, *arguments = line.split()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.write(write, str(run_until(int(step), arguments)).encode())
            os._exit(0)
        os.close(write)
        _, status = os.waitpid(child, 0)
        answer = os.read(read, 100).decode()
        os.close(read)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        print("killed" if killed else answer or f"failed {status}", flush=True)


if __name__ == "__main__":
    main()

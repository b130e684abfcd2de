"""The timings of a run: the only place in a dataset where times stand."""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from internvid._version import __version__
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_json


def write_run(layout: Layout, facts: Mapping[str, Any]) -> None:
    """Write `runs/<id>/run.json`: these facts, the clock, the versions and the machine."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    timings = {
        "finished": now,
        **facts,
        "versions": {
            "internvid": __version__,
            "python": platform.python_version(),
            "pyarrow": pa.__version__,
        },
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }
    commit_json(layout.run(f"{now}-{uuid.uuid4().hex[:6]}") / "run.json", timings)

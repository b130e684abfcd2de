"""Lance in a process of its own: one that has loaded it can be forked no more, as tests do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_READ = """
import hashlib, io, json, sys
import av, lance

table = lance.dataset(sys.argv[1])
names = [name for name in table.schema.names if name != "video"]
rows = table.to_table(columns=names).to_pylist()
blobs = table.take_blobs("video", indices=list(range(len(rows))))
for row, blob in zip(rows, blobs, strict=True):
    data = blob.read()
    row["video"] = hashlib.sha256(data).hexdigest()
    with av.open(io.BytesIO(data)) as container:
        row["decoded"] = sum(1 for _ in container.decode(video=0))
found = table.to_table(columns=["clip_id"], filter=sys.argv[2]).to_pylist()
versions = len(table.versions())
print(json.dumps({"rows": rows, "found": [row["clip_id"] for row in found], "versions": versions}))
"""


def publish_lance(dataset: Path, folder: Path, *settings: str) -> dict[str, Any]:
    """Publish; returns the manifest."""
    words = [word for setting in settings for word in ("--set", setting)]
    run_command("publish", str(dataset), str(folder), "--exporter", "lance", *words)
    read: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return read


def run_command(*words: str) -> None:
    """A command of the program, to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "internvid", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def read_lance(folder: Path, condition: str = "true") -> dict[str, Any]:
    """What Lance reads of an export.

    Returns:
        `rows`: columns, `video` as the digest of its bytes, `decoded`: its frames; `found`: ids of
        clips for which the condition holds; `versions`: how many are kept.
    """
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(folder / "clips.lance"), condition],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read

"""Compares dataset folders byte for byte."""

from __future__ import annotations

import hashlib
from pathlib import Path


def digest_tree(root: Path) -> dict[str, str]:
    """Relative path -> hash of every file but those under `runs/`, where times stand."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.relative_to(root).parts[0] != "runs"
    }

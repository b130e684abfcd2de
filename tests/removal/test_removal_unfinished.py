"""An export that was killed half way loses removed clips too, and goes on without them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import internvid
from internvid.core.contracts import Exporter
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.exporters.json_list import JsonListExporter
from internvid.publishing.publish import publish
from internvid.publishing.shards import NOTES
from tests.publishing.every_form import EveryFormExporter
from tests.removal.bytes import names_of, traces
from tests.removal.conftest import SMALL, Desk
from tests.trees import digest_tree

EXPORTERS = [
    FolderExporter(caption="echo", cut=SMALL),
    JsonListExporter(caption="echo", cut=SMALL),
    EveryFormExporter(caption="echo", cut=SMALL),
]
NAMES = ["folder", "json-list", "every-form"]


def publish_killed(ending: str, count: int, data: Path, folder: Path, exporter: Exporter) -> None:
    """An export whose process is killed before the `count`-th file with an ending gets its name."""
    child = os.fork()
    if child == 0:
        real, left = os.replace, count

        def replace(source: os.PathLike[str], target: os.PathLike[str]) -> None:
            nonlocal left
            left -= os.fspath(target).endswith(ending)
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            real(source, target)

        os.replace = replace  # type: ignore[assignment]
        publish(internvid.open(data), folder, exporter)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


@pytest.mark.parametrize("exporter", EXPORTERS, ids=NAMES)
@pytest.mark.parametrize(("ending", "count"), [(".mp4", 12), ("manifest.json", 1)])
def test_a_killed_export_loses_files_and_notes(
    desk: Desk, tmp_path: Path, exporter: Exporter, ending: str, count: int
) -> None:
    """Among the clips, and when all is written but the manifest."""
    half = tmp_path / "half"
    publish_killed(ending, count, desk.data, half, exporter)
    assert not (half / "manifest.json").exists()
    assert traces(half, desk.clips("ann"))
    videos = sorted(path.relative_to(half) for path in half.rglob("*.mp4"))
    done = internvid.remove(desk.data, desk.video("ann"))
    assert str(half.resolve()) in [each["path"] for each in done.copies]
    assert done.to_reissue == []
    assert traces(half, names_of(desk, "ann")) == []
    stay = [path for path in videos if path.name[:32] not in desk.clips("ann")]
    assert [path for path in videos if (half / path).exists()] == stay
    assert stay
    assert (half / NOTES).is_dir()
    kept = {path: (half / path).stat().st_mtime_ns for path in stay}
    publish(internvid.open(desk.data), half, exporter)
    publish(internvid.open(desk.data), tmp_path / "fresh", exporter)
    assert digest_tree(half) == digest_tree(tmp_path / "fresh")
    assert {path: (half / path).stat().st_mtime_ns for path in stay} == kept

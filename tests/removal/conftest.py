"""A dataset that has everything of which a removal must leave nothing."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import internvid
from internvid.curate.select import select
from internvid.curate.selectors import Where
from internvid.dataset.layout import Layout
from internvid.dataset.removal.copies import note_copy, recorded_copies
from internvid.pipeline.annotate.annotate import annotate
from internvid.pipeline.build import build
from internvid.pipeline.recipe import CutRecipe, Recipe
from internvid.publishing.exporters.folder import FolderExporter
from internvid.publishing.exporters.frames import FramesExporter
from internvid.publishing.exporters.json_list import JsonListExporter
from internvid.publishing.exporters.webdataset import WebDatasetExporter
from internvid.publishing.publish import publish
from internvid.scan.scan import ScanRecipe
from internvid.searching.query import open_search
from internvid.shots.content import ContentDetector
from internvid.shots.stitch import Stitch
from internvid.synthetic.fakes import EchoCaptioner
from internvid.video.cutting.cut_plan import CutPlan
from tests.media import write_video
from tests.pipeline.annotators import Embedder, Narrator, TextLength

EXPORTS = ("tars", "frames", "pairs", "listed")
# What is left of the shortest clips is no window, so that some are dropped.
SMALL = CutPlan(fps=8, frames="8", windows="slide", size="32", sound="none")


def small(seconds: float = 1.0) -> Recipe:
    """Clips of about that length, and a caption that names each."""
    cut = CutRecipe(ContentDetector(), Stitch(maximum_seconds=seconds), ("audio",), ())
    scan = ScanRecipe(observers=("content", "luma"))
    return Recipe("test", cut, scan, captioners={"echo": EchoCaptioner()})


@dataclass(frozen=True)
class Desk:
    """A folder with `videos/`, `list.jsonl`, `data/` and exports.

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def videos(self) -> Path:
        return self.root / "videos"

    def uri(self, name: str) -> str:
        return str(self.videos / f"{name}.mp4")

    def video(self, name: str) -> str:
        """The id of a video, as it was before anything was removed."""
        known: dict[str, str] = json.loads((self.root / "ids.json").read_text())
        return known[name]

    def clips(self, name: str) -> list[str]:
        """Ids of its clips under every cut, likewise."""
        known: dict[str, list[str]] = json.loads((self.root / "clips.json").read_text())
        return known[self.video(name)]

    def build(self, seconds: float = 1.0) -> internvid.pipeline.build.BuildSummary:  # type: ignore[name-defined]
        return build([str(self.root / "list.jsonl")], self.data, small(seconds), workers=1)


def _make(root: Path) -> Desk:
    desk = Desk(root)
    for at, name in enumerate(("ann", "bob", "cat", "dan", "eve")):
        path = Path(desk.uri(name))
        write_video(path, level=40 + 20 * at, frames=40 + 10 * at, seed=at)
    shutil.copyfile(desk.uri("bob"), desk.uri("same"))
    names = ("ann", "bob", "cat", "dan", "eve", "same", "lost")
    rows = [{"uri": desk.uri(name), "source_id": f"film:{name}", "note": f"of {name}"}
            for name in names]  # fmt: skip
    (root / "list.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    layout = Layout(desk.data)
    record = layout.create()
    record.sources_per_part = 2
    layout.write_record(record)
    desk.build(2.0)
    desk.build()  # a second cut; the first one stays beside it
    annotate(desk.data, Narrator(fails=0.3), "told")
    annotate(desk.data, Narrator(), "told")  # a second generation
    annotate(desk.data, Narrator(more_frames=9), "closely")  # a further pick set
    annotate(desk.data, TextLength(), "size", text="told", workers=1)
    annotate(desk.data, Embedder(), "vector")
    opened = internvid.open(desk.data)
    ids = {Path(row["uri"]).stem: row["video_id"] for row in opened.videos().to_pylist()}
    select(opened, Where(condition="duration_seconds > 0"), "all")
    select(opened, Where(condition=f"video_id = '{ids['dan']}'"), "only_dan")
    assert len(open_search(opened).by_vector(range(1, 7), 3)) == 3
    internvid.write_report(opened)
    publish(opened, root / "tars", WebDatasetExporter(clips_per_shard=4))
    publish(opened, root / "frames", FramesExporter(clips_per_shard=5), "all")
    publish(opened, root / "pairs", FolderExporter(caption="echo", cut=SMALL))
    publish(opened, root / "listed", JsonListExporter(caption="echo", cut=SMALL))
    publish(opened, desk.data / "inside", WebDatasetExporter())
    clips: dict[str, list[str]] = {}
    for path in desk.data.glob("cuts/*/clips/*.parquet"):
        import pyarrow.parquet as pq

        for row in pq.read_table(path, columns=["clip_id", "video_id"]).to_pylist():
            clips.setdefault(row["video_id"], []).append(row["clip_id"])
    (root / "ids.json").write_text(json.dumps(ids))
    (root / "clips.json").write_text(json.dumps(clips))
    return desk


@pytest.fixture(scope="session")
def whole_desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Never changed: its folder is the same for all copies, because uris are absolute."""
    return _make(tmp_path_factory.mktemp("desk"))


@pytest.fixture
def desk(whole_desk: Desk, tmp_path: Path) -> Desk:
    """A copy of the dataset and its exports, of the same videos."""
    return copied(whole_desk, tmp_path / "desk")


def copied(desk: Desk, root: Path) -> Desk:
    """Dataset and exports; `videos/` is the original one, which uris name."""
    for name in ("data", *EXPORTS):
        shutil.copytree(desk.root / name, root / name)
    for name in ("ids.json", "clips.json", "list.jsonl"):
        shutil.copyfile(desk.root / name, root / name)
    os.symlink(desk.videos, root / "videos")
    layout = Layout(root / "data")
    noted = recorded_copies(layout)
    shutil.rmtree(root / "data" / "exports")
    for each in noted:  # where an export lies is the one path that moves with the copy
        each["path"] = each["path"].replace(str(desk.root), str(root.resolve()))
        note_copy(layout, each)
    return CopiedDesk(root, desk.videos)


@dataclass(frozen=True)
class CopiedDesk(Desk):
    """A desk whose videos lie where the dataset knows them."""

    original: Path

    def uri(self, name: str) -> str:
        return str(self.original / f"{name}.mp4")

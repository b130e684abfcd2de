"""A dataset as an object: its tables as DuckDB relations, its clips, its pictures."""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.core.errors import DatasetFormatError, MisuseError
from internvid.core.hub_upload import HubTarget, upload_folder
from internvid.core.system.shell import command
from internvid.core.types import Clip, TimeSpan
from internvid.dataset.answers.column_views import column_statements, quoted_name
from internvid.dataset.answers.verdict_log import log_path, verdict_statements
from internvid.dataset.answers.video_view import videos_statement
from internvid.dataset.current import CURRENT_VIDEOS, ONE_OF_EACH_VIDEO
from internvid.dataset.duckdb_connection import (
    create_views,
    open_connection,
    open_locked,
    quoted,
    refuse_all_but_select,
)
from internvid.dataset.given import given_path
from internvid.dataset.hub_folder import write_hub_folder
from internvid.dataset.layout import Layout, Record
from internvid.dataset.names import NAME
from internvid.dataset.parts import checked_ids, refuse_damaged
from internvid.dataset.removal.copies import HUB, note_copy
from internvid.dataset.removal.pending import hide_removed, pending_removal
from internvid.dataset.stores.store_path import located
from internvid.dataset.subset_files import subset_facts, subset_names

if TYPE_CHECKING:
    import duckdb
    import PIL.Image
    import pyarrow as pa

SOURCE_COLUMNS = ("uri", "metadata")
"""What rows of clips are shown with: where their pictures lie, what was recorded of the source."""


@dataclass(frozen=True)
class Dataset:
    """A dataset folder, open for reading.

    Its SQL views: `videos` (one row a source), `clips` (kept clips with every column joined),
    `all_clips` (rejected ones too), `picks`, `timelines`, and `column_<name>` for each column of
    captions, scores or vectors (its rows with status, reason, what they were made from, and whether
    that has changed since: such values are joined to no clip). Clips
    of videos that no source is any more are in neither view of clips. What a build is just adding
    is in none until its part is whole.

    It shows the folder as it was when opened. `internvid.caption`, `score`, `embed`, `annotate` and
    `drop_column` call `refresh` on a dataset that they are given; for what other processes wrote,
    call it yourself.
    """

    layout: Layout
    record: Record

    def __repr__(self) -> str:
        sources = sum(part["sources"] for part in self.record.parts)
        cut = self.record.cut or "not built yet"
        return f"Dataset({str(self.root)!r}, {sources} sources, {cut})"

    def __len__(self) -> int:
        """How many kept clips there are."""
        with self.reading():
            ((count,),) = self.sql("select count(*) from clips").fetchall()
        return int(count)

    def __iter__(self) -> Iterator[Clip]:
        """The kept clips, in video and time order; read as one goes through them."""
        with self.reading():
            relation = self.sql(
                "select clip_id, video_id, start_seconds, end_seconds, start_pts, end_pts "
                "from clips order by video_id, start_pts"
            )
            for batch in relation.to_arrow_reader(1024):
                for row in batch.to_pylist():
                    span = TimeSpan(row.pop("start_seconds"), row.pop("end_seconds"))
                    yield Clip(span=span, **row)

    @property
    def root(self) -> Path:
        """The folder."""
        return self.layout.root

    @property
    def parts(self) -> list[str]:
        """Names of the parts that are whole, in order: those of videos being added are not."""
        scan, cut = self.record.scan or "", self.record.cut or ""
        return [
            part["name"]
            for part in self.record.parts
            if self.layout.clips(cut, part["name"]).exists()
            and self.layout.scanned(scan, "videos", part["name"]).exists()
        ]

    @cached_property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """An in-memory DuckDB with the views made, which reaches these tables and nothing else."""
        views = self._view_statements()
        with self.reading():
            # Subsets may be made later; nothing else that a query needs is.
            log = log_path(self.layout)
            connection = open_locked([*self._files(), log], [self.layout.subset("any").parent])
            removed = pending_removal(self.layout)
            create_views(connection, hide_removed(connection, views, removed))
        return connection

    def refresh(self) -> None:
        """Read again what the folder holds: columns, videos and cuts written since it was opened.

        Raises:
            DatasetFormatError: there is no dataset any more, or one this program cannot read.
        """
        object.__setattr__(self, "record", self.layout.read_record())
        for name in ("connection", "video_columns"):
            self.__dict__.pop(name, None)

    def unlocked(self) -> duckdb.DuckDBPyConnection:
        """A new in-memory DuckDB with the same views, for statements of your own.

        It may do all that DuckDB can: read and write any file, load extensions, fetch over the
        network. Give it nothing that others wrote.
        """
        connection = open_connection([self.root])
        with self.reading():
            views, removed = self._view_statements(), pending_removal(self.layout)
            create_views(connection, hide_removed(connection, views, removed))
        return connection

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Says which part is missing or damaged when a query in the block fails for that.

        Raises:
            DatasetFormatError: one is; otherwise the query's own error goes on.
        """
        import duckdb

        try:
            yield
        except duckdb.Error:
            for path in self._files():
                refuse_damaged(path)
            raise

    def _files(self) -> Iterator[Path]:
        scan, cut = self.record.scan, self.record.cut
        assert scan is not None
        assert cut is not None
        for part in self.parts:
            for table in ("videos", "timelines", "picks"):
                yield self.layout.scanned(scan, table, part)
            yield self.layout.clips(cut, part)
            for key in self.record.columns.get(cut, {}).values():
                yield from self.layout.column_files(cut, key, part)
        yield from (self.layout.subset(name) for name in self.subsets())

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """One SELECT over the views, as a DuckDB relation (`.df()`, `.pl()`, `.arrow()`).

        It reads the tables of the dataset and reaches nothing else; `unlocked` is for the rest.

        Raises:
            MisuseError: it is another statement, or several.
            duckdb.Error: DuckDB cannot read the query, or it asks for another file.
        """
        refuse_all_but_select(self.connection, query)
        return self.connection.sql(query)

    def videos(self) -> pa.Table:
        """One row a source, failed ones too."""
        with self.reading():
            rows = self.sql("select * from videos order by uri").to_arrow_table()
        return checked_ids(rows, self.root)

    def clips(self, subset: str | None = None, *, rejected: bool = False) -> pa.Table:
        """Clips with every column, in video and time order.

        Args:
            subset: only the clips of that subset.
            rejected: also clips that the filters rejected.
        """
        with self.reading():
            rows = self.clips_relation(subset, rejected=rejected).to_arrow_table()
        return checked_ids(rows, self.root)

    def clips_relation(
        self,
        subset: str | None = None,
        *,
        rejected: bool = False,
        limit: int | None = None,
        of_video: Collection[str] | None = (),
    ) -> duckdb.DuckDBPyRelation:
        """Clips as a DuckDB relation, for more of them than memory holds.

        Args:
            subset: only the clips of that subset.
            rejected: also clips that the filters rejected.
            limit: only so many, the first ones.
            of_video: also these columns of the view `videos`, called as `video_columns` says; None
                for all. Of several sources with a video's bytes the one that was scanned counts.
        """
        clips = f"select * from {'all_clips' if rejected else 'clips'}"
        if subset is not None:
            path = quoted([self.subset_path(subset)])
            clips += f" semi join read_parquet({path}) using (clip_id)"
        order = " order by video_id, start_pts"
        if limit is not None:
            clips += f"{order} limit {int(limit)}"
        further = "".join(
            f", of_video.{quoted_name(name)} as {quoted_name(shown)}"
            for name, shown in (self.video_columns if of_video != () else {}).items()
            if of_video is None or name in of_video
        )
        # Most queries are about clips alone, and a join of all videos is not free.
        if not further:
            return self.sql(clips if limit is not None else clips + order)
        return self.sql(
            f"select found.*{further} from ({clips}) found "
            f"left join ({ONE_OF_EACH_VIDEO}) of_video using (video_id){order}"
        )

    @cached_property
    def video_columns(self) -> dict[str, str]:
        """Column of the view `videos` -> its name beside those of clips, which go first.

        `video_<name>` where a clip has a column of that name, capitals aside.
        """
        used = {name.lower() for name in self.sql("select * from all_clips limit 0").columns}
        shown_names: dict[str, str] = {}
        for name in self.sql("select * from videos limit 0").columns:
            shown = name
            while shown.lower() in used:
                shown = f"video_{shown}"
            if name != "video_id":
                used.add(shown.lower())
                shown_names[name] = shown
        return shown_names

    def rows_with_source(
        self, relation: duckdb.DuckDBPyRelation
    ) -> Iterator[tuple[dict[str, Any], str | None, dict[str, Any]]]:
        """Rows of clips, the uri and the metadata of each, of a relation that has these.

        Args:
            relation: made by `clips_relation` with `of_video=SOURCE_COLUMNS`.
        """
        uri, metadata = (self.video_columns[name] for name in SOURCE_COLUMNS)
        for batch in relation.to_arrow_reader(1024):
            for row in checked_ids(batch, self.root).to_pylist():
                source_uri, described = row.pop(uri), row.pop(metadata)
                yield row, source_uri, json.loads(described) if described else {}

    def subset_path(self, name: str) -> Path:
        """The ids of a subset.

        Raises:
            MisuseError: there is none of that name.
        """
        path = self.layout.subset(name) if NAME.fullmatch(name) else None
        if path is None or not path.exists():
            known = ", ".join(self.subsets()) or "none"
            raise MisuseError(
                f"{self.root} has no subset {name!r}; it has: {known}",
                hint=f"make it with: {command('select', self.root)} ... --as {shlex.quote(name)}",
            )
        return path

    def subsets(self) -> list[str]:
        """Names of the subsets."""
        return subset_names(self.layout)

    def subset_note(self, name: str) -> str | None:
        """What to know of a subset that was chosen from another cut than the current one."""
        facts = subset_facts(self.layout, name)
        cut = facts["recipe"].get("cut") if facts else None
        if cut is None or cut == self.record.cut:
            return None
        with self.reading():
            ((here,),) = self.clips_relation(name).aggregate("count(*)").fetchall()
        return (
            f"the subset {name!r} was chosen from {cut}; "
            f"{here} of its {facts.get('clips')} clips are in the current cut, {self.record.cut}"
        )

    def clip(self, clip_id: str) -> dict[str, Any]:
        """Every column of one clip. A unique beginning of the id is enough.

        Raises:
            MisuseError: no clip, or several, begin like that.
        """
        if not clip_id or set(clip_id) - set("0123456789abcdef"):
            raise MisuseError(f"{clip_id!r} is not a clip id (32 hex digits, or their beginning)")
        # The id is hexadecimal, checked above: it can stand in the statement.
        wanted = f"select * from all_clips where starts_with(clip_id, '{clip_id}') limit 2"
        with self.reading():
            rows = checked_ids(self.sql(wanted).to_arrow_table(), self.root).to_pylist()
        if len(rows) != 1:
            what = "several clips begin" if rows else "no clip begins"
            raise MisuseError(
                f"{what} with {clip_id!r} in {self.root}", hint=f"see: {command('list', self.root)}"
            )
        return dict(rows[0])

    def source_of(self, video_id: str) -> tuple[str | None, dict[str, Any]]:
        """The uri of a video and what a table says of it; (None, {}) where none is known."""
        with self.reading():
            rows = self.connection.execute(
                "select uri, metadata from videos where video_id = ? "
                "order by status <> 'ok', uri limit 1",
                [video_id],
            ).fetchall()
        uri, described = rows[0] if rows else (None, None)
        return uri, json.loads(described) if described else {}

    def pictures(self, clip_id: str) -> list[tuple[float, PIL.Image.Image]]:
        """The stored frames of a clip: (seconds from the video's start, RGB image)."""
        import io

        import PIL.Image

        return [
            (seconds, PIL.Image.open(io.BytesIO(jpeg)).convert("RGB"))
            for seconds, jpeg in self.jpegs(clip_id)
        ]

    def jpegs(self, clip_id: str) -> Iterator[tuple[float, bytes]]:
        """The stored frames of a clip as JPEG bytes, in time order."""
        row = self.clip(clip_id)
        with self.reading():
            rows = self.connection.execute(
                "select pts_seconds, jpeg from picks where video_id = ? and frame >= ? "
                "and frame < ? order by frame",
                [row["video_id"], row["start_frame"], row["end_frame"]],
            ).fetchall()
        yield from rows

    def push_to_hub(
        self, repo_id: str, subset: str | None = None, *, private: bool = False, **options: Any
    ) -> str:
        """Upload the kept clips with all their columns to a Hugging Face dataset repository.

        Videos, picks and the paths of local files are not uploaded.

        Args:
            repo_id: `owner/name`; made if it does not exist.
            subset: only its clips.
            private: whether a repository that is made is private.
            options: `revision`, `token`, `message`, `endpoint` of `HubTarget`.

        Returns:
            The address of the commit.

        Raises:
            MisuseError: there is not one clip, or no such subset.
            ServiceError: no network, no permission, or the hub refuses.
        """
        target = HubTarget(repo_id, private, **options)
        with tempfile.TemporaryDirectory() as folder, self.reading():
            write_hub_folder(self.clips_relation(subset), Path(folder), repo_id)
            # Before the upload: a copy that nobody knows of is worse than a note too many.
            note_copy(
                self.layout,
                {"kind": HUB, "path": repo_id, "cut": self.record.cut, "subset": subset},
            )
            return upload_folder(Path(folder), "dataset", target)

    def _view_statements(self) -> dict[str, str]:
        scan, cut = self.record.scan, self.record.cut
        if scan is None or cut is None:
            raise DatasetFormatError(
                f"{self.root} has no finished build yet",
                hint="run internvid build again to finish it; see internvid status",
            )
        parts = self.parts
        if not parts:
            raise DatasetFormatError(
                f"{self.root} has no part that is cut by {cut}",
                hint="run internvid build again to finish it; see internvid status",
            )
        scanned = {
            table: quoted([self.layout.scanned(scan, table, part) for part in parts])
            for table in ("videos", "timelines", "picks")
        }
        columns, joins, views = column_statements(self.layout, self.record, parts)
        paths = [self.layout.clips(cut, part) for part in parts]
        clips = quoted(paths)
        reviewed, review_joins, review_view = verdict_statements(
            self.layout, paths[0], self.record.columns.get(cut, {})
        )
        return {
            "videos": videos_statement(scanned["videos"], self.record.metadata),
            "timelines": f"select * from read_parquet({scanned['timelines']})",
            "picks": f"select * from read_parquet({scanned['picks']})",
            **views,
            **review_view,
            "all_clips": f"select clips.*{columns}{reviewed} from read_parquet({clips}) clips"
            f"{joins}{review_joins} "
            f"where clips.video_id in ({CURRENT_VIDEOS})",
            "clips": "select * from all_clips where kept",
        }


def open_dataset(path: str | os.PathLike[str]) -> Dataset:
    """Open the dataset in a folder for reading; `internvid.open` is this function.

    Raises:
        DatasetFormatError: there is none, or one this program cannot read.
    """
    layout = Layout(located(given_path(path, "dataset")))
    return Dataset(layout, layout.read_record())


@contextmanager
def layout_to_write(dataset: Dataset | str | os.PathLike[str]) -> Iterator[Layout]:
    """The layout of a dataset, for a block that writes to it; refreshes an open dataset after it.

    Raises:
        DatasetFormatError: the folder holds no dataset, or one this program cannot read.
    """
    if isinstance(dataset, Dataset):
        layout = dataset.layout
    else:
        layout = Layout(located(given_path(dataset, "dataset")))
    layout.read_record()  # a folder that is no dataset stays as it is
    try:
        yield layout
    finally:
        if isinstance(dataset, Dataset):
            dataset.refresh()

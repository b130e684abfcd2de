"""Columns whose text was made again are shown as stale, joined to no clip, and asked again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq
import pytest

import internvid
from internvid.core.binding import origin_of
from internvid.core.config import setting
from internvid.core.contracts import Annotation, ClipView
from internvid.core.errors import InternvidError
from internvid.pipeline.annotate.annotate import annotate
from internvid.pipeline.annotate.audit import audit
from internvid.pipeline.build import build
from internvid.pipeline.recipe import Recipe
from internvid.pipeline.status import read_status
from internvid.shots.stitch import Stitch
from tests.cli.speaking import Capture, spoken
from tests.pipeline.annotators import Narrator, TextLength
from tests.pipeline.answers import kept, rows, small_recipe, sources


@dataclass(frozen=True)
class Retold:
    """A text made from a text."""

    version: ClassVar[int] = 1
    reads: ClassVar[tuple[str, ...]] = ("text",)
    word: str = "again"

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            # Without an origin: the seal does not cover the text that was read.
            yield Annotation(view.clip.clip_id, f"{self.word}: {len(view.text or '')}")


@dataclass(frozen=True)
class Mood:
    """Says something else on another day, under the same configuration."""

    version: ClassVar[int] = 1
    day: str = setting("monday")
    skips: bool = setting(False)

    def caption(self, clips: Iterable[ClipView]) -> Iterator[Annotation]:
        for view in clips:
            clip_id = view.clip.clip_id
            if self.skips:
                yield Annotation(clip_id, None, "skipped", "silence")
            else:
                yield Annotation(clip_id, f"{self.day} {clip_id}", origin=origin_of(clip_id))


def counts(data: Path, name: str) -> dict[str, Any]:
    (found,) = [row for row in read_status(data)["columns"] if row["column"] == name]
    return found


def stale(data: Path, name: str) -> set[str]:
    return {clip_id for clip_id, row in rows(data, name).items() if row["is_stale"]}


def redo(data: Path, name: str, component: Any, clips: set[str]) -> None:
    """Another generation of some rows, as a run that asks about them again writes it."""
    (path,) = data.glob(f"cuts/*/columns/{name}@*/part-00000.parquet")
    table = pq.read_table(path)
    changed = [
        {**row, "value": f"{component.day} {row['clip_id']}", "seal": None}
        for row in table.to_pylist()
        if row["clip_id"] in clips
    ]
    target = path.with_name("part-00000.g001.parquet")
    pq.write_table(table.from_pylist(changed, schema=table.schema), target)


def test_a_score_of_a_text_that_was_made_again_is_stale(data: Path, capsys: Capture) -> None:
    annotate(data, Narrator(), "told")
    annotate(data, TextLength(), "length", workers=1)
    annotate(data, Retold(), "retold", text="told", workers=1)
    annotate(data, TextLength(), "length2", text="retold", workers=1)
    ids = set(kept(data))
    assert stale(data, "length") == stale(data, "length2") == set()
    annotate(data, Narrator(word="sung"), "told")
    for name in ("length", "retold", "length2"):
        assert stale(data, name) == ids, "also what was made of something that is stale"
        assert (counts(data, name)["ok"], counts(data, name)["stale"]) == (len(ids), len(ids))
        (found,) = audit(data, [name], language="")
        assert (found.stale, found.broken) == (len(ids), [])
        assert internvid.open(data).clips()[name].null_count == len(ids), "shown, not joined"
    assert f"{len(ids)} stale" in spoken(capsys, "status", data)[1]
    assert f"{len(ids)} stale" in spoken(capsys, "audit", data, "--language", "")[1]
    assert counts(data, "told")["stale"] == 0
    again = annotate(data, TextLength(), "length", text="told", workers=1)
    assert again.asked == len(ids)
    assert stale(data, "length") == set()
    # What is stale is no text to be read: its readers wait until it is made again.
    waits = annotate(data, TextLength(), "length2", text="retold", workers=1)
    assert (waits.asked, waits.waiting) == (0, len(ids))
    annotate(data, Retold(), "retold", text="told", workers=1)
    assert annotate(data, TextLength(), "length2", text="retold", workers=1).asked == len(ids)
    assert {row["stale"] for row in read_status(data)["columns"]} == {0}


def test_single_texts_that_were_made_again_make_single_answers_stale(data: Path) -> None:
    annotate(data, Mood(), "mood", workers=1)
    annotate(data, TextLength(), "length", workers=1)
    annotate(data, Retold(), "retold", text="mood", workers=1)
    annotate(data, TextLength(), "length2", text="retold", workers=1)
    (path,) = data.glob("cuts/*/columns/mood@*/part-00000.parquet")
    some = set(pq.read_table(path)["clip_id"].to_pylist()[:3])
    redo(data, "mood", Mood("friday"), some)
    assert stale(data, "length") == stale(data, "retold") == stale(data, "length2") == some
    assert counts(data, "length")["stale"] == 3
    assert counts(data, "mood")["stale"] == 0
    clips = internvid.open(data).sql("select clip_id from clips where length is null")
    assert {clip_id for (clip_id,) in clips.fetchall()} == some
    assert annotate(data, TextLength(), "length2", text="retold", workers=1).waiting == 3
    # The new texts have as many letters: the same answer, of another text.
    assert annotate(data, TextLength(), "length", text="mood", workers=1).asked == 3
    assert annotate(data, Retold(), "retold", text="mood", workers=1).asked == 3
    annotate(data, TextLength(), "length2", text="retold", workers=1)
    for name in ("length", "retold", "length2"):
        assert stale(data, name) == set(), name
        assert annotate(data, _made(name), name, text=_read(name), workers=1).asked == 0


def _made(name: str) -> Any:
    return Retold() if name == "retold" else TextLength()


def _read(name: str) -> str:
    return "retold" if name == "length2" else "mood"


def test_columns_of_before_digests_are_told_by_their_key_alone(data: Path) -> None:
    annotate(data, Narrator(), "told")
    annotate(data, TextLength(), "length", workers=1)
    for path in data.glob("cuts/*/columns/length@*/*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["text_digest"]), path)
    assert stale(data, "length") == set()
    assert annotate(data, TextLength(), "length", workers=1).asked == 0
    annotate(data, Narrator(word="sung"), "told")
    assert stale(data, "length") == set(kept(data))


def test_an_answer_of_another_text_is_not_carried_over(data: Path, recipe: Recipe) -> None:
    annotate(data, Mood(), "mood", workers=1)
    annotate(data, TextLength(), "length", workers=1)
    old = set(kept(data))
    small = small_recipe(recipe, "other")
    cut = dataclasses.replace(small.cut, stitch=Stitch(maximum_seconds=1.05))
    build(sources(data), data, dataclasses.replace(small, cut=cut))
    same = set(kept(data)) & old
    assert annotate(data, Mood(), "mood", workers=1).carried == len(same) > 3
    first = set(rows(data, "mood")) & same
    (path,) = data.glob("cuts/other@*/columns/mood@*/part-00000.parquet")
    changed = set(pq.read_table(path)["clip_id"].to_pylist()) & first
    table = pq.read_table(path)
    told = [{**row, "value": row["value"] + "!"} for row in table.to_pylist()]
    pq.write_table(table.from_pylist(told, schema=table.schema), path)
    summary = annotate(data, TextLength(), "length", workers=1)
    assert summary.carried == len(same - changed) > 0
    assert stale(data, "length") == set()
    values = rows(data, "length")
    assert all(values[one["clip_id"]]["value"] == len(one["value"]) for one in told)


@pytest.mark.parametrize("name", ["is_stale", "text_digest"])
def test_names_that_the_program_needs_are_refused(name: str, data: Path) -> None:
    greedy = type("Greedy", (Narrator,), {"extras": {name: "string"}})
    with pytest.raises(InternvidError, match=name):
        annotate(data, greedy(), "told")


def test_status_has_the_number_in_json(data: Path, capsys: Capture) -> None:
    annotate(data, Narrator(), "told")
    annotate(data, TextLength(), "length", workers=1)
    annotate(data, Narrator(word="sung"), "told")
    code, out, _ = spoken(capsys, "status", data, "--json")
    assert code == 0
    found = {row["column"]: row["stale"] for row in json.loads(out)["columns"]}
    assert found == {"told": 0, "length": len(kept(data))}

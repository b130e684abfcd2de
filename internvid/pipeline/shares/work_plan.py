"""What is planned for a dataset, as any process on any machine can read it.

A recipe is written down as a name and settings, as `--set` takes them, and a column as a component
with settings. Keys say what the planner made of them: a worker that makes something else of the
same words, having other code or other weights, is refused before it does anything.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from internvid._version import __version__
from internvid.core.annotators import traits_of
from internvid.core.assignments import settings_of, spell, with_values
from internvid.core.config import fingerprint
from internvid.core.errors import (
    ConfigInvalidError,
    DatasetFormatError,
    InternvidError,
    PlanMismatchError,
)
from internvid.core.registry import create, name_of
from internvid.dataset.layout import Layout
from internvid.dataset.parts import commit_json
from internvid.pipeline.annotate.jobs import ColumnRequest
from internvid.pipeline.recipe import Recipe

Kind = Literal["captioner", "scorer"]
_FORMAT = 1
MakeRecipe = Callable[[str], Recipe]
"""The recipe of a name, to which settings are applied."""


@dataclass(frozen=True)
class PlannedBuild:
    """A build: its recipe, and the keys of what it makes."""

    recipe: str
    settings: tuple[str, ...]
    scan: str
    cut: str

    def remade(self, make: MakeRecipe) -> Recipe:
        """The recipe.

        Raises:
            PlanMismatchError: here it would make something else.
        """
        recipe = with_values(make(self.recipe), self.settings)
        if (recipe.scan_fingerprint(), recipe.cut_key()) != (self.scan, self.cut):
            raise PlanMismatchError(
                f"the recipe {self.recipe!r} makes {recipe.cut_key()} here, and {self.cut} was "
                "planned",
                hint="run all workers with the code and files that the planner had; or plan anew: "
                "internvid build VIDEOS -o DATASET --prepare",
            )
        return recipe


@dataclass(frozen=True)
class PlannedColumn:
    """A column: its component, and the key of what it makes.

    Attributes:
        key: `name@fingerprint`.
        text: name of the text column that it reads.
    """

    name: str
    key: str
    kind: Kind
    component: str
    settings: tuple[str, ...] = ()
    subset: str | None = None
    text: str | None = None
    retry: bool = False

    def request(self) -> ColumnRequest:
        """What the planner requested."""
        made = create(self.kind, self.component, self.settings)
        return ColumnRequest(self.name, made, self.subset, self.text, retry=self.retry)


@dataclass(frozen=True)
class WorkPlan:
    """What workers are to do.

    Attributes:
        sizes: part -> bytes that it is expected to take, by which parts are shared out.
        build: what is scanned and cut; None where that is done.
        columns: in the order in which they are written.
        version: of internvid, that planned it.
    """

    sizes: Mapping[str, int]
    build: PlannedBuild | None = None
    columns: tuple[PlannedColumn, ...] = ()
    version: str = __version__
    format: int = field(default=_FORMAT)

    @property
    def digest(self) -> str:
        """12 hex digits of all of it."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.blake2b(text.encode("utf-8"), digest_size=6).hexdigest()

    def with_column(self, column: PlannedColumn) -> WorkPlan:
        """The plan with a further column, in place of one of that name."""
        others = tuple(each for each in self.columns if each.name != column.name)
        return replace(self, columns=(*others, column))

    def share(self, parts: Sequence[str], number: int, shares: int) -> list[str]:
        """The parts of one of several shares, of about equal bytes; in their order.

        Args:
            parts: of the dataset, all in order.
            number: of the share, from 0.
            shares: how many there are.
        """
        loads = [0] * shares
        mine = []
        for part in parts:
            least = loads.index(min(loads))
            loads[least] += max(1, self.sizes.get(part, 0))
            if least == number:
                mine.append(part)
        return mine


def read_plan(layout: Layout) -> WorkPlan | None:
    """What is planned; None where nothing is.

    Raises:
        PlanMismatchError: another version of internvid planned it.
        DatasetFormatError: it cannot be read.
    """
    path = layout.work_path
    try:
        data = json.loads(path.read_text("utf-8"))
        found, version = data["format"], data["version"]
        if (found, version) == (_FORMAT, __version__):
            build = data["build"]
            if build is not None:
                build = PlannedBuild(**{**build, "settings": tuple(build["settings"])})
            columns = tuple(
                PlannedColumn(**{**each, "settings": tuple(each["settings"])})
                for each in data["columns"]
            )
            return WorkPlan(data["sizes"], build, columns)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetFormatError(
            f"{path} is damaged: {error}", hint="plan the work anew: it replaces this file"
        ) from error
    raise PlanMismatchError(
        f"the work of {layout.root} was planned by internvid {version}; this is {__version__}",
        hint="run all workers with one version; or plan anew with this one, by --prepare",
    )


def write_plan(layout: Layout, plan: WorkPlan) -> None:
    """Put down what is planned, in one step. Under the write lock."""
    commit_json(layout.work_path, asdict(plan))


def plan_build(recipe: Recipe, make: MakeRecipe) -> PlannedBuild:
    """A recipe as workers can make it again.

    Raises:
        ConfigInvalidError: settings do not say all of it.
    """
    recipe.check()
    settings = tuple(f"{each['setting']}={each['value']}" for each in recipe.settings())
    planned = PlannedBuild(recipe.name, settings, recipe.scan_fingerprint(), recipe.cut_key())
    try:
        again = planned.remade(make)
        is_same = {name: fingerprint(each) for name, each in again.captioners.items()} == {
            name: fingerprint(each) for name, each in recipe.captioners.items()
        }
    except InternvidError as error:
        raise _not_plain(f"the recipe {recipe.name!r}", error) from error
    if not is_same:
        raise _not_plain(f"the recipe {recipe.name!r}", None)
    return planned


def plan_column(request: ColumnRequest, key: str) -> PlannedColumn:
    """A column as workers can make it again.

    Args:
        request: of the column; with an instance of its component.
        key: `name@fingerprint`.

    Raises:
        ConfigInvalidError: settings do not say all of it; or clips are to be done again.
    """
    if request.redo:
        raise ConfigInvalidError(
            "clips cannot be captioned again by several workers",
            hint="leave out --prepare: what is bad is mostly little",
        )
    component = request.component
    kind: Kind = "captioner" if traits_of(component).verb == "caption" else "scorer"
    settings = settings_of(component)
    planned = PlannedColumn(
        request.name,
        key,
        kind,
        name_of(kind, component),
        tuple(f"{path}={spell(value)}" for path, value in settings.items()),
        request.subset,
        request.text,
        request.retry,
    )
    try:
        again: Any = planned.request().component
    except InternvidError as error:
        raise _not_plain(type(component).__name__, error) from error
    if settings_of(again) != settings or fingerprint(again) != fingerprint(component):
        raise _not_plain(type(component).__name__, None)
    return planned


def _not_plain(what: str, error: InternvidError | None) -> ConfigInvalidError:
    reason = "it holds more than settings can say" if error is None else error.message
    return ConfigInvalidError(
        f"{what} cannot be planned for other processes: {reason}",
        hint="give it by settings: --recipe NAME and --set PATH=VALUE; classes of your own lie in "
        "a module that workers can import",
    )

"""Which type each column of a text table gets: that of most of its first values.

Ids, times written as text and captions are text whatever they look like; known scores are numbers.
A value that cannot be of its column's type is null in the converted table, and its row is at
fault (`bad_type`). Whole numbers become numbers where a fraction turns up later, and columns that
turn up later are added: then the conversion begins again.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from internvid.curate.tables.known_layouts import Columns, Layout, plain_name

_INT64 = range(-(2**63), 2**63)
_WHOLE = re.compile(r"^-?(0|[1-9][0-9]{0,17})$")
_PADDED = re.compile(r"^-?0[0-9]")
_NUMBER = re.compile(r"^[-+]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][-+]?[0-9]+)?$")
_NOT_FINITE = frozenset({"nan", "inf", "-inf", "+inf", "infinity", "-infinity"})
_FLAGS = {"true": True, "false": False, "True": True, "False": False}
# One odd value in a hundred does not make a column of numbers one of texts.
_ENOUGH = 0.99
BAD = object()


class ColumnsChanged(Exception):
    """The columns do not hold what came: the conversion begins again with others.

    Args:
        types: name -> type, of columns that are new or change.
    """

    def __init__(self, types: Mapping[str, pa.DataType]) -> None:
        super().__init__(", ".join(types))
        self.types = dict(types)


@dataclass(frozen=True)
class Plan:
    """The columns of a text table.

    Attributes:
        types: name -> type, in order.
        numerals: columns of text that a file keeps as whole numbers.
    """

    types: Mapping[str, pa.DataType]
    numerals: frozenset[str] = frozenset()

    @property
    def schema(self) -> pa.Schema:
        """Types as the converted table keeps them."""
        return pa.schema(list(self.types.items()))

    @property
    def parsed(self) -> pa.Schema:
        """Types as a file is parsed."""
        return pa.schema(
            [
                (name, pa.int64() if name in self.numerals else kind)
                for name, kind in self.types.items()
            ]
        )

    def changed(self, types: Mapping[str, pa.DataType]) -> Plan:
        """The plan with columns that changed or are new."""
        return Plan({**self.types, **types}, self.numerals - set(types))


def is_text_name(name: str, layout: Layout) -> bool:
    """Whether a column is text whatever it looks like: an id, a caption."""
    plain = plain_name(name)
    fixed = {plain_name(each) for each in (*layout.texts, *layout.caption, *layout.source)}
    fixed |= {plain_name(each) for each in layout.key} - {
        plain_name(each) for each in layout.numbers
    }
    return plain in fixed or plain == "id" or plain.endswith(("_id", "videoid"))


def plan_of_objects(objects: Sequence[Mapping[str, Any]], layout: Layout) -> Plan:
    """Types of the columns of JSON objects, from some of them."""
    names = dict.fromkeys(name for each in objects for name in each)
    numbers, times = _number_names(names, layout), _time_names(names, layout)
    types: dict[str, pa.DataType] = {}
    numerals: set[str] = set()
    for name in names:
        values = [each[name] for each in objects if each.get(name) is not None]
        if name in numbers:
            types[name] = pa.float64()
        elif is_text_name(name, layout):
            types[name] = pa.string()
            if values and all(type(value) is int and value in _INT64 for value in values):
                numerals.add(name)
        elif name in times:
            types[name] = _type_of_times(map(str, values))
        else:
            types[name] = type_of_values(values)
    return Plan(types, frozenset(numerals))


def plan_of_cells(names: Sequence[str], rows: Sequence[Sequence[str]], layout: Layout) -> Plan:
    """Types of the columns of a csv file, from some of its rows."""
    numbers, times = _number_names(names, layout), _time_names(names, layout)
    types: dict[str, pa.DataType] = {}
    for index, name in enumerate(names):
        cells = [row[index] for row in rows if row[index]]
        if name in numbers:
            types[name] = pa.float64()
        elif is_text_name(name, layout):
            types[name] = pa.string()
        elif name in times:
            types[name] = _type_of_times(cells)
        else:
            types[name] = _type_of_cells(cells)
    return Plan(types)


def type_of_values(values: Sequence[Any]) -> pa.DataType:
    """The type that most JSON values are of; text where none is."""
    kinds = Counter(map(_kind, values))
    if kinds["int"] and kinds["float"]:
        kinds["float"] += kinds.pop("int")
    if not kinds:
        return pa.string()
    kind = kinds.most_common(1)[0][0]
    if kind == "nested":
        return _nested_type([value for value in values if _kind(value) == "nested"])
    return {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64()}.get(kind, pa.string())


def fitted(value: Any, name: str, kind: pa.DataType) -> Any:
    """A JSON value as one of a column's type; `BAD` where it cannot be one.

    Raises:
        ColumnsChanged: it is a fraction in a column of whole numbers, or a list that has new parts.
    """
    if value is None:
        return None
    if pa.types.is_string(kind):
        return _as_text(value)
    if pa.types.is_boolean(kind):
        return value if isinstance(value, bool) else BAD
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return _as_number(value, name, kind)
    if not isinstance(value, (list, dict)):
        return BAD
    try:
        joined = pa.unify_schemas(
            [pa.schema([(name, kind)]), pa.schema([(name, _nested_type([value]))])],
            promote_options="permissive",
        )
    except pa.ArrowException:
        return BAD
    if joined.field(0).type != kind:
        raise ColumnsChanged({name: joined.field(0).type})
    return value


def cell_value(cell: str, kind: pa.DataType, name: str) -> Any:
    """A cell of a csv file as a value of its column's type; `BAD` where it cannot be one.

    Raises:
        ColumnsChanged: it is a fraction in a column of whole numbers.
    """
    if not cell:
        return None
    if pa.types.is_string(kind):
        return cell
    if pa.types.is_boolean(kind):
        return _FLAGS.get(cell, BAD)
    return _as_number(cell, name, kind)


def column_array(values: list[Any], kind: pa.DataType) -> pa.Array:
    """Fitted values as a column; `BAD` is null."""
    return pa.array([None if value is BAD else value for value in values], kind)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """A type without times: what a reader of JSON takes for a time of day was written as text."""
    if pa.types.is_temporal(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, plain_type(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    return kind


def _number_names(names: Iterable[str], layout: Layout) -> set[str]:
    """Columns that the layout knows as numbers; times among them may be written as text."""
    columns = Columns(dict.fromkeys(names, ""))
    times = {plain_name(each) for each in (*layout.start, *layout.end, *layout.duration)}
    known = [each for each in layout.numbers if plain_name(each) not in times]
    return {name for each in known if (name := columns.first((each,))) is not None}


def _time_names(names: Iterable[str], layout: Layout) -> set[str]:
    """Columns of times, which a file holds as numbers or as texts."""
    columns = Columns(dict.fromkeys(names, ""))
    known = () if layout.ticks else (*layout.start, *layout.end, *layout.duration)
    return {name for each in known if (name := columns.first((each,))) is not None}


def _type_of_times(cells: Iterable[str]) -> pa.DataType:
    known = [_NUMBER.match(cell) is not None or cell.lower() in _NOT_FINITE for cell in cells]
    return pa.float64() if known and sum(known) >= _ENOUGH * len(known) else pa.string()


def _type_of_cells(cells: Sequence[str]) -> pa.DataType:
    enough = _ENOUGH * len(cells)
    if not cells:
        return pa.string()
    whole = sum(_WHOLE.match(cell) is not None for cell in cells)
    # `007` and a number of 20 digits are no numbers that could be written back.
    padded = sum(_PADDED.match(cell) is not None for cell in cells)
    numbers = sum(_NUMBER.match(cell) is not None or cell.lower() in _NOT_FINITE for cell in cells)
    if all(cell in _FLAGS for cell in cells):
        return pa.bool_()
    if padded or sum(cell.isdigit() and len(cell) > 18 for cell in cells):
        return pa.string()
    if whole == numbers and whole >= enough:
        return pa.int64()
    return pa.float64() if numbers >= enough else pa.string()


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if value in _INT64 else "str"
    if isinstance(value, float):
        return "float"
    return "str" if isinstance(value, str) else "nested"


def _nested_type(values: Sequence[Any]) -> pa.DataType:
    try:
        return plain_type(pa.array(values).type)
    except (pa.ArrowException, OverflowError):
        return pa.string()


def _as_text(value: Any) -> Any:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _as_number(value: Any, name: str, kind: pa.DataType) -> Any:
    if isinstance(value, str):
        text = value.strip()
        if not (_NUMBER.match(text) or text.lower() in _NOT_FINITE):
            return BAD
        value = int(text) if _WHOLE.match(text) else float(text)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return BAD
    if pa.types.is_floating(kind):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, int) and value in _INT64:
        return value
    raise ColumnsChanged({name: pa.float64()})

"""DuckDB expressions over columns of published tables: texts, numbers and times of any type."""

from __future__ import annotations

import re

# HH:MM:SS.mmm, as most tables write times, is known by its length and its point: that takes three
# quarters of the time of a pattern of LIKE. The rest goes through a regular expression: hours may
# have any number of digits there, TIME ends at 24.
_USUAL_LENGTH = 12
_CLOCK = r"-?[0-9]+:[0-5]?[0-9]:[0-5]?[0-9]([.][0-9]*)?"
_NUMBERS = re.compile(r"^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$")
NULL_TEXT = "null::varchar"
NULL_SECONDS = "null::double"


def quoted_text(text: str) -> str:
    """A text as SQL."""
    return "'" + text.replace("'", "''") + "'"


def is_number(kind: str) -> bool:
    """Whether values of a DuckDB type are numbers."""
    return _NUMBERS.match(kind.upper()) is not None


def is_text(kind: str) -> bool:
    """Whether values of a DuckDB type are texts (also those of an enumeration)."""
    return kind.upper() == "VARCHAR" or kind.upper().startswith("ENUM")


def text_sql(column: str, kind: str) -> str:
    """A column as text: an id that a table keeps as a number stays what it was written as."""
    return column if kind.upper() == "VARCHAR" else f"{column}::varchar"


def number_sql(column: str, kind: str) -> str:
    """A column as DOUBLE: null where it is none, NaN or infinite."""
    if not (is_number(kind) or is_text(kind)):
        return NULL_SECONDS
    value = f"try_cast({column} as double)"
    return f"case when isfinite({value}) then {value} end"


def seconds_sql(column: str, kind: str) -> str:
    """A column of times as seconds: numbers, `HH:MM:SS.mmm`, or numbers as text.

    Null where the value is none of these.
    """
    if kind.upper() in ("INTERVAL", "TIME"):
        return f"epoch({column})"
    if not is_text(kind):
        return number_sql(column, kind)
    column = text_sql(column, kind)
    usual = (
        f"case when strlen({column}) = {_USUAL_LENGTH} and contains({column}, '.') "
        f"then epoch(try_cast({column} as time)) end"
    )
    other = (
        f"case when regexp_full_match({column}, '{_CLOCK}') "
        f"then epoch(try_cast({column} as interval)) else {number_sql(column, 'VARCHAR')} end"
    )
    return f"coalesce({usual}, {other})"


def is_absent_sql(column: str, kind: str) -> str:
    """Whether a value is null or an empty text."""
    return f"({column} is null or {column} = '')" if is_text(kind) else f"({column} is null)"


def is_no_number_sql(column: str, kind: str) -> str:
    """Whether a value of a column of numbers is there and is no number; NaN is one."""
    if is_number(kind):
        return "false"
    if not is_text(kind):
        return f"({column} is not null)"
    return f"({column} <> '' and try_cast({column} as double) is null)"

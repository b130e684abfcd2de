"""Configuration as text: fields read and changed by `dotted.path=value`."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, Union

from internvid.core.config import Members
from internvid.core.errors import ConfigInvalidError, MisuseError

T = TypeVar("T")


@dataclass(frozen=True)
class _Assignment:
    """`path=text`, the path as it is from the object in question; `given` is how it was written."""

    path: str
    text: str
    given: str

    @property
    def is_none(self) -> bool:
        return self.text.strip().lower() == "none"

    def under(self, name: str) -> _Assignment:
        return dataclasses.replace(self, path=self.path[len(name) + 1 :])


def with_values(config: T, assignments: Sequence[str]) -> T:
    """A copy of a dataclass with `dotted.path=value` assignments applied, all of them together.

    Each object is made once, of all assignments to it, so values that depend on one another may
    come in any order. Of one path the last counts. What a field holds as a whole (`detector=`,
    `filters=`) is settled before what is inside it.

    Members of a list or mapping that has `Members` go by their names: `filters.still.maximum=1`
    changes a field of one, `filters.still=none` takes it out, `filters=still,black` names all
    that there shall be. `stages.*.batch=16` applies to every member but those set otherwise by
    name.

    A dataclass may let its fields be set by further paths: `other_paths`, a class attribute, maps
    such a path to those it stands for.

    Raises:
        ConfigInvalidError: no such field or member, a value the field cannot take, or values that
            cannot be together; the message names the assignments at fault.
        MisuseError: likewise, of the kind that the refusing object raised.
    """
    last: dict[str, _Assignment] = {}
    for given in assignments:
        path, separator, text = given.partition("=")
        if not separator or not path.strip():
            raise ConfigInvalidError(
                f"{given!r} is not of the form dotted.path=value",
                hint="for example --set detector.threshold=30",
            )
        last[path.strip()] = _Assignment(path.strip(), text, given)
    return _assigned(config, list(last.values())) if last else config


def _assigned(config: Any, assignments: Sequence[_Assignment]) -> Any:
    """The dataclass with assignments to its fields, and to what they hold."""
    values = _values(config, assignments)
    try:
        return dataclasses.replace(config, **values)
    except (TypeError, ValueError, ArithmeticError, MisuseError) as error:
        raise _refusal(config, assignments, error) from error


def _values(config: Any, assignments: Sequence[_Assignment]) -> dict[str, Any]:
    """What the assigned fields shall hold."""
    if not dataclasses.is_dataclass(config) or isinstance(config, type):
        first = assignments[0]
        raise ConfigInvalidError(f"{first.given!r}: {first.path!r} lies inside a plain value")
    known = {field.name: field for field in _public_fields(config)}
    by_field: dict[str, list[_Assignment]] = {}
    for one in _in_full(config, assignments):
        name = one.path.partition(".")[0]
        if name not in known:
            raise ConfigInvalidError(
                f"{one.given!r}: {type(config).__name__} has no field {name!r}; "
                f"it has: {', '.join(known) or 'none'}"
            )
        by_field.setdefault(name, []).append(one.under(name))
    return {name: _value(config, known[name], given) for name, given in by_field.items()}


def _in_full(config: Any, assignments: Sequence[_Assignment]) -> list[_Assignment]:
    """Assignments to fields, where some are written with `other_paths` of the dataclass.

    Values for several fields come first: a field that is set by its own path is an exception.
    """
    other: Mapping[str, tuple[str, ...]] = getattr(type(config), "other_paths", {})
    full = [
        [dataclasses.replace(one, path=path) for path in other.get(one.path, (one.path,))]
        for one in assignments
    ]
    return [one for paths in sorted(full, key=len, reverse=True) for one in paths]


def _value(config: Any, field: dataclasses.Field[Any], assignments: Sequence[_Assignment]) -> Any:
    """What a field shall hold."""
    value, members = getattr(config, field.name), field.metadata.get("members")
    if members is not None and isinstance(value, (tuple, Mapping)):
        return _with_members(value, members, assignments)
    whole, inside = _split(assignments)
    if whole is not None and members is not None:
        value = members.make(whole.text)
    elif whole is not None:
        annotation = typing.get_type_hints(type(config))[field.name]
        parsed = parse_value(whole.text, annotation, f"{whole.given!r}")
        # 0 and 0.0 are spelled apart in fingerprints: what changes nothing must change nothing.
        value = value if parsed == value else parsed
    return _assigned(value, inside) if inside else value


def _split(
    assignments: Iterable[_Assignment],
) -> tuple[_Assignment | None, list[_Assignment]]:
    """The assignment to a thing as a whole, if there is one, and those to what is inside it."""
    whole = None
    inside = []
    for one in assignments:
        if one.path:
            inside.append(one)
        else:
            whole = one
    return whole, inside


def _refusal(config: Any, assignments: Sequence[_Assignment], error: Exception) -> MisuseError:
    """The error of an object that refuses its values, naming the assignments at fault.

    At fault is each without which there would not be this error.
    """
    at_fault = [one for one in assignments if _matters(config, assignments, one, error)]
    # Their paths alone: a refused value may be a secret, which the reason takes care not to tell.
    paths = [one.given.partition("=")[0].strip() for one in at_fault or assignments]
    kind: type[MisuseError] = ConfigInvalidError
    reason, hint = str(error), None
    if isinstance(error, MisuseError):
        kind, reason, hint = type(error), error.message, error.hint
    if hint is None and len(paths) > 1:
        hint = "change one of them, or leave it out; they are checked together, in any order"
    elif hint is None:
        hint = "give another value, or set in the same command what it must agree with"
    # Many reasons begin with the field's name.
    if len(paths) > 1 or not reason.startswith(f"{paths[0]} "):
        reason = f"{' and '.join(paths)}: {reason}"
    return kind(reason, hint=hint)


def _matters(
    config: Any, assignments: Sequence[_Assignment], one: _Assignment, error: Exception
) -> bool:
    """Whether the assignments meet another fate than this error if one is left out."""
    try:
        values = _values(config, [other for other in assignments if other is not one])
    except MisuseError as another:
        return str(another.__cause__) != str(error)
    try:
        # Not `_assigned`, which looks for what matters once more: factorial in the assignments.
        dataclasses.replace(config, **values)
    except (TypeError, ValueError, ArithmeticError, MisuseError) as another:
        return str(another) != str(error)
    return True


def _with_members(
    current: tuple[Any, ...] | Mapping[str, Any],
    members: Members,
    assignments: Sequence[_Assignment],
) -> tuple[Any, ...] | dict[str, Any]:
    """A list or mapping of named members with assignments to it and to them."""
    there = _named_members(current, members)
    whole, inside = _split(assignments)
    wanted = list(there)
    if whole is not None:
        wanted = [part.strip() for part in whole.text.split(",") if part.strip()]
    by_name: dict[str, list[_Assignment]] = {name: [] for name in wanted}
    for one in inside:
        if one.path.startswith("*."):
            continue
        # A component from outside has dots in its name: "my_parts.sub:Class".
        fitting = [name for name in by_name if one.path == name or one.path.startswith(f"{name}.")]
        name = max(fitting, key=len) if fitting else one.path.partition(".")[0]
        by_name.setdefault(name, []).append(one.under(name))
    of_all = [one.under("*") for one in inside if one.path.startswith("*.")]
    members_by_name: dict[str, Any] = {}
    for name, given in by_name.items():
        own, deeper = _split(given)
        if own is not None and own.is_none:
            _refuse_contradiction(name, wanted, own, deeper, members)
            continue
        if own is not None and isinstance(current, Mapping):
            member = members.make(own.text.strip())
        elif name in there and name in wanted:
            member = there[name]
        else:
            member = _new_member(name, wanted, given, members)
        if own is not None and not isinstance(current, Mapping):
            raise ConfigInvalidError(
                f"{own.given!r}: {name!r} itself takes only `none`, which takes it out; "
                f"its fields: {', '.join(settings_of(members.opened(member))) or 'none'}"
            )
        # Of one path the last counts: what names the member comes after what is said of all.
        if of_all or deeper:
            member = members.closed(_assigned(members.opened(member), [*of_all, *deeper]))
        members_by_name[name] = member
    if of_all and not members_by_name:
        raise _no_such_member("*", wanted, of_all[0], members)
    return members_by_name if isinstance(current, Mapping) else tuple(members_by_name.values())


def _refuse_contradiction(
    name: str,
    wanted: Sequence[str],
    removal: _Assignment,
    deeper: Sequence[_Assignment],
    members: Members,
) -> None:
    if name not in wanted:
        raise _no_such_member(name, wanted, removal, members)
    if deeper:
        raise ConfigInvalidError(
            f"{removal.given!r} takes out what {deeper[0].given!r} changes",
            hint="leave one of them out",
        )


def _new_member(
    name: str, wanted: Sequence[str], given: Sequence[_Assignment], members: Members
) -> Any:
    """A member that is not there yet: a known one that is requested, or one that begins here."""
    begun = next(filter(None, (members.begin(name, one.path) for one in given)), None)
    if name in wanted:
        try:
            return members.make(name)
        except MisuseError:
            if begun is None:
                raise
    if begun is None:
        raise _no_such_member(name, wanted, given[0], members)
    return begun


def _no_such_member(
    name: str, wanted: Sequence[str], assignment: _Assignment, members: Members
) -> ConfigInvalidError:
    return ConfigInvalidError(
        f"{assignment.given!r}: there is no {name!r}; there are: {', '.join(wanted) or 'none'}",
        hint=members.hint,
    )


def _named_members(
    current: tuple[Any, ...] | Mapping[str, Any], members: Members
) -> dict[str, Any]:
    """Members by name; of several that have one name the second is `name-2`, and so on."""
    if isinstance(current, Mapping):
        return dict(current)
    named: dict[str, Any] = {}
    for member in current:
        name, number = members.name_of(member), 1
        while (name if number == 1 else f"{name}-{number}") in named:
            number += 1
        named[name if number == 1 else f"{name}-{number}"] = member
    return named


def settings_of(config: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> value of every field that an assignment can give, as paths are spelled there.

    A component or a list of members stands there by name, and its own fields beside it.
    """
    settings: dict[str, Any] = {}
    for field in _public_fields(config):
        value, here = getattr(config, field.name), f"{path}{field.name}"
        members = field.metadata.get("members")
        if members is not None and isinstance(value, (tuple, Mapping)):
            named = _named_members(value, members)
            settings[here] = tuple(named)
            for name, member in named.items():
                if isinstance(value, Mapping) and members.name_of(member) != name:
                    settings[f"{here}.{name}"] = members.name_of(member)
                if not isinstance(member, str):
                    settings |= settings_of(member, f"{here}.{name}.")
        elif dataclasses.is_dataclass(value) and not isinstance(value, type):
            if members is not None:
                settings[here] = members.name_of(value)
            settings |= settings_of(value, f"{here}.")
        elif value is None or isinstance(value, (str, int, float, bool)) or _is_flat(value):
            settings[here] = value
    return settings


def spell(value: Any) -> str:
    """A value of `settings_of` as an assignment takes it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)


def _is_flat(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, (str, int, float)) for item in value)


def _public_fields(config: Any) -> list[dataclasses.Field[Any]]:
    # A leading underscore marks state, not configuration.
    public = dataclasses.fields(config)
    return [field for field in public if field.init and not field.name.startswith("_")]


def parse_value(text: str, annotation: Any, where: str) -> Any:
    """`text` as the annotated type: str, int, float, bool, Optional or a tuple of those."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (Union, types.UnionType):
        if type(None) in arguments and text.strip().lower() in ("none", "null", ""):
            return None
        annotation = next(item for item in arguments if item is not type(None))
        return parse_value(text, annotation, where)
    if origin is tuple:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(parse_value(part, arguments[0], where) for part in parts)
    try:
        if annotation is bool:
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[
                text.strip().lower()
            ]
        if annotation is int:
            return int(text)
        if annotation is float:
            return float(text)
    except (KeyError, ValueError) as error:
        raise ConfigInvalidError(
            f"{where}: {text!r} is not a valid {getattr(annotation, '__name__', annotation)}"
        ) from error
    if annotation is str or origin is typing.Literal:
        if arguments and text not in arguments:
            raise ConfigInvalidError(f"{where}: allowed are {', '.join(map(str, arguments))}")
        return text
    if annotation is Any:
        return text
    raise ConfigInvalidError(
        f"{where}: this field holds more than text can say",
        hint="set a field inside it by its dotted path, or write a recipe in Python",
    )

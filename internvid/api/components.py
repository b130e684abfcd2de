"""Components by name: what there is, and one with its model and its fields set."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from internvid.core import registry
from internvid.core.assignments import settings_of, with_values
from internvid.core.errors import MisuseError, ServiceError
from internvid.core.several import several

# What an assignment can give; fitted numbers and callbacks are for code.
_ASSIGNABLE = (str, int, float, bool, tuple, type(None))


@dataclass(frozen=True)
class ComponentInfo:
    """One component that can be named.

    Attributes:
        name: by which commands and functions take it.
        does: its first line of documentation.
        fields: dotted path of each field that can be assigned -> its default.
        installs: extras of this package that it needs for all that it can do; None for recipes.
        left_out: field -> what `none` stands for, where that is not nothing; None where there is
            no such field.
    """

    name: str
    does: str
    fields: dict[str, Any]
    installs: tuple[str, ...] | None = None
    left_out: dict[str, str] | None = None


def list_components(kind: str) -> list[ComponentInfo]:
    """Every component of a kind, installed ones too, sorted by name.

    Args:
        kind: `detector`, `signal`, `captioner`, `scorer`, `selector`, `exporter`, `benchmark`,
            `observer`, or `recipe` for the named builds.

    Raises:
        ComponentUnknownError: there is no such kind.
    """
    if kind == "recipe":
        return _list_recipes()
    listed = []
    for name in registry.names(kind):
        component = registry.find(kind, name)
        lines = (component.__doc__ or "").strip().splitlines()
        listed.append(
            ComponentInfo(
                name,
                lines[0] if lines else "",
                _assignable_fields(component),
                tuple(_extras_of(component)),
                dict(getattr(component, "left_out", {})) or None,
            )
        )
    return listed


def make_component(
    kind: str,
    component: Any,
    settings: Sequence[str] = (),
    *,
    model: str | None = None,
    server: str | None = None,
    notice: Callable[[str], None] | None = None,
) -> Any:
    """A component by its name, or one that is given, with its model and its fields set.

    Args:
        kind: see `list_components`.
        component: a name, `"module:Class"`, or an instance.
        settings: assignments as `--set` takes them: `"field=value"`.
        model: folder or hub name of its one model; with a server, the name that it knows; None
            for the only one that the server lists.
        server: address of an OpenAI-compatible server; None for a model on this machine.
        notice: called with a sentence where a server's only model is taken.

    Raises:
        ComponentUnknownError: nothing of that name.
        ConfigInvalidError: a field that it lacks, or a value that it cannot take.
        MisuseError: the component has no model, or several; or `settings` name another one.
    """
    made = registry.create(kind, component) if isinstance(component, str) else component
    name = component if isinstance(component, str) else type(component).__name__
    return with_model(made, name, model, server, settings, notice)


def with_model(
    component: Any,
    name: str,
    model: str | None,
    server: str | None,
    assignments: Iterable[str],
    notice: Callable[[str], None] | None = None,
) -> Any:
    """The component with its model named, then with the other assignments.

    Args:
        component: a captioner or scorer.
        name: how the user called it.
        model: folder or hub name; with a server, the name that it knows.
        server: address of a served model; None for a model on this machine.
        assignments: of `--set`.
        notice: called with a sentence where a server's only model is taken.

    Raises:
        MisuseError: the component has no model, or several; or `--set` names another one.
    """
    named = {}
    served = ""
    if server is not None:
        served = _the_one(list(_served(component)), name, "--server")
        named[f"{served}base_url"] = server
        if model is not None:
            named[f"{served}model"] = model
    elif model is not None:
        named[_the_one(list(_weights(component)), name, "--model")] = model
    short = [f"{path}={value}" for path, value in named.items()]
    made = with_values(component, [*short, *several(assignments)])
    for path, value in named.items():
        if _value(made, path) != value:
            option = "--server" if path.endswith("base_url") else "--model"
            raise MisuseError(f"{option} names another model than --set does", hint="use one")
    if server is not None and not _value(made, f"{served}model"):
        return _with_its_model(made, served, notice)
    return made


def _with_its_model(component: Any, served: str, notice: Callable[[str], None] | None) -> Any:
    """The component with the only model that its server has.

    Raises:
        MisuseError: it has several, or does not say.
    """
    from internvid.captions.server.chat import listed_models
    from internvid.captions.server.troubles import listed

    address = _value(component, f"{served}base_url")
    try:
        names = listed_models(_value(component, served.rstrip(".")))
    except ServiceError as error:
        raise MisuseError(
            f"--server needs the name by which the server knows its model: {error.message}",
            hint="add --model NAME",
        ) from error
    if len(names) != 1:
        raise MisuseError(
            f"--server needs the name by which the server knows its model; {address} lists "
            f"{listed(names) or 'none'}",
            hint=f"add --model {names[0]}" if names else "add --model NAME",
        )
    if notice is not None:
        notice(f"model: {names[0]}, the only one that {address} lists")
    return with_values(component, [f"{served}model={names[0]}"])


def _list_recipes() -> list[ComponentInfo]:
    from internvid import recipes

    return [
        ComponentInfo(name, (make.__doc__ or "").strip().splitlines()[0], settings_of(make()))
        for name, make in sorted(recipes.RECIPES.items())
    ]


def _the_one(paths: Sequence[str], name: str, option: str) -> str:
    if len(paths) == 1:
        return paths[0]
    kind = "model" if option == "--model" else "served model"
    if not paths:
        raise MisuseError(
            f"{option}: {name} has no {kind}",
            hint="fields: internvid list captioners, internvid list scorers",
        )
    # A path of a served model ends in a dot: its address and its name are two fields.
    fields = [f"{path}base_url" if path.endswith(".") else path for path in paths]
    raise MisuseError(
        f"{option}: {name} has several models: {', '.join(fields)}",
        hint=" ".join(f"--set {field}=..." for field in fields),
    )


def _weights(component: Any, before: str = "") -> Iterator[str]:
    """Dotted paths of the fields that name a model on this machine."""
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        if field.metadata.get("weights") or (field.name == "model" and not before):
            yield before + field.name
        elif _is_part(value) and not _is_served(value):
            yield from _weights(value, f"{before}{field.name}.")


def _served(component: Any, before: str = "") -> Iterator[str]:
    """Dotted paths of the served models, each with a dot at its end."""
    for field in dataclasses.fields(component):
        value = getattr(component, field.name)
        if _is_part(value):
            path = f"{before}{field.name}."
            yield from [path] if _is_served(value) else _served(value, path)


def _is_part(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _is_served(value: Any) -> bool:
    return {"base_url", "model"} <= {field.name for field in dataclasses.fields(value)}


def _value(component: Any, path: str) -> Any:
    for name in path.split("."):
        component = getattr(component, name)
    return component


def _assignable_fields(component: Any, path: str = "") -> dict[str, Any]:
    """Dotted path -> default of every field that an assignment can give."""
    defaults: dict[str, Any] = {}
    for field in dataclasses.fields(component):
        value = _default(field)
        if field.name.startswith("_") or not field.init:
            continue
        if _is_part(value):
            inner = _assignable_fields(type(value), f"{path}{field.name}.")
            reached = {key: _reached(value, key, path + field.name) for key in inner}
            # A required field of a part may hold what text cannot say, fitted numbers for one.
            defaults |= {key: at for key, at in reached.items() if isinstance(at, _ASSIGNABLE)}
        elif isinstance(value, _ASSIGNABLE):
            defaults[path + field.name] = value
    return defaults


def _reached(value: Any, key: str, path: str) -> Any:
    return _value(value, key.removeprefix(path + "."))


def _extras_of(component: Any) -> list[str]:
    """Extras of this package that a component needs for all that it can do."""
    extras = set(getattr(component, "installs", ()))
    for field in dataclasses.fields(component):
        value = _default(field)
        if field.metadata.get("weights"):
            extras.add("caption")
        if _is_part(value):
            extras.update(_extras_of(type(value)))
            if hasattr(value, "base_url"):
                extras.add("client")
    return sorted(extras)


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return "(required)"


def known_kinds() -> tuple[str, ...]:
    """Every kind that `list_components` knows."""
    return (*registry.KINDS, "recipe")

"""`--model` and `--server`: the short way to the one model of a captioner or scorer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from internvid.cli.output import say
from internvid.core.assignments import with_values
from internvid.core.errors import MisuseError, ServiceError


def with_model(
    component: Any, name: str, model: str | None, server: str | None, assignments: Sequence[str]
) -> Any:
    """The component with its model named, then with the other assignments.

    Args:
        component: a captioner or scorer.
        name: how the user called it.
        model: folder or hub name; with a server, the name that it knows; None for the only one.
        server: address of a served model; None for a model on this machine.
        assignments: of `--set`.

    Raises:
        MisuseError: the component has no model, or several; or `--set` names another one.
    """
    named = {}
    if server is not None:
        served = _the_one(list(_served(component)), name, "--server")
        named[f"{served}base_url"] = server
        if model is not None:
            named[f"{served}model"] = model
    elif model is not None:
        named[_the_one(list(_weights(component)), name, "--model")] = model
    short = [f"{path}={value}" for path, value in named.items()]
    made = with_values(component, [*short, *assignments])
    for path, value in named.items():
        if _value(made, path) != value:
            option = "--server" if path.endswith("base_url") else "--model"
            raise MisuseError(f"{option} names another model than --set does", hint="use one")
    if server is not None and not _value(made, f"{served}model"):
        return _with_its_model(made, served)
    return made


def _with_its_model(component: Any, served: str) -> Any:
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
    say(f"model: {names[0]}, the only one that {address} lists")
    return with_values(component, [f"{served}model={names[0]}"])


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

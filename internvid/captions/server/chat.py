"""Conversations with models behind a chat server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from internvid.captions.requests import Answer, Request
from internvid.captions.server.config import ServedModel
from internvid.core.errors import DependencyMissingError

if TYPE_CHECKING:
    from internvid.captions.server.client import ChatClient


def open_client(served: ServedModel) -> ChatClient:
    """A client for a served model.

    Raises:
        DependencyMissingError: the HTTP library is not installed.
    """
    try:
        from internvid.captions.server.client import ChatClient
    except ImportError as error:
        raise DependencyMissingError(
            f"served models need the package httpx2: {error}",
            hint='pip install "internvid[client]"',
        ) from error
    return ChatClient(served)


def check_served(served: ServedModel) -> None:
    """Ask the server whether it is there and takes the key.

    Raises:
        ServiceError: it cannot be reached, or refuses.
    """
    with open_client(served) as client:
        client.check()


def listed_models(served: ServedModel) -> list[str]:
    """Names of the models that the server lists; empty where it lists none.

    Raises:
        ServiceError: it cannot be reached, or refuses.
    """
    with open_client(served) as client:
        return client.models()


def converse(
    served: ServedModel,
    requests: Iterable[Request],
    maximum_tokens: int,
    *,
    with_pictures: bool = True,
) -> Iterator[tuple[Request, Answer]]:
    """Each request beside its answer, as they come; many are under way at once.

    Args:
        served: the model.
        requests: pictures and words; read only a little further ahead than is under way.
        maximum_tokens: most tokens of an answer.
        with_pictures: send the pictures; else the words alone.

    Raises:
        ServiceError: the server cannot be reached or refuses everything.
        BudgetSpentError: the budget is used up; answers under way come first.
    """
    with open_client(served) as client:
        yield from client.stream(requests, maximum_tokens, with_pictures=with_pictures)

"""Captioners over tiny models and scripted servers, for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from internvid.captions.frame import FrameCaptioner
from internvid.captions.local import LocalModel
from internvid.captions.multiscale import MultiscaleCaptioner
from internvid.captions.summarise import Fuser, SummariseCaptioner
from internvid.captions.tags import TagsCaptioner
from internvid.core.contracts import Annotation
from tests.captions.servers import Turn, chat
from tests.models.tiny import TinyModels


def local(tiny: TinyModels, name: str, **fields: Any) -> LocalModel:
    return LocalModel(tiny[name], **fields)


def by_id(annotations: Any) -> dict[str, Annotation]:
    found = list(annotations)
    assert len({each.clip_id for each in found}) == len(found)
    return {each.clip_id: each for each in found}


def summariser(tiny: TinyModels, model: str = "t5", **fields: Any) -> SummariseCaptioner:
    return SummariseCaptioner(
        pictures=TagsCaptioner(local=local(tiny, "git", batch=3)),
        fuser=Fuser(local=local(tiny, model, batch=2), **fields),
    )


def multiscale(tiny: TinyModels) -> MultiscaleCaptioner:
    return MultiscaleCaptioner(
        FrameCaptioner(local=local(tiny, "blip2", batch=2)),
        TagsCaptioner(local=local(tiny, "git", batch=3)),
        Fuser(local=local(tiny, "t5", batch=2)),
    )


SAY = {
    "coarse": "A brown dog on grass.",
    "fine": "a dog jumping",
    "fuse": "A brown dog jumps over a fence while two cats sleep.",
}


def scripted(say: dict[str, str], failing: Sequence[str] = ()) -> Any:
    """A server whose three models say fixed things; `failing` ones are refused."""

    def script(payload: dict[str, Any], _: int) -> Turn:
        model = payload["model"]
        return Turn(chat(say[model], "content_filter" if model in failing else "stop"))

    return script


def served_multiscale(server: Any, **fields: Any) -> MultiscaleCaptioner:
    return MultiscaleCaptioner(
        FrameCaptioner(served=server.served(model="coarse", **fields)),
        TagsCaptioner(served=server.served(model="fine", **fields)),
        Fuser(served=server.served(model="fuse", **fields)),
    )

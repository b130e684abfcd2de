"""What users are recognised about a server that cannot be used, with the setting that may help."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from internvid.captions.server.config import ServedModel
from internvid.captions.server.replies import Verdict
from internvid.core.errors import ServiceError

_MOST_NAMES = 12


def unreachable(served: ServedModel, reason: str) -> ServiceError:
    """The server cannot be connected to."""
    return ServiceError(
        f"the server at {served.base_url} cannot be reached: {reason}",
        hint="is it running? --set served.base_url=URL names another",
    )


def stopped(
    served: ServedModel, reason: str, names: Sequence[str] = (), *, has_key: bool
) -> ServiceError:
    """The server refuses what would be the same for every clip.

    Args:
        served: as configured.
        reason: what the server says.
        names: models that it lists; empty where that is not known.
        has_key: whether a key was sent.
    """
    variable = served.key_variable or "key_variable"
    state = "is set" if has_key else "is not set"
    known = ""
    if names and served.model not in names:
        known = f"; it has: {listed(names)}"
    return ServiceError(
        f"the server at {served.base_url} refuses model {served.model!r}: {reason}{known}",
        hint=f"check base_url (it ends in /v1), the model's name, and the key ({variable} "
        f"{state} in the environment)" + nearest(served.model, names),
    )


def silent(served: ServedModel, strikes: int, verdict: Verdict | None, limit: int) -> ServiceError:
    """So many clips in a row got no answer.

    Args:
        served: as configured.
        strikes: how many clips.
        verdict: over the last reply; what it says must hold no key.
        limit: how many requests are under way at once now.
    """
    failure = verdict.failure if verdict else "no answer"
    reason = f" ({verdict.message})" if verdict and verdict.message else ""
    verb = "refused" if failure == "rejected" else "not answered"
    return ServiceError(
        f"the server at {served.base_url} has {verb} {strikes} clips in a row; the last time: "
        f"{failure}{reason}",
        hint=f"{_advice(served, failure, limit)}; what is answered is kept, a rerun goes on "
        "from there",
    )


def _advice(served: ServedModel, failure: str, limit: int) -> str:
    if failure == "timed_out":
        return (
            f"raise served.read_seconds (now {served.read_seconds:g}) and served.total_seconds "
            f"(now {served.total_seconds:g}), or lower served.concurrency (now at most "
            f"{served.concurrency}, {limit} at the end)"
        )
    if failure == "rate_limited":
        return f"lower served.concurrency (now at most {served.concurrency})"
    if failure == "bad_answer" and served.structured:
        return "it may ignore response_format: --set served.structured=false asks for plain text"
    if failure == "rejected":
        return "does the model take pictures? the server's log says more"
    return "look at the server"


def listed(names: Sequence[str]) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def nearest(model: str, names: Sequence[str]) -> str:
    """The name that was probably meant, as the end of a hint; empty where there is none."""
    meant = [name for name in names if name.rpartition(":")[0] == model or name.endswith(model)]
    meant = meant or difflib.get_close_matches(model, names, n=1)
    return f"; did you mean {meant[0]!r}?" if meant and meant[0] != model else ""


def redacted(text: str, key: str | None) -> str:
    """A server's words without the key, which some send back."""
    text = re.sub(r"(?i)(bearer\s+|\bsk-)[\w.*-]{6,}", r"\1***", text)
    return text.replace(key, "***") if key else text

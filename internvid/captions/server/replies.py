"""What a chat server's bytes mean: an answer, a reason to try again, or one to stop.

The shapes are those that OpenAI's API reference and the documentation of vLLM, SGLang, llama.cpp,
Ollama and hosted services describe. They differ in small ways: content as a string or a list of
parts, thoughts in a field of their own or between <think> marks, errors as objects, strings or
pages of HTML.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from internvid.captions.checks.cleaning import strip_thoughts
from internvid.captions.server.transport import Reply

Next = Literal["done", "fail", "again", "adapt", "stop"]
_FENCE = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL)
# How servers say that a request is too long for the model: OpenAI and its likes, vLLM, SGLang,
# llama.cpp, Ollama, TGI, LM Studio, Anthropic, Google, Mistral.
_CONTEXT = re.compile(
    r"context[\s_-]{0,2}(length|size|window|limit)|maximum context|context_length_exceeded"
    r"|exceed_context_size|maximum model length|max_model_len|max_seq_len"
    r"|(prompt|input|request|message|text|conversation)s? (is |are )?too (long|large)"
    r"|too many (input )?tokens|prompt too long"
    r"|(input|prompt|token|tokens).{0,40}exceeds? .{0,40}(limit|maximum|max|length|tokens)"
    r"|exceeds? .{0,30}(maximum|max).{0,20}(length|tokens)"
    r"|max_(completion_)?tokens must be (at least 1|positive).{0,8}-\d"
    r"|reduce the length of the|inputs` (tokens \+|must have less than)|max_req_input_len",
    re.IGNORECASE,
)
_FILTERED = re.compile(r"content.?(filter|policy|management)|safety", re.IGNORECASE)
_NO_MODEL = re.compile(r"model.{0,80}(not exist|not found|unknown|invalid|not available)", re.I)
# Fields that some servers do not know: what to look for in their complaint, by what to change.
ADAPTATIONS = {
    "response_format": re.compile(r"response_format|json_schema|guided|structured", re.I),
    "max_tokens": re.compile(r"max_completion_tokens", re.I),
    "temperature": re.compile(r"temperature", re.I),
}


@dataclass(frozen=True)
class Verdict:
    """What to do after a reply.

    Attributes:
        next: "done" (there is an answer), "fail" (there will be none for this clip), "again"
            (try later), "adapt" (send again without what the server does not know), "stop" (it
            would be the same for every clip).
        text: the answer.
        failure: reason to store if this was the last try.
        message: what the server answered, for messages; may hold anything a server can send.
        wait_seconds: how long the server asks us to wait.
        prompt_tokens, completion_tokens: what the server counted.
        adaptation: a key of `ADAPTATIONS`.
    """

    next: Next
    text: str = ""
    failure: str = ""
    message: str = ""
    wait_seconds: float | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    adaptation: str = ""


def read_reply(reply: Reply, *, structured: bool = False, greedy: bool = False) -> Verdict:
    """What a reply means.

    Args:
        reply: as it came.
        structured: the answer must be a JSON object with a text `caption`.
        greedy: the model would answer the same question in the same way again.
    """
    if reply.status == 200:
        return _answer(reply, structured=structured, greedy=greedy)
    message, code = complaint(reply.body)
    verdict = _refusal(reply.status, message, code)
    if verdict.next == "again":
        return Verdict(
            "again", "", verdict.failure, verdict.message, wait_seconds=_wait(reply.headers)
        )
    return verdict


def complaint(body: bytes) -> tuple[str, str]:
    """(message, code) of an error, whatever its shape; the beginning of a page that is no JSON."""
    text = _shown(body.decode("utf-8", errors="replace"))
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(re.sub(r"<[^>]*>", " ", text[:4000]).split())[:300], ""
    error = content.get("error", content) if isinstance(content, dict) else content
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or error.get("msg") or error
        code = " ".join(str(error[name]) for name in ("code", "type") if error.get(name))
    else:
        message, code = error, ""
    return " ".join(str(message).split())[:300], code


def _shown(text: str) -> str:
    """A text without what no terminal should be given."""
    return "".join(c if c.isprintable() or c.isspace() else "\ufffd" for c in text)


def model_names(reply: Reply) -> list[str]:
    """Names of the models in a list of them; none where it is no such list."""
    try:
        found = json.loads(reply.body) if reply.status == 200 else None
    except (ValueError, RecursionError):
        return []
    entries = found
    if isinstance(found, dict):
        entries = found.get("data") or found.get("models")
    names = [
        each.get("id") or each.get("name")
        for each in (entries if isinstance(entries, list) else [])
        if isinstance(each, dict)
    ]
    return [name for name in names if isinstance(name, str) and name]


def _refusal(status: int, message: str, code: str) -> Verdict:
    """The verdict over a status that is not 200."""
    text = f"{code} {message}"
    if 300 <= status < 400:
        return Verdict("stop", message=f"it redirects (HTTP {status}), which is not followed")
    message = message or f"HTTP {status}"
    if status == 403 and re.search("moderation|flagged", text, re.IGNORECASE):
        return Verdict("fail", failure="refused", message=message)
    if status in (401, 402, 403, 404, 407) or "insufficient_quota" in text:
        return Verdict("stop", message=message)
    if status == 429:
        return Verdict("again", failure="rate_limited", message=message)
    if status == 413 or _CONTEXT.search(text):
        return Verdict("fail", failure="context_exceeded", message=message)
    if status in (408, 409, 425) or status >= 500:
        failure = "timed_out" if status in (408, 504) else "server_error"
        return Verdict("again", failure=failure, message=message)
    if status in (400, 422, 501):
        for name, pattern in ADAPTATIONS.items():
            if pattern.search(text):
                return Verdict("adapt", failure="rejected", message=message, adaptation=name)
        if _NO_MODEL.search(text):
            return Verdict("stop", message=message)
        if _FILTERED.search(text):
            return Verdict("fail", failure="refused", message=message)
    return Verdict("fail", failure="rejected", message=message)


def _wait(headers: dict[str, str]) -> float | None:
    """Seconds of a Retry-After header, given in seconds or as a date."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", value):
        return float(value)
    try:
        then = email.utils.parsedate_to_datetime(value)
        now = email.utils.parsedate_to_datetime(headers.get("date", ""))
        return max(0.0, (then - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


def _answer(reply: Reply, *, structured: bool, greedy: bool) -> Verdict:
    """The verdict over a reply that claims success."""
    try:
        content = json.loads(reply.body)
    except (ValueError, RecursionError):
        # Neither JSON nor UTF-8, or cut off; a page of a proxy.
        return Verdict("again", failure="bad_answer", message=complaint(reply.body)[0])
    if not isinstance(content, dict):
        return Verdict("again", failure="bad_answer", message="the answer is no JSON object")
    prompt_tokens, completion_tokens = _usage(content)
    choice = _first_choice(content)
    if choice is None:
        message, named = complaint(reply.body)
        error = content.get("error")
        code = error.get("code") if isinstance(error, dict) else None
        if error and _CONTEXT.search(f"{named} {message}"):
            return Verdict("fail", failure="context_exceeded", message=message)
        if isinstance(code, int) and code != 200:
            return read_reply(Reply(code, reply.headers, reply.body))
        return Verdict("again", "", "bad_answer", message, None, prompt_tokens, completion_tokens)
    text, failure = _text_of(choice, structured=structured)
    # What a greedy model says in the wrong form, it says again.
    again = failure == "server_error" or (failure == "bad_answer" and not greedy)
    step: Next = "again" if again else "fail" if failure else "done"
    return Verdict(step, text, failure, failure, None, prompt_tokens, completion_tokens)


def _first_choice(content: dict[str, Any]) -> dict[str, Any] | None:
    choices = content.get("choices")
    whole = (
        [each for each in choices if isinstance(each, dict)] if isinstance(choices, list) else []
    )
    numbered = [each for each in whole if each.get("index") in (0, None)]
    for first in (numbered or whole)[:1]:
        if isinstance(first.get("message"), dict):
            return first
    return None


def _text_of(choice: dict[str, Any], *, structured: bool) -> tuple[str, str]:
    """(text, failure) of one choice."""
    message, reason = choice["message"], choice.get("finish_reason")
    text, is_refused = _joined(message.get("content"))
    text = strip_thoughts(text).strip()
    if reason == "content_filter" or is_refused or (message.get("refusal") and not text):
        return "", "refused"
    if reason == "length":
        return "", "truncated"
    if reason == "error":
        return "", "server_error"
    if not text and message.get("tool_calls"):
        return "", "bad_answer"
    if structured:
        return _structured(text)
    return text, "" if text else "empty_answer"


def _joined(content: Any) -> tuple[str, bool]:
    """(text, whether it is a refusal) of a content: a string, or a list of parts."""
    if isinstance(content, str):
        return content, False
    if not isinstance(content, list):
        return "", False
    parts = [part if isinstance(part, dict) else {"text": part} for part in content]
    texts = [part.get("text") for part in parts if part.get("type", "text") in _TEXT_PARTS]
    refused = any(part.get("type") == "refusal" for part in parts)
    text = " ".join(each for each in texts if isinstance(each, str))
    return text, refused and not text


_TEXT_PARTS = ("text", "output_text")


def _structured(text: str) -> tuple[str, str]:
    content = _object_in(text)
    caption = content.get("caption") if isinstance(content, dict) else None
    if not isinstance(caption, str):
        return "", "bad_answer"
    return caption.strip(), "" if caption.strip() else "empty_answer"


def _object_in(text: str) -> Any:
    """The JSON of a text: all of it, what is fenced, or the first object in it that is whole."""
    fenced = _FENCE.match(text)
    with contextlib.suppress(ValueError, RecursionError):
        return json.loads(fenced.group(1) if fenced else text)
    start = text.find("{")
    with contextlib.suppress(ValueError, RecursionError):
        return json.JSONDecoder().raw_decode(text, max(start, 0))[0]
    return None


def _usage(content: dict[str, Any]) -> tuple[int, int]:
    usage = content.get("usage")
    if not isinstance(usage, dict):
        return 0, 0
    values = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    counted = [value if isinstance(value, int) and value >= 0 else 0 for value in values]
    return counted[0], counted[1]

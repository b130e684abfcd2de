"""Multiple choice: which of several texts a clip shows (MSR-VTT, Something-Something v2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from internvid.evaluation.annotations.label_rows import PATH_NAMES
from internvid.evaluation.annotations.reading import invalid, names_its_file, read_list, texts
from internvid.evaluation.annotations.records import ChoiceClip, ChoiceSet

_OPTION_KEYS = ("options", "candidates", "choices", "captions", "caption")
_FORM = "a video, a list of options, and the number of the right one as answer"


@names_its_file
def read_choices(path: Path) -> ChoiceSet:
    """Questions with their options and answers.

    Forms: a JSON list of {video, caption: [...], answer} (msrvtt_mc_test.json, ssv2_mc_val.json);
    JSON lines of {clip_name, options: [...], answer} (msrvtt_mc_test.jsonl). Answers are numbers
    from 0, or the right text itself. A video may have several questions.
    """
    clips: list[ChoiceClip] = []
    times: Counter[str] = Counter()
    for place, item in read_list(path):
        video = _video_of(path, place, item)
        key = next((name for name in _OPTION_KEYS if name in item), "options")
        options = texts(path, place, item, key)
        if len(options) < 2 or not isinstance(item[key], list):
            raise invalid(path, place, f"{key!r} holds {len(options)} texts", _FORM)
        times[video] += 1
        clip = video if times[video] == 1 else f"{video}#{times[video]}"
        answer = _answer_of(path, place, item, options)
        clips.append(ChoiceClip(clip, options, answer, (video,)))
    return ChoiceSet(tuple(clips))


def is_choice(item: Mapping[str, Any]) -> bool:
    """Whether an object of a list is a question of multiple choice."""
    return "answer" in item and any(isinstance(item.get(name), list) for name in _OPTION_KEYS)


def _video_of(path: Path, place: str, item: Mapping[str, Any]) -> str:
    key = next((name for name in PATH_NAMES if name in item), "video")
    video = str(item.get(key, "")).strip()
    if not video:
        raise invalid(path, place, f"{key!r} is {item.get(key)!r}", _FORM)
    return video


def _answer_of(path: Path, place: str, item: Mapping[str, Any], options: tuple[str, ...]) -> int:
    answer = item.get("answer")
    if isinstance(answer, str) and answer.strip() in options:
        return options.index(answer.strip())
    if isinstance(answer, bool) or not str(answer).isdecimal() or int(str(answer)) >= len(options):
        raise invalid(path, place, f"answer {answer!r} of {len(options)} options", _FORM)
    return int(str(answer))

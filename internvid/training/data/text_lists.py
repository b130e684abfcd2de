"""Training clips from annotation files: labels for a classifier, texts for everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from internvid.core.errors import MisuseError
from internvid.evaluation.annotations.actions import is_ucf101_list, read_labelled
from internvid.evaluation.annotations.finding import VideoFolder
from internvid.evaluation.annotations.moments import list_ids
from internvid.evaluation.annotations.records import CaptionedClip, CaptionedSet
from internvid.evaluation.annotations.texts import is_texts, lists_ids, read_texts
from internvid.training.data.clip_sources import FileSource
from internvid.training.data.file_list import FileClip
from internvid.training.data.opening import keep_columns, open_labelled
from internvid.training.heads.label_sets import video_of
from internvid.training.heads.open_heads import ActionRecipe, head_of
from internvid.training.recipes.recipe import TrainRecipe

TRAIN = "train"


@dataclass(frozen=True)
class ListedClips:
    """What a training list gives.

    Attributes:
        source: the clips that are there.
        missing: listed clips that are not there, or have no text.
        listed: how many clips are listed.
    """

    source: FileSource
    missing: int
    listed: int


def open_listed(
    recipe: TrainRecipe,
    paths: Sequence[Path],
    folders: Sequence[Path],
    held_out: Sequence[Path] = (),
    cache: Path | None = None,
) -> ListedClips:
    """The clips of annotation files, read by the readers of evaluation.

    Class names are captions where the recipe trains a classifier, or where the files hold labels.

    Args:
        recipe: says whether labels are wanted, and whether texts are joined into paragraphs.
        paths: labelled lists; or files of texts, see `read_training_texts`.
        folders: where the videos are.
        held_out: test lists; none of their videos is trained on.
        cache: a folder in which the clips are kept as columns that processes share.

    Raises:
        InternvidError: a list cannot be read, or none of its clips is there.
    """
    if isinstance(head_of(recipe), ActionRecipe) or not all(map(_gives_texts, paths)):
        source, missing = open_labelled(paths, folders, held_out, cache)
        return ListedClips(source, missing, missing + len(source.clips))
    paragraphs = recipe.data.text_mode == "paragraph"
    found = open_texts(paths, folders, held_out, paragraphs=paragraphs)
    return found if cache is None else replace(found, source=keep_columns(found.source, cache))


def read_training_texts(paths: Sequence[Path]) -> CaptionedSet:
    """The training clips of one set, or of several one after another.

    Args:
        paths: files of texts; or a list of ids and a file of texts, which make one set.
    """
    if len(paths) == 2 and any(map(lists_ids, paths)):
        return read_texts(paths, split=TRAIN)
    found = [read_texts([path], split=TRAIN) for path in paths]
    if len(found) == 1:
        return found[0]
    clips = {clip.clip: clip for each in found for clip in each.clips}
    left_out = tuple(pair for each in found for pair in each.left_out)
    return CaptionedSet(tuple(clips.values()), left_out)


def open_texts(
    paths: Sequence[Path],
    folders: Sequence[Path],
    held_out: Sequence[Path] = (),
    *,
    paragraphs: bool = False,
) -> ListedClips:
    """The clips of training lists with their texts; each text of a clip is a sample.

    Args:
        paths: see `read_training_texts`.
        folders: where the videos are; the first that has a clip gives it.
        held_out: test lists of labels or texts; none of their videos is trained on.
        paragraphs: whether the texts of a clip are joined into one.

    Raises:
        InternvidError: a list cannot be read, or none of its clips is there.
    """
    listed = read_training_texts(paths)
    listed = listed.as_paragraphs() if paragraphs else listed
    hidden = {video for path in held_out for video in _videos(path)}
    videos = [VideoFolder.scan(folder) for folder in folders]
    samples: list[FileClip] = []
    missing = len(listed.left_out)
    for clip in listed.clips:
        if _video(clip) in hidden:
            continue
        answers = (each.find(clip.names) for each in videos)
        place = next((answer for answer in answers if isinstance(answer, Path)), None)
        if place is None:
            missing += 1
            continue
        samples += [FileClip(place, text, clip.span, _video(clip)) for text in clip.texts]
    if not samples:
        raise MisuseError(
            f"none of the {len(listed.clips)} listed clips is below "
            f"{', '.join(str(each.folder) for each in videos)}",
            hint="is it the folder that belongs to the training list?",
        )
    return ListedClips(FileSource(samples), missing, len(listed.clips) + len(listed.left_out))


def _gives_texts(path: Path) -> bool:
    # A list of `Class/name` holds labels, though each line is one word.
    return is_texts(path) and not is_ucf101_list(path)


def _videos(path: Path) -> list[str]:
    """Videos of a test list: a file of texts, a list of ids, or labels."""
    if path.is_file() and lists_ids(path) and not is_ucf101_list(path):
        return [video_of(name) for name in list_ids(path)]
    if _gives_texts(path):
        return [_video(clip) for clip in read_texts([path]).clips]
    return [video_of(clip.clip) for clip in read_labelled(path).clips]


def _video(clip: CaptionedClip) -> str:
    return video_of(clip.names[-1])

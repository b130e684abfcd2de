"""Train a ViCLIP or a video chat, plan a run, and compare what was trained on different data."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from internvid.core.assignments import with_values
from internvid.core.errors import MisuseError, OutputExistsError
from internvid.core.several import several
from internvid.core.system.launched import is_first_process

if TYPE_CHECKING:
    from internvid.training.chat.chat_recipe import ChatRecipe
    from internvid.training.chat.dialogue_sources import DialogueSource
    from internvid.training.compare.compare import Comparison
    from internvid.training.compare.outcome import Outcome
    from internvid.training.data.samples import ClipSource
    from internvid.training.generation.recipe import GenerationRecipe
    from internvid.training.loop import TrainSummary
    from internvid.training.plan.training_plan import Forecast
    from internvid.training.prepare import Validate
    from internvid.training.recipes.recipe import TrainRecipe
    from internvid.training.run.log import LogLine

PathLike = str | os.PathLike[str]
_VALIDATION = Path("cache", "validation")
# A plan reads a few clips; packing the pictures of all would take as long as the start of a run.
_PLANNED_VIDEOS = 16


def train(
    recipe: str | TrainRecipe | ChatRecipe | GenerationRecipe,
    data: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    videos: PathLike | Sequence[PathLike] = (),
    held_out: PathLike | Sequence[PathLike] = (),
    validation: PathLike | None = None,
    subset: str | None = None,
    text: str = "measured",
    resume: bool = True,
    settings: Sequence[str] = (),
    progress: Callable[[LogLine], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> TrainSummary:
    """Train a ViCLIP, a video chat or a text-to-video model, or go on with the folder's run.

    The same call works alone and under `torchrun`.

    Args:
        recipe: a name (`viclip_b16`, `videochat_align`, `t2v_tiny`, ...) or a recipe.
        data: a dataset, frame shards, a list of files, or `world`, `world:SEED`; with `videos`,
            one or more annotation files (Kinetics, MSR-VTT, ...); for `videochat_instruct`,
            dialogues (see `read_dialogues`).
        output: the run's folder; new, empty, or of a run with the same recipe and clips.
        videos: folders of the videos of labelled lists.
        held_out: test lists whose videos are not trained on.
        validation: clips, in any form that `data` takes, that the model is measured on while it
            trains; `data.validation.share` of the recipe keeps some of `data` for that instead.
        subset: only clips of this subset of a dataset.
        text: the column of captions.
        resume: go on where the folder's run stands; else a folder with a run is refused.
        settings: fields of the recipe as `"path=value"`.
        progress: called with each reading of the loss.
        notice: called with sentences for people, such as how many listed clips are not there.

    Raises:
        MisuseError: nothing to train on, another run's folder, a recipe that cannot be.
        TrainingStoppedError: the loss is no number, or too many clips cannot be read.
        StorageError: a checkpoint cannot be written; those before it are whole.
    """
    from internvid.api.uses.generation_training import refuse_lists, train_generation
    from internvid.training import loop
    from internvid.training.generation.recipe import GenerationRecipe
    from internvid.training.prepare import find_device
    from internvid.training.run.distributed import process_group
    from internvid.training.run.run_folder import CACHE, RUN, check_folder, check_free

    made, folder, names = any_recipe(recipe, settings), Path(output), _names(data)
    check_folder(folder)
    if not resume and (folder / RUN).exists():
        raise OutputExistsError(
            f"{folder} holds a run already",
            hint="leave --no-resume out to go on with it, or choose another folder",
        )
    with process_group(find_device(made)):
        check_free(folder)
        if isinstance(made, GenerationRecipe):
            refuse_lists(names, videos, held_out, validation)
            return train_generation(
                made, names[0], folder, text=text, subset=subset, progress=progress, notice=notice
            )
        options: dict[str, Any] = {"videos": videos, "text": text, "notice": notice}
        notices: dict[str, Any] = {} if notice is None else {"notice": notice}
        if not _is_dual(made):
            _refuse_for_chats(held_out, validation)
            opened = _open_dialogues(made, names, folder / CACHE, subset=subset, **options)
            return loop.train(made, opened, folder, progress=progress, **notices)
        source = open_clips(
            made, names, folder / CACHE, held_out=held_out, subset=subset, **options
        )
        return loop.train(
            made,
            source,
            folder,
            validate=_validation(made, source, names[0], folder, validation, options),
            progress=progress,
            **notices,
        )


def plan_training(
    recipe: str | TrainRecipe | ChatRecipe | GenerationRecipe,
    data: PathLike | Sequence[PathLike],
    *,
    videos: PathLike | Sequence[PathLike] = (),
    held_out: PathLike | Sequence[PathLike] = (),
    subset: str | None = None,
    text: str = "measured",
    settings: Sequence[str] = (),
    device: str | None = None,
    devices: int | None = None,
    device_memory: float | None = None,
    notice: Callable[[str], None] | None = None,
) -> Forecast:
    """FLOPs, memory, hours and the bottleneck of a training run, which is not started.

    Args:
        recipe: see `train`; so are `data`, `videos`, `held_out`, `subset`, `text`, `settings`.
        device: hardware to plan for, such as `h100`; what is here when None.
        devices: how many of them; `WORLD_SIZE`, else 1, when None.
        device_memory: gigabytes of each; those of the device when None.
        notice: called with sentences for people.

    Raises:
        MisuseError: nothing to train on, a recipe that cannot be, an unknown device.
    """
    from internvid.api.uses.generation_training import plan_generation, refuse_lists
    from internvid.training.generation.recipe import GenerationRecipe
    from internvid.training.kinds.find_kind import find_kind
    from internvid.training.plan.training_plan import find_target, forecast
    from internvid.training.plan.trial import choose_threads, cpu_threads
    from internvid.training.prepare import choose_samples, plan_stages

    made, names = any_recipe(recipe, settings), _names(data)
    processes = devices or int(os.environ.get("WORLD_SIZE", "1"))
    target = find_target(made, processes, device=device, memory_gigabytes=device_memory)
    if isinstance(made, GenerationRecipe):
        refuse_lists(names, videos, held_out, None)
        return plan_generation(made, names[0], target, text=text, subset=subset)
    with tempfile.TemporaryDirectory() as cache:
        if not _is_dual(made):
            from internvid.training.chat.chat_plan import forecast_chat

            _refuse_for_chats(held_out, None)
            kind = find_kind(made)
            options: dict[str, Any] = {"videos": videos, "text": text, "notice": notice}
            opened = _open_dialogues(made, names, Path(cache), subset=subset, **options)
            chosen = kind.choose_samples(made, opened)
            stages = kind.plan_stages(made, chosen, target.hardware, keeps_short_warmup=False)
            subject: Any = kind.prepare(made, opened, chosen, Path(cache))
            return forecast_chat(subject, stages, target)
        source = open_clips(
            made, names, Path(cache),
            videos=videos, held_out=held_out, subset=subset, text=text, notice=notice,
            most_videos=_PLANNED_VIDEOS,
        )  # fmt: skip
        samples = choose_samples(made, source)
        planned = plan_stages(made, samples, target.hardware)
        threads = 0 if target.device is None else choose_threads(made, planned, target.device)
        with cpu_threads(threads):
            return forecast(made, source, samples, planned, target)


def compare(
    comparison: Comparison,
    output: PathLike,
    *,
    recipe: str | TrainRecipe = "viclip_tiny",
    settings: Sequence[str] = (),
    notice: Callable[[str], None] | None = None,
) -> tuple[Outcome, dict[str, Any]]:
    """Train one model on each of several subsets or captions, and say which is the better one.

    Args:
        comparison: what is compared, and how.
        output: where runs and results go; a comparison that was stopped goes on there.
        recipe: of every run.
        settings: fields of the recipe as `"path=value"`.
        notice: called with what is under way.

    Returns:
        The outcome, and the record that `result.json` holds.

    Raises:
        MisuseError: fewer than two variants, an unknown metric, another comparison's folder.
    """
    from internvid.training.compare.compare import run_comparison

    made = make_recipe(recipe, settings)
    return run_comparison(comparison, made, Path(output), notice or (lambda _: None))


def make_recipe(recipe: str | TrainRecipe, settings: Sequence[str] = ()) -> TrainRecipe:
    """A training recipe by its name, or one that is given, with its fields set.

    Raises:
        ComponentUnknownError: there is no recipe of that name.
        ConfigInvalidError: a field that it lacks, or a value that it cannot take.
    """
    from internvid.training.recipes import pretraining

    chosen = pretraining.get(recipe) if isinstance(recipe, str) else recipe
    changed: TrainRecipe = with_values(chosen, several(settings))
    return changed


def any_recipe(recipe: Any, settings: Sequence[str] = ()) -> Any:
    """A recipe of any kind of model by its name, or one that is given, with its fields set.

    Raises:
        ComponentUnknownError: there is no recipe of that name.
        ConfigInvalidError: a field that it lacks, or a value that it cannot take.
    """
    from internvid.training.chat.chat_recipes import CHAT_RECIPES
    from internvid.training.generation.recipe import RECIPES, GenerationRecipe

    if isinstance(recipe, str) and recipe in RECIPES:
        recipe = RECIPES[recipe]()
    if isinstance(recipe, GenerationRecipe):
        return with_values(recipe, several(settings))
    if not isinstance(recipe, str) or recipe not in CHAT_RECIPES:
        if isinstance(recipe, str) or _is_dual(recipe):
            return make_recipe(recipe, settings)
        return with_values(recipe, several(settings))
    return with_values(CHAT_RECIPES[recipe](), several(settings))


def _is_dual(recipe: Any) -> bool:
    """Whether a recipe trains two towers; others read dialogues."""
    from internvid.training.recipes.recipe import TrainRecipe

    return isinstance(recipe, TrainRecipe)


def _refuse_for_chats(held_out: Any, validation: Any) -> None:
    for name, given in (("held-out", held_out), ("validate", validation)):
        if given:
            raise MisuseError(
                f"a video chat has no use for --{name}",
                hint="internvid evaluate MODEL --benchmark videochat-synthetic measures it",
            )


def _open_dialogues(
    recipe: ChatRecipe,
    names: Sequence[str],
    cache: Path,
    *,
    videos: PathLike | Sequence[PathLike],
    subset: str | None,
    text: str,
    notice: Callable[[str], None] | None,
) -> DialogueSource:
    from internvid.training.chat.chat_opening import open_dialogues

    folders = [Path(each) for each in several(videos)]
    return open_dialogues(
        recipe, names, cache, videos=folders, text=text, subset=subset, notice=notice
    )


def open_clips(
    recipe: TrainRecipe,
    data: Sequence[str],
    cache: Path,
    *,
    videos: PathLike | Sequence[PathLike] = (),
    held_out: PathLike | Sequence[PathLike] = (),
    subset: str | None = None,
    text: str = "measured",
    notice: Callable[[str], None] | None = None,
    most_videos: int | None = None,
) -> ClipSource:
    """The clips that a run trains on.

    Args:
        recipe: says how large the synthetic world is, and what the model takes.
        data: see `train`; so are `videos`, `held_out`, `subset`, `text`.
        cache: a folder for what is copied or rendered once.
        notice: called on the first process with how many listed clips are not there.
        most_videos: pack the pictures of so many videos of a dataset at most; for plans.

    Raises:
        InternvidError: nothing there, no such column or subset, a bad list.
    """
    from internvid.training.data.opening import open_source
    from internvid.training.data.text_lists import open_listed

    if not videos:
        if len(data) > 1 or held_out:
            raise MisuseError(
                "several --data and --held-out are for annotation files",
                hint="name the folder of their videos with --videos",
            )
        return open_source(
            data[0], recipe, cache, text=text, subset=subset, most_videos=most_videos
        )
    if subset is not None:
        raise MisuseError("annotation files have no subsets", hint="leave --subset out")
    lists, folders, tests = (
        [Path(each) for each in several(some)] for some in (data, videos, held_out)
    )
    opened = open_listed(recipe, lists, folders, tests, cache)
    if opened.missing and notice is not None and is_first_process():
        notice(f"{opened.missing} of {opened.listed} listed clips are not there or have no text")
    return opened.source


def _validation(
    recipe: TrainRecipe,
    source: ClipSource,
    data: str,
    folder: Path,
    other: PathLike | None,
    options: dict[str, Any],
) -> Validate | None:
    """What the model is measured on: other clips, held-out ones, or combinations of the world."""
    from internvid.training.clip_validation import held_out_rows, make_validation

    share = recipe.data.validation.share
    if other is not None:
        if share:
            raise MisuseError(
                f"--validate {other} and data.validation.share {share:g} are two ways to say what "
                "to validate on",
                hint="leave one of them out",
            )
        clips = open_clips(recipe, [os.fspath(other)], folder / _VALIDATION, **options)
        return make_validation(recipe, clips)
    if share:
        return make_validation(recipe, source, held_out_rows(source.table(), share))
    return world_validation(recipe, data)


def world_validation(recipe: TrainRecipe, data: str) -> Validate | None:
    """What measures models of the synthetic world on its held-out combinations; else None.

    Args:
        recipe: says how many clips are held out.
        data: what is trained on.
    """
    world = recipe.data.world
    if data.partition(":")[0] != "world" or not world.validation:
        return None
    from internvid.training.validation import WorldValidation

    return WorldValidation(
        world.validation, world.cameras, world.paths, clean=recipe.data.clean_captions
    )


def _names(data: PathLike | Sequence[PathLike]) -> list[str]:
    names = [os.fspath(each) for each in several(data)]
    if not names:
        raise MisuseError("no data to train on", hint="name a dataset, a list of files, or world")
    return names

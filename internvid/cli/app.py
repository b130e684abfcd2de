"""Every verb with its arguments. Bodies are one call each, imported when the verb is used."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from internvid._version import __version__
from internvid.cli import annotate_verbs, compare_verbs, search_verbs, train_verbs
from internvid.cli.exits import INTERRUPTED, say_interrupted
from internvid.cli.options import (
    Context,
    DatasetPath,
    Device,
    Json,
    Preprocessing,
    Subset,
    VideoPath,
    Workers,
)
from internvid.core.errors import InternvidError, MisuseError

app = typer.Typer(
    name="internvid",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Modules whose errors mean a damaged table, wherever it is met.
_READERS = ("_duckdb", "duckdb", "pyarrow.lib")

Set = Annotated[
    Optional[list[str]],
    typer.Option("--set", metavar="PATH=VALUE", help="Change one field, e.g. cut.detector.x=1."),
]


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"internvid {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it, exit."),
    ] = False,
) -> None:
    """Raw videos in, a browsable video-text dataset out."""


@app.command(rich_help_panel="Build")
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put it.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed renders another world.")] = 0,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Render a small synthetic world, build a dataset of it, report on it. No downloads."""
    from internvid.cli.building import run_demo

    run_demo(folder, seed, workers, as_json=as_json)


@app.command(rich_help_panel="Build")
def build(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEOS...", help="Files, folders, globs, or tables with a uri column."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="DATASET", help="The dataset folder.")
    ],
    recipe: Annotated[str, typer.Option(help="default, or internvid (the paper's).")] = "default",
    detector: Annotated[Optional[str], typer.Option(help="Another shot detector.")] = None,
    scan: Annotated[
        Optional[str], typer.Option(help="full, or fast: skip frames no other frame needs.")
    ] = None,
    workers: Workers = None,
    assignments: Set = None,
    types: Types = None,
    moved: Moved = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try failed sources again.")] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only print expected time and size.")
    ] = False,
    report: Annotated[bool, typer.Option(help="Write DATASET/report.html.")] = True,
    as_json: Json = False,
) -> None:
    """Make a dataset, or continue one: only what is new or changed is done."""
    from internvid.cli.building import BuildRequest, run_build

    run_build(
        BuildRequest(
            videos=tuple(videos),
            output=output,
            recipe=recipe,
            detector=detector,
            scan=scan,
            workers=workers,
            assignments=tuple(assignments or ()),
            types=tuple(types or ()),
            moved=tuple(moved or ()),
            retry=retry,
            plan=plan,
            report=report,
            as_json=as_json,
        )
    )


@app.command(rich_help_panel="Build")
def status(dataset: DatasetPath, as_json: Json = False) -> None:
    """What is done, what is pending, what failed and why."""
    from internvid.cli.looking import run_status

    run_status(dataset, as_json=as_json)


@app.command(rich_help_panel="Look")
def shots(
    video: VideoPath,
    detector: Annotated[str, typer.Option(help="See: internvid list detectors.")] = "default",
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """The shots of one video: times, how each begins, how sure. No dataset needed."""
    from internvid.cli.looking import run_shots

    run_shots(video, detector, list(assignments or ()), as_json=as_json)


@app.command(rich_help_panel="Look")
def describe(
    dataset: DatasetPath,
    subset: Subset = None,
    as_json: Json = False,
) -> None:
    """Counts, hours, lengths and the distribution of every column."""
    from internvid.cli.looking import run_describe

    run_describe(dataset, subset, as_json=as_json)


@app.command("list", rich_help_panel="Look")
def list_(
    what: Annotated[
        str,
        typer.Argument(help="detectors, captioners, ..., recipes, or a dataset: its clips."),
    ],
    subset: Subset = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many clips.")] = 50,
    rejected: Annotated[bool, typer.Option("--rejected", help="Rejected clips too.")] = False,
    as_json: Json = False,
) -> None:
    """Components of a kind with their fields, or the clips of a dataset."""
    from internvid.cli.looking import run_list

    run_list(what, subset, limit, rejected=rejected, as_json=as_json)


@app.command(rich_help_panel="Look")
def show(
    dataset: DatasetPath,
    clip_id: Annotated[str, typer.Argument(metavar="CLIP_ID", help="Its beginning is enough.")],
    pictures: Annotated[
        Optional[Path], typer.Option(help="Write the stored frames into this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Everything known about one clip."""
    from internvid.cli.looking import run_show

    run_show(dataset, clip_id, pictures, as_json=as_json)


@app.command(rich_help_panel="Look")
def report(
    dataset: DatasetPath,
    output: Annotated[Optional[Path], typer.Argument(help="Default: DATASET/report.html")] = None,
    as_json: Json = False,
) -> None:
    """One HTML file that opens offline: funnel, distributions, filmstrips, failures."""
    from internvid.cli.looking import run_report

    run_report(dataset, output, as_json=as_json)


repair_verbs.register(app)
search_verbs.register(app)
annotate_verbs.register(app)


@app.command(rich_help_panel="Curate")
def select(
    dataset: DatasetPath,
    selector: Annotated[str, typer.Argument(help="where, random, or module:Class.")],
    condition: Annotated[
        Optional[str],
        typer.Argument(help="For where: SQL over all columns. For random: how many clips."),
    ] = None,
    name: Annotated[str, typer.Option("--as", metavar="NAME", help="Name of the subset.")] = "",
    seed: Annotated[Optional[int], typer.Option(help="For selectors that draw.")] = None,
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Choose clips: ids with reasons, under a name. Nothing is copied."""
    from internvid.cli.curating import run_select

    values = list(assignments or ())
    if seed is not None:
        values.append(f"seed={seed}")
    run_select(dataset, selector, condition, name, values, as_json=as_json)


@app.command(rich_help_panel="Publish")
def publish(
    dataset: DatasetPath,
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    subset: Subset = None,
    exporter: Annotated[str, typer.Option(help="See: internvid list exporters.")] = "webdataset",
    assignments: Set = None,
    as_json: Json = False,
) -> None:
    """Write clips in a public format, with a manifest."""
    from internvid.cli.curating import run_publish

    run_publish(dataset, folder, subset, exporter, list(assignments or ()), as_json=as_json)


@app.command(rich_help_panel="Train")
def evaluate(
    subjects: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL",
            help="A training run, a folder or file of weights, a hub name, clip:NAME, "
            "frames:MODEL, fake, module:function; with --page: result files.",
        ),
    ],
    benchmark: Annotated[
        Optional[str], typer.Option(help="See: internvid list benchmarks.")
    ] = None,
    videos: Annotated[Optional[Path], typer.Option(help="The folder of its videos.")] = None,
    annotations: Annotated[
        Optional[list[Path]],
        typer.Option(help="Its annotation file; given again where it has two."),
    ] = None,
    protocol: Annotated[
        Optional[str], typer.Option(help="For recognition: reference, or clip.")
    ] = None,
    output: Annotated[
        Optional[Path], typer.Option("--output", "-o", help="Write the result, or the page, here.")
    ] = None,
    store: Annotated[
        Optional[Path], typer.Option(help="Keeps vectors; default: embeddings/ beside OUTPUT.")
    ] = None,
    device: Device = "auto",
    preprocessing: Preprocessing = "",
    context: Context = None,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that read files; 0: this one does.")
    ] = 2,
    assignments: Set = None,
    page: Annotated[
        bool, typer.Option("--page", help="Make one HTML page of result files.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure a model on a benchmark: numbers with everything that decided them."""
    from internvid.cli.evaluating import EvaluateRequest, run_evaluate

    run_evaluate(
        EvaluateRequest(
            subjects=tuple(subjects),
            benchmark=benchmark,
            videos=videos,
            annotations=tuple(annotations or ()),
            protocol=protocol,
            output=output,
            store=store,
            device=device,
            preprocessing=preprocessing,
            context=context,
            workers=workers,
            assignments=tuple(assignments or ()),
            page=page,
            as_json=as_json,
        )
    )


train_verbs.register(app)
compare_verbs.register(app)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code: 0, 1 failed, 2 misuse, 130 interrupted."""
    _ready_streams()
    if not _has_folder():
        return 1
    try:
        code = app(args=arguments, standalone_mode=False)
        if code == INTERRUPTED:  # how the command-line library answers Ctrl-C
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except InternvidError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2 if isinstance(error, MisuseError) else 1
    except (KeyboardInterrupt, typer.Abort):
        return say_interrupted()
    except typer.Exit as error:
        return error.exit_code
    except SystemExit as error:
        # How the command-line library answers a reader that went away.
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        return _end_without_reader()
    except BrokenPipeError:
        return _end_without_reader()
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        code = _tell(error)
        if code is None:
            raise
        return code


def _ready_streams() -> None:
    # Without stderr, Python would print what is meant for it on stdout.
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # File names need not be Unicode; showing one must not end the run.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _has_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        print("error: the current folder is gone\nhint: cd to one that is there", file=sys.stderr)
        return False
    return True


def _end_without_reader() -> int:
    """The reader went away (`| head`): nothing more can be said, and that is no failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _tell(error: Exception) -> int | None:
    """Tell what is no error of ours, and give its exit code; None where it cannot be told."""
    # Wrong options: the command-line library shows them itself, as every tool does.
    show = getattr(error, "show", None)
    if show is not None:
        show()
        return 2
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("internvid"):
        print(f"error: this needs the package {error.name!r}", file=sys.stderr)
        print('hint: pip install "internvid[all]", or the extra it belongs to', file=sys.stderr)
        return 1
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        print(f"error: {str(error.object)!r} is no UTF-8, which tables need", file=sys.stderr)
        print("hint: rename it; if it is UTF-8, set PYTHONUTF8=1", file=sys.stderr)
        return 1
    if type(error).__module__ not in _READERS:
        return None
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    print(f"error: a table cannot be read: {reason}", file=sys.stderr)
    print("hint: if a file is damaged, restore it from a copy", file=sys.stderr)
    return 1

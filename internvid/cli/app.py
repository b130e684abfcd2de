"""The program: its commands, and how trouble becomes a message and an exit code."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from internvid._version import __version__
from internvid.cli.commands import (
    annotate,
    audit,
    build,
    classify,
    compare,
    curate,
    dedup,
    drop,
    evaluate,
    look,
    publish,
    remove,
    search,
    train,
)
from internvid.cli.commands.cluster import submit, work
from internvid.cli.commands.collecting import discover, fetch, queries
from internvid.cli.commands.conversing import ask, dialogues, interleave
from internvid.cli.commands.generating import generate
from internvid.cli.commands.looking import browse, clip_map, reviews
from internvid.cli.exits import INTERRUPTED, say_interrupted
from internvid.core.errors import InternvidError, MisuseError
from internvid.dataset.duckdb_connection import INTERRUPTED as QUERY_INTERRUPTED

app = typer.Typer(
    name="internvid",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Modules whose errors mean a damaged table, wherever it is met.
_READERS = ("_duckdb", "duckdb", "pyarrow.lib")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"internvid {__version__}")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Build video-text datasets from raw videos, and train and evaluate video CLIPs."""


# The order is that of the help.
for _group in (
    queries, discover, fetch, build, work, submit, remove, look, browse, reviews, search, clip_map,
    annotate, classify, audit, drop, dedup, curate, publish, interleave, dialogues, evaluate,
    train, ask, compare, generate,
):  # fmt: skip
    _group.register(app)


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code: 0, 1 failed, 2 misuse, 3 not all done, 130 interrupted."""
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
    """The reader went away (`| head`): nothing more can be stated, and that is no failure."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0


def _tell(error: Exception) -> int | None:
    """Tell what is no error of ours, and give its exit code; None where it cannot be determined."""
    if type(error) is RuntimeError and str(error) == QUERY_INTERRUPTED:
        return say_interrupted()
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

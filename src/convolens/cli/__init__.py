"""The command ``convolens``: one table of commands, one place for errors and exit codes.

A command is a module of this package with a function ``command`` (or a ``typer.Typer`` of that name, for a group of
commands). It is listed once its module is there, and imported only when it is asked for.
"""

from __future__ import annotations

import errno
import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

__all__ = ["COMMANDS", "main"]

#: Name to the line in ``convolens --help``. The module is ``convolens.cli.NAME``.
COMMANDS = {
    "demo": "Train a small network on handwritten digits, in under a minute.",
    "train": "Train the network of a task and evaluate it.",
    "evaluate": "Evaluate a run's network on the test images.",
    "predict": "Classify image files with a run's network.",
    "explain": "Show every multiply-add of a run's network on one image, in one page.",
    "report": "Write a run's report: data, training, evaluation, errors.",
    "export": "Write a run's network for other programs.",
    "check": "Check your own convolution functions against the library.",
    "certify": "Check a run's network: gradients element by element, and against other frameworks.",
    "worksheet": "Print exercises on a network's numbers, with answers.",
    "bench": "Measure training and prediction here, beside the frameworks that are installed.",
    "data": "List, fetch and describe data sets.",
}

_EPILOG = "Everywhere: --json (results as JSON on standard output), --quiet, --debug (a traceback for errors)."
_DONE, _FAILED, _BAD_INPUT, _INTERRUPTED = 0, 1, 2, 130
_FAILURES_OF_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code: 0 done, 1 the work failed, 2 bad usage or input, 130 Ctrl-C."""
    import typer

    from .console import console

    words, flags = _common_flags(list(sys.argv[1:] if arguments is None else arguments))
    console.configure(**flags)
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's on overflow: the loss that follows is an error
        warnings.showwarning = lambda message, *_: console.note(str(message))
        try:
            program = typer.main.get_command(_app(next((word for word in words if word in COMMANDS), None)))
            code = program.main(words, prog_name="convolens", standalone_mode=False)
        except KeyboardInterrupt:
            code = _INTERRUPTED
        except typer.TyperException as error:  # an unknown command or option, a value of the wrong kind
            return _fail(error, error.format_message() or "no command: choose one of those above.", _BAD_INPUT)
        except FloatingPointError as error:
            return _fail(error, str(error), _FAILED)
        except (ValueError, OSError, ImportError) as error:  # an import: a package of an extra is missing
            failed = isinstance(error, OSError) and error.errno in _FAILURES_OF_WRITING
            return _fail(error, str(error), _FAILED if failed else _BAD_INPUT)
        except Exception as error:
            message = f"{type(error).__name__}: {error} (a fault of the program; --debug shows where)"
            return _fail(error, message, _FAILED)
    if code == _INTERRUPTED:  # typer returns it too
        console.error("stopped.")
    return code if isinstance(code, int) else _DONE


def _fail(error: Exception, message: str, code: int) -> int:
    from .console import console

    if console.debug:
        import traceback

        traceback.print_exception(error)
    console.error(" ".join(message.split()))
    return code


def _common_flags(words: list[str]) -> tuple[list[str], dict[str, bool]]:
    """Take the options that every command has out of the words before a ``--``."""
    end = words.index("--") if "--" in words else len(words)
    flags = {name: f"--{name}" in words[:end] for name in ("json", "quiet", "debug")}
    taken = {f"--{name}" for name in flags}
    return [word for word in words[:end] if word not in taken] + words[end:], flags


def _app(chosen: str | None) -> Any:
    """Return the program with its commands; only the chosen one is imported."""
    import typer

    app = typer.Typer(
        help="Convolutional networks from scratch on NumPy that you can see through.",
        epilog=_EPILOG,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    def show_version(asked: bool) -> None:
        if asked:
            from convolens import __version__

            typer.echo(f"convolens {__version__}")
            raise typer.Exit

    @app.callback()
    def options(version: bool = typer.Option(False, "--version", callback=show_version, is_eager=True)) -> None:
        pass

    for name, line in COMMANDS.items():
        if find_spec(f"{__name__}.{name}") is None:
            continue
        if name != chosen:
            app.command(name, help=line)(lambda: None)
            continue
        command = importlib.import_module(f"{__name__}.{name}").command
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, help=line, epilog=_EPILOG, no_args_is_help=True)
        else:
            app.command(name, epilog=_EPILOG)(command)
    return app

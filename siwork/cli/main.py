"""The program: which command runs, and how errors leave it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from siwork.cli.options import COMMANDS
from siwork.schema import SiworkError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 stopped before its end, 2 an error, said in one sentence.

    `siwork diagnose` has codes of its own: 0 fine, 1 watch, 2 alarm, 3 unknown or an error. With `--debug` it raises
    instead, so that the traceback is seen.
    """
    words, beside = _apart(sys.argv[1:] if argv is None else argv)
    options, odd = _parser().parse_known_args(words)
    options.beside = beside
    if odd:
        _parser().exit(options.failed, f"siwork: unrecognized arguments: {' '.join(odd)}; see: siwork --help\n")
    room, _, name = options.command.partition(":")
    try:
        return int(getattr(import_module(f"siwork.cli.{room}"), name)(options))
    except SiworkError as error:
        if options.debug:
            raise
        sys.stderr.write(f"siwork: {error}\n")
        return int(options.failed)
    except KeyboardInterrupt:
        sys.stderr.write("siwork: interrupted; run folders are as they were and can be resumed\n")
        return 130
    except BrokenPipeError:  # the reader of our output has gone, e.g. `| head`
        sys.stderr.close()
        return 3 if options.failed == 3 else 0


def _apart(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The words of siwork, and those of the command that `siwork serve … --` runs beside itself.

    >>> _apart(["serve", "models/base", "--", "siwork", "run", "star"])
    (['serve', 'models/base'], ['siwork', 'run', 'star'])
    """
    place = list(argv).index("--") if "--" in argv else len(argv)
    if next((word for word in argv[:place] if not word.startswith("-")), "") != "serve":
        return argv, []
    return argv[:place], argv[place + 1 :]


class _Parser(argparse.ArgumentParser):
    """A parser whose exit status for a wrong command line is that of the command's other errors."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(self.get_default("failed") or 2, f"{self.prog}: error: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="siwork", description="Small rounds of self-improvement of language models, and what they do to the model."
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser


def _version() -> str:
    from importlib.metadata import version

    return f"siwork {version('siwork')}"

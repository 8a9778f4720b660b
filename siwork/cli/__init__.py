"""The command line: the only place that prints."""

from siwork.cli.main import main

__all__ = ["main"]

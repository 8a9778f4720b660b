"""Logs that nobody meant to write, by the hundred thousand: `python -m tests.fuzz 100000`."""

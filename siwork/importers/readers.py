"""The readers by name, each a path in and rows with a capability report out."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from siwork.importers import rows, trl, verl
from siwork.importers.imported import Asked, Imported, assembled


def from_trl(path: str | Path, **asked: Unpack[Asked]) -> Imported:
    """Completions that TRL's GRPOTrainer logged (`log_completions=True`, TRL 0.28 and later).

    Parameters
    ----------
    path : the trainer's `output_dir`, its folder `completions`, or one file
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the optimiser step, rewards are raw and unweighted, rows of evaluations are held out.

    Raises
    ------
    ImportFormatError when there are no completions; KnobError for a column that the log lacks.
    """
    return assembled(trl.read(Path(path)), asked, path)


def from_verl(path: str | Path, *, validation: str | Path | None = None, **asked: Unpack[Asked]) -> Imported:
    """Dumps of verl (`trainer.rollout_data_dir`), trainer v0 and v1.

    Parameters
    ----------
    path : folder of <step>.jsonl, a folder that holds it beside that of the validation, or one file
    validation : folder of `trainer.validation_data_dir`, whose rows are held out; None takes the one beside the rollouts
        where `path` holds both
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the step, truth is `acc` and answer is `pred` where rows have them.

    Raises
    ------
    ImportFormatError when there are no dumps; KnobError for a column that the log lacks.
    """
    return assembled(verl.read(Path(path), None if validation is None else Path(validation)), asked, path)


def from_rows(path: str | Path, **asked: Unpack[Asked]) -> Imported:
    """Batches that `siwork.callbacks.TRLCallback` logged.

    Parameters
    ----------
    path : the callback's folder, or one file
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the number of optimiser steps before a batch was sampled.

    Raises
    ------
    ImportFormatError when there are no batches; KnobError for a column that the log lacks.
    """
    return assembled(rows.read(Path(path)), asked, path)

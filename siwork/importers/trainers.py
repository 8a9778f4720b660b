"""Readers of further trainers' logs by name, each a path in and rows with a capability report out."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from siwork.importers import areal, nemo_rl, open_instruct, skyrl, swift, verifiers
from siwork.importers.imported import Asked, Imported, assembled


def from_verifiers(path: str | Path, *, which: str = "effective", **asked: Unpack[Asked]) -> Imported:
    """Episodes of verifiers v1 and prime-rl, and results of verifiers before v1.

    Parameters
    ----------
    path : prime-rl's run folder, its `rollouts`, one step; a folder of evaluations; or one file of lines
    which : of the two files that prime-rl writes a step, "effective" is what entered the batch, "all" every episode as it ended
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the step of the folder, the reward is the sum of score × weight, raw rewards keep their names.

    Raises
    ------
    ImportFormatError when there are no episodes; KnobError for a column that the log lacks, or another `which`.
    """
    return assembled(verifiers.read(Path(path), which), asked, path)


def from_swift(path: str | Path, **asked: Unpack[Asked]) -> Imported:
    """Completions that ms-swift's GRPO and GKD trainers logged (`log_completions=True`).

    Parameters
    ----------
    path : the trainer's output folder (`v<n>-<date>`), the folder above it, or a `completions.jsonl`
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the optimiser step, rewards are raw, rows of evaluations are held out, repeated lines are left out.

    Raises
    ------
    ImportFormatError when there are no completions, or several versions of the run; KnobError for a column that the log lacks.
    """
    return assembled(swift.read(Path(path)), asked, path)


def from_open_instruct(
    path: str | Path, *, decode: open_instruct.Decode | None = None, **asked: Unpack[Asked]
) -> Imported:
    """Rollout traces of open-instruct (`save_traces`), which hold token ids and no text.

    Parameters
    ----------
    path : the folder `rollouts_save_path`, with the shards of one run, or one shard
    decode : text of a list of token ids, as a tokenizer's `decode`; None leaves ids with spaces between
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the step, problems are told by the prompt's token ids and the right answer's.

    Raises
    ------
    ImportFormatError when there are no shards, or several runs; KnobError for a column that the log lacks, or a wrong `decode`.
    """
    return assembled(open_instruct.read(Path(path), decode), asked, path)


def from_skyrl(path: str | Path, **asked: Unpack[Asked]) -> Imported:
    """Evaluations that SkyRL dumped; its batches of training are pickled and are never opened.

    Parameters
    ----------
    path : the trainer's `export_path`, its folder `dumped_evals`, one step, or one file of a data source
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the step, all rows are held out, a score of one number a token is summed.

    Raises
    ------
    ImportFormatError when there are no evaluations; KnobError for a column that the log lacks.
    """
    return assembled(skyrl.read(Path(path)), asked, path)


def from_areal(path: str | Path, **asked: Unpack[Asked]) -> Imported:
    """Trajectories that AReaL dumped (`rollout.dump_to_file`).

    Parameters
    ----------
    path : a trial's folder or one above it, its `rollout` or `eval-rollout`, one version, or one file
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the weight version, problems are told by their prompts, special tokens stay in the texts.

    Raises
    ------
    ImportFormatError when there are no trajectories, or those of several trials; KnobError for a column that the log lacks.
    """
    return assembled(areal.read(Path(path)), asked, path)


def from_nemo_rl(path: str | Path, **asked: Unpack[Asked]) -> Imported:
    """Batches of training and validation that NeMo-RL logged.

    Parameters
    ----------
    path : a folder `exp_<NNN>`, a folder with one of them, or one file
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the step of the file's name (training from 1, validation from 0), validations are held out, the
    log-probability is that of the generation engine over the response's own tokens.

    Raises
    ------
    ImportFormatError when there are no batches, or several experiments; KnobError for a column that the log lacks.
    """
    return assembled(nemo_rl.read(Path(path)), asked, path)

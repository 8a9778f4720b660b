"""The readers of evaluations and of tables, each a path in and rows with a capability report out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

from siwork.importers import inspect_logs, lighteval, lm_eval, openai_batch, table
from siwork.importers.imported import Asked, Imported, assembled


def from_lm_eval(path: str | Path, *, filter: str | None = None, **asked: Unpack[Asked]) -> Imported:
    """Samples of lm-evaluation-harness (`--log_samples`) with all repeats.

    Parameters
    ----------
    path : a samples_*.jsonl, a model's folder, or the `output_path` with a folder a checkpoint
    filter : the filter whose values are taken; None takes one that keeps a value for each sample, else the first
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the step in the model's folder, all is held out. The metric of a line is of the response that a filter
    leaves: truth is known only where the filter keeps every sample, and else is asked for with `gold=`.

    Raises
    ------
    ImportFormatError when there are no samples, or only multiple choice; KnobError for a filter or column that is not there.
    """
    return assembled(lm_eval.read(Path(path), filter), asked, path)


def from_inspect(path: str | Path, **asked: Unpack[Asked]) -> Imported:
    """Logs of Inspect, `.eval` and `.json`, read by inspect_ai itself.

    Parameters
    ----------
    path : one log, or the `log_dir`
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; sample is the epoch - 1, each scorer is a raw reward (C is 1, P 0.5, I and N are 0), all is held out; round is
    what eval.metadata, the tags, the task's arguments or the model's name say, else the order of creation.

    Raises
    ------
    MissingExtra without inspect_ai; ImportFormatError when there is no log, or an archive would fill the memory; KnobError for
    a column that the log lacks.
    """
    return assembled(inspect_logs.read(Path(path)), asked, path)


def from_lighteval(path: str | Path, **asked: Unpack[Asked]) -> Imported:
    """Details of lighteval (`--save-details`, 0.11 and later) with all samples.

    Parameters
    ----------
    path : the `output_dir`, its folder `details`, a model's folder, a date's, or one file
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; round is the step in the model's folder, `row["target"]` the right choice, all is held out. lighteval does not
    say which sample is right: pass `gold=` a function of a row.

    Raises
    ------
    ImportFormatError when there are no details, or none with sampled text; KnobError for a column that the log lacks.
    """
    return assembled(lighteval.read(Path(path)), asked, path)


def from_openai_batch(
    output: str | Path, *, input: str | Path | None = None, custom_id: str | None = None, **asked: Unpack[Asked]
) -> Imported:
    """Output of a batch (OpenAI, vLLM and other servers).

    Parameters
    ----------
    output : the output file, or a folder of them
    input : the input file, or a folder of them; prompts are there only
    custom_id : regular expression with groups round, problem, sample for ids that hold them, as r"(?P<problem>.+)-(?P<round>\\d+)"
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; several choices of a request are samples of one problem, all is held out. There are neither rewards nor truth.

    Raises
    ------
    ImportFormatError when there are no responses; KnobError for an expression or column that cannot be used.
    """
    return assembled(openai_batch.read(Path(output), None if input is None else Path(input), custom_id), asked, output)


def from_table(
    path_or_frame: Any, columns: table.Columns | None = None, *, rest: bool = True, **asked: Unpack[Asked]
) -> Imported:
    """Any table, whose columns are named.

    Parameters
    ----------
    path_or_frame : .csv, .jsonl, .json, .parquet or .arrow; a folder of one kind, as `save_to_disk` of `datasets` writes it; a
        DataFrame, or what has `to_pandas()`
    columns : our names to theirs, dotted within objects, as "metrics.acc"; prompt and response are needed. Ours are round,
        split, problem, sample, target, answer, gold, score, n_tokens and the like, and reward, which may name several
        columns. A column of lists of completions is taken apart, with the lists beside it
    rest : whether columns that are not named are kept, too; without them large files are read in a fraction of the time
    asked : run, gold, answer, score, as `siwork.importers.imported.Asked` has them

    Returns
    -------
    Imported; without a column for it, round is the step in the folder's name.

    Raises
    ------
    KnobError for a column that is not there (with the nearest one), or when prompt or response are not named (with the likely
    ones); ImportFormatError when there are no rows.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"question": ["2 + 2?"], "answers": [["4", "5"]], "ok": [[1.0, 0.0]], "step": [3]})
    >>> names = {"prompt": "question", "response": "answers", "reward": "ok", "round": "step"}
    >>> from_table(frame, names, gold="ok").rows[["round", "response", "gold"]].values.tolist()
    [[3, '4', True], [3, '5', False]]
    """
    score = asked.get("score")
    named = score if isinstance(score, str) else score[0] if score else None
    wanted = [each for each in (named, asked.get("gold"), asked.get("answer")) if isinstance(each, str)]
    found = table.read(path_or_frame, columns, [named] if named else [], None if rest else wanted)
    return assembled(found, asked, path_or_frame)

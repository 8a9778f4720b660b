"""verifiers and prime-rl: episodes of v1, the rollouts before it, and folders of evaluations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from siwork.files.lines import Skips, document, existing, files, folders, natural, number_in, objects
from siwork.files.values import text
from siwork.importers.found import Collected, Found, together
from siwork.importers.shared import above_zero, below, complete, field, nothing, run_name, step_of
from siwork.importers.verifiers_rows import Row, of_episode, of_row
from siwork.schema import KnobError

WHICH = ("effective", "all")
_TRACES, _RESULTS = "traces.jsonl", "results.jsonl"
_STEP = r"step_\d+"
_OLDER = (r"train_rollouts\.jsonl", r"eval_rollouts(_.*)?\.jsonl")
_NAMED = re.compile(r"(?:step|checkpoint|ckpt|iter|iteration|round|epoch)s?[-_ ]*(\d{1,18})(?!\d)", re.IGNORECASE)


class _Place(NamedTuple):
    """One file, with what its folders say."""

    file: Path
    round: int | None = None  # None: the rows say
    split: str | None = None  # None: the rows say
    env: str | None = None  # only where a log has several environments
    temperature: float | None = None


class _Log(NamedTuple):
    """What is counted while reading."""

    skips: Skips
    tallies: Counter[str]
    weights: dict[str, float]  # of v1's rewards


def read(path: Path, which: str = "effective") -> Found:
    """The episodes or rows of a run folder, of `rollouts`, of one step, of a folder of evaluations, or of one file.

    which : of prime-rl's two files of one step, "effective" is what entered the batch, "all" every episode, also failed ones

    Raises ImportFormatError when there is none; KnobError for another `which`.
    """
    if which not in WHICH:
        raise KnobError(f"which must be one of {', '.join(WHICH)}, got {which!r}")
    places, notes = _places(existing(path), which)
    log = _Log(Skips(), Counter(), {})
    table, partly = complete(_agents(together(_part(place, log) for place in places)))
    notes += [*_told(log), *_agents_told(table), *partly]
    kind = "verifiers evaluations" if places[0].file.name == _RESULTS else "verifiers episodes"
    return Found(kind, _run(path), table, log.skips, tuple(notes), score="reward")


# ── places ─────────────────────────────────────────────────────────────────────────────────────────────
def _places(path: Path, which: str) -> tuple[list[_Place], list[str]]:
    if path.is_file() and path.name != _RESULTS:
        return [_placed(path)], []
    steps = [] if path.is_file() else _steps(path)
    if steps:
        return _of_steps(path, steps, which)
    for own in (path / _TRACES, path / which / _TRACES):
        if own.is_file():
            return [_placed(own)], []
    found = [path] if path.is_file() else sorted(below(path, [_RESULTS], 4), key=lambda place: natural(str(place)))
    if not found:
        raise nothing(
            path, f"rollouts/step_<N>, {_TRACES} or {_RESULTS}; name a run of prime-rl or an output of vf-eval"
        )
    return _evaluations(path, found)


def _run(path: Path) -> str:
    """The folder above rollouts/step_<N>/train/effective, or as much of that as there is."""
    home = (path.parent if path.is_file() else path).resolve()
    for name in (r"all|effective", r"train|eval", _STEP, r"rollouts", r"[0-9a-f]{8}"):
        home = home.parent if re.fullmatch(name, home.name) else home
    return run_name(home)


def _steps(path: Path) -> list[Path]:
    if re.fullmatch(_STEP, path.name):
        return [path]
    homes = [home for home in (path / "rollouts", path) if home.is_dir()]
    return next((found for home in homes if (found := folders(home, _STEP))), [])


def _of_steps(path: Path, steps: list[Path], which: str) -> tuple[list[_Place], list[str]]:
    """One file a step and split, never both of "all" and "effective"; the older files where there is neither."""
    other = next(name for name in WHICH if name != which)
    found: list[_Place] = []
    lacking = []
    for step in steps:
        own = [_placed(file) for split in ("train", "eval") if (file := step / split / which / _TRACES).is_file()]
        lacking += [step for split in ("train", "eval") if _only(step / split, other, which)]
        found += own or [_placed(file) for pattern in _OLDER for file in files(step, pattern)]
    if not found:
        hint = f"; which={other!r} is there" if lacking else ""
        raise nothing(path, f"{which}/{_TRACES} below its steps{hint}")
    less = (
        f"{len(lacking)} folders hold {other}/{_TRACES} only and were left out, {lacking[0].name} first."
        if lacking
        else ""
    )
    return found, [less] if less else []


def _only(folder: Path, there: str, wanted: str) -> bool:
    return (folder / there / _TRACES).is_file() and not (folder / wanted / _TRACES).is_file()


def _placed(file: Path) -> _Place:
    """The step and split that the folders of a file name."""
    parts = file.absolute().parts
    at = next((i for i in reversed(range(len(parts))) if re.fullmatch(_STEP, parts[i])), None)
    after = parts[at + 1] if at is not None else file.name
    split = "train" if after.startswith("train") else "heldout" if after.startswith("eval") else None
    return _Place(file, number_in(parts[at]) if at is not None else None, split)


def _evaluations(path: Path, found: list[Path]) -> tuple[list[_Place], list[str]]:
    """Folders of evaluations; the step is in their names or their model's, else their order is taken."""
    described = [_described(file) for file in found]
    steps = [_named(path, file, about) for file, about in zip(found, described, strict=True)]
    envs = [text(about.get("env_id")) or file.parent.name for file, about in zip(found, described, strict=True)]
    several, notes = len(set(envs)) > 1, []
    if None in steps:
        notes.append("No step is in every folder's name or model; rounds are the folders' order.")
    elif again := len(steps) - len(set(zip(steps, envs, strict=True))):
        notes.append(f"{again} folders are of a step that another one has, too; their completions are put together.")
    places = [
        _Place(
            file,
            number if None in steps else step,
            "heldout",
            env if several else None,
            above_zero(field(about, "sampling_args", "temperature")),
        )
        for number, (file, step, env, about) in enumerate(zip(found, steps, envs, described, strict=True))
    ]
    if several:
        notes.append(
            f"{len(set(envs))} environments are there: {', '.join(sorted(set(envs))[:5])}; ids of problems name theirs."
        )
    return places, notes


def _described(file: Path) -> dict[str, Any]:
    """The `metadata.json` beside a file of results; nothing where there is none."""
    place = file.parent / "metadata.json"
    found = document(place) if place.is_file() else None
    return found if isinstance(found, dict) else {}


def _named(path: Path, file: Path, about: dict[str, Any]) -> int | None:
    """The step in the names between a path and a file of results, or in the model's name."""
    names = (
        [file.parent.parent.name, file.parent.name] if path == file else list(file.parent.parts[len(path.parts) - 1 :])
    )
    for name in (*reversed(names), text(about.get("model")) or ""):
        if not re.fullmatch(r"[0-9a-f]{8}", name) and (match := _NAMED.findall(name)):
            return int(match[-1])
    return None


# ── rows ───────────────────────────────────────────────────────────────────────────────────────────────
def _part(place: _Place, log: _Log) -> pa.Table:
    part = Collected(log.skips)
    for number, one in objects(place.file, log.skips):
        episode = "traces" in one
        step, split = _when(one, place, log.tallies)
        rows = list(_rows(one, place, log)) if step is not None else []
        if not rows:
            log.skips.add(place.file, number, _expected(one, episode))
        for row in rows:
            known = {"round": step, "split": split, **row.row}
            known |= {"temperature": place.temperature} if place.temperature is not None else {}
            part.add(known, row.rewards, row.others)
    return part.table()


def _rows(one: dict[str, Any], place: _Place, log: _Log) -> Iterator[Row]:
    if "traces" in one:
        yield from of_episode(one, log.tallies, log.weights)
    elif (row := of_row(one, place.env, log.tallies)) is not None:
        yield row


def _expected(one: dict[str, Any], episode: bool) -> str:
    if episode and one.get("ok") is False:
        return "a failed episode without a trace"
    return "a trace with a prompt is expected" if episode else "prompt and completion are expected"


def _when(one: dict[str, Any], place: _Place, tallies: Counter[str]) -> tuple[int | None, str]:
    """Round and split: the folder's, else the row's, else round 0 of an evaluation."""
    own = step_of(field(one, "run", "work", "step"))
    split = place.split or ("train" if field(one, "run", "work", "type") == "train" else "heldout")
    if place.round is not None:
        tallies["another step"] += own is not None and own != place.round
        return place.round, split
    tallies["no step"] += own is None
    return own or 0, split


def _agents(table: pa.Table) -> pa.Table:
    """Without the column agent where there is one only; else each agent has problems of its own."""
    if "agent" not in table.column_names:
        return table
    agents = pc.fill_null(table["agent"], "unknown")
    if len(agents.unique()) < 2:
        return table.drop_columns(["agent"])
    table = table.set_column(table.column_names.index("agent"), "agent", agents)
    key = pc.binary_join_element_wise(table["key"], agents, "/")
    return table.set_column(table.column_names.index("key"), "key", key)


# ── what is said about it ──────────────────────────────────────────────────────────────────────────────
def _told(log: _Log) -> list[str]:
    tallies, notes = log.tallies, []
    if log.weights:
        parts = " + ".join(f"{weight:g} × {name}" for name, weight in sorted(log.weights.items())[:12])
        notes.append(f"The reward is {parts}.")
    lines = {
        "failed": "episodes failed; failures are in a log of all episodes only.",
        "errors": "rows ended with an error; they count with the reward that the log gives them.",
        "not rewarded": "completions have a reward that was not computed; their total is unknown.",
        "another step": "episodes were dispatched at another step than their folder's; the folder's was taken.",
        "no step": "rows name no step and lie in no folder of one; they are round 0.",
        "other agents": "traces of agents that are not trained were left out.",
    }
    return [*notes, *(f"{tallies[name]:,} {words}" for name, words in lines.items() if tallies[name])]


def _agents_told(table: pa.Table) -> list[str]:
    if "agent" not in table.column_names:
        return []
    names = sorted(name for name in table["agent"].unique().to_pylist() if name)
    return [f"{len(names)} agents are there: {', '.join(names[:5])}; each has problems of its own."]

"""The user's own prompts and answers: every source, split, check and fault, and a run on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import siwork
from hf_made import byte_pairs, write_fresh
from siwork.schema import KnobError, MissingExtra, check, format_call, parse_call
from siwork.tasks import Task, probe, task_of
from siwork.tasks.base import is_held_out
from siwork.tasks.table.knobs import Table
from siwork.verifiers import Noisy

# shaped as GSM8K and MATH are; the problems are made up here
SCHOOL = [
    {"question": f"Ann has {i} pears and buys {i + 3} more. How many?", "answer": f"{i} + {i + 3}\n#### {2 * i + 3}"}
    for i in range(40)
]
LEVELS = [
    {
        "problem": f"What is the larger root of $x^2 = {i * i}$?",
        "solution": rf"The roots are $\pm{i}$, so it is $\boxed{{{i}}}$.",
        "level": f"Level {i % 5 + 1}",
        "type": "Algebra",
    }
    for i in range(1, 31)
]
QUIZ = [
    {"q": "Which is a colour?", "options": ["red", "seven", "run"], "key": "A"},
    {"q": "Which is a number?", "options": ["red", "seven", "run"], "key": "seven"},
    {"q": "Which is a verb?", "options": ["red", "seven", "run"], "key": "c"},
]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


@pytest.fixture
def school(tmp_path: Path) -> Path:
    return lines(tmp_path / "school.jsonl", SCHOOL)


def own(path: Any, **knobs: Any) -> Any:
    return siwork.task("table", path=path, **knobs)


def frame(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame(columns)


# ── as any task ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"prompt": "question", "check": "numeric"},
        {"template": 'Say "yes" or {question}:\n\\boxed{{}} \\n', "answer": "the answer"},
        {"check": "regex", "pattern": r'"(\d+)"\s\.'},
        {"choices": "a.b", "split": "s", "id": "i", "check": "choice"},
        {"probed": "x y.parquet"},
    ],
)
def test_formula_reads_back(school: Path, knobs: dict[str, str]) -> None:
    task = own(school, **knobs)
    call = parse_call(str(task))
    assert task_of(str(task)) == task == type(task).build(call.args, call.named)
    assert hash(task_of(str(task))) == hash(task)
    assert str(task_of(format_call(Table(str(school), **knobs)))) == str(task)


def test_problems_are_stable_and_splits_apart(school: Path) -> None:
    task = own(school, prompt="question", check="numeric")
    train, held = task.problems("train", 20), task.problems("heldout", 5, seed=1)
    pd.testing.assert_frame_equal(train.head(7), task.problems("train", 7))
    pd.testing.assert_frame_equal(train, own(school, prompt="question", check="numeric").problems("train", 20))
    assert train["prompt"].tolist() != task.problems("train", 20, seed=1)["prompt"].tolist()
    for table in (train, held):
        check(table, table="problems")
        assert table["prompt"].is_unique
    assert not train["prompt"].map(is_held_out).any()
    assert held["prompt"].map(is_held_out).all()
    assert task.splits == ("train", "heldout")
    i = int(train["problem"][0].removeprefix("train/"))
    assert train["prompt"][0] == SCHOOL[i]["question"]
    assert train["answer"][0] == str(2 * i + 3)


def test_written_responses_are_right(school: Path) -> None:
    task = own(school, prompt="question", check="numeric")
    prompts = task.problems("train", 8)["prompt"].tolist()
    said = [task.write(prompt, np.random.default_rng(0)) for prompt in prompts]
    rows = pd.DataFrame({"prompt": [*prompts, prompts[0], "another"], "response": [*said, "no", said[0]]})
    assert task.check(rows).tolist() == [True] * 8 + [False, False]
    assert task.answers(rows).isna().tolist() == [False] * 8 + [True, False]
    assert [task.solutions(prompt) for prompt in prompts] == [{answer} for answer in task.answers(rows)[:8]]
    with pytest.raises(KnobError, match="a prompt of table is one of its rows, got 'another'"):
        task.write("another", np.random.default_rng(0))
    with pytest.raises(KnobError, match="no hint 'answer'"):
        task.hinted(prompts[0], "answer")


# ── sources ────────────────────────────────────────────────────────────────────────────────────────────────


def written(folder: Path, kind: str) -> Any:
    table = pd.DataFrame(SCHOOL)
    path = folder / f"school.{kind}"
    if kind == "jsonl":
        return lines(path, SCHOOL)
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "parquet":
        table.to_parquet(path)
    elif kind == "arrow":
        batch = pa.Table.from_pandas(table)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, batch.schema) as stream:
            stream.write_table(batch)
    elif kind == "json":
        path.write_text(json.dumps(SCHOOL))
    elif kind == "frame":
        return table
    else:
        datasets = pytest.importorskip("datasets")
        path = folder / "saved"
        datasets.Dataset.from_list(SCHOOL).save_to_disk(str(path))
    return path


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "arrow", "json", "frame", "datasets"])
def test_every_source_gives_the_same_problems(tmp_path: Path, school: Path, kind: str) -> None:
    found = own(written(tmp_path, kind), prompt="question", check="numeric").problems("train", 12)
    wanted = own(school, prompt="question", check="numeric").problems("train", 12)
    pd.testing.assert_frame_equal(found, wanted)


def test_folders_called_train_and_test_are_the_splits(tmp_path: Path) -> None:
    for name, rows in (("train", SCHOOL[:30]), ("test", SCHOOL[30:])):
        lines(tmp_path / f"{name}.jsonl", rows)
    task = own(tmp_path, prompt="question")
    assert len(task.problems("train", 30)) == 30
    assert set(task.problems("heldout", 10)["prompt"]) == {row["question"] for row in SCHOOL[30:]}
    with pytest.raises(KnobError, match="too few different train problems for 31; it has 30: ask for at most 30"):
        task.problems("train", 31)


def test_a_data_set_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "quiz").mkdir()
    for name, rows in (("train", SCHOOL[:30]), ("test", SCHOOL[30:])):
        lines(tmp_path / "quiz" / f"{name}.jsonl", rows)
    datasets.disable_progress_bars()
    task = own(f"datasets:{tmp_path / 'quiz'}", prompt="question", check="numeric")
    assert len(task.problems("heldout", 10)) == 10
    assert task.fixed().make.path == task.make.path
    monkeypatch.setattr(datasets, "load_dataset", lambda *_: (_ for _ in ()).throw(ConnectionError("no network")))
    with pytest.raises(KnobError, match=r"'some/thing' could not be had \(no network\); fetch it where there is"):
        own("datasets:some/thing").problems("train", 1)
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(
        MissingExtra, match=r"needs the package datasets; install it with: pip install 'siwork\[data\]'"
    ):
        own("datasets:some/thing").problems("train", 1)


def test_objects_and_messages_within_columns(tmp_path: Path) -> None:
    rows = [{"chat": [{"role": "user", "content": f"Say {i}."}], "truth": {"value": i}} for i in range(9)]
    for path in (lines(tmp_path / "a.jsonl", rows), tmp_path / "b.parquet"):
        pd.DataFrame(rows).to_parquet(tmp_path / "b.parquet")
        task = own(path, prompt="chat", answer="truth.value")
        assert task.is_right("Say 3.", "3\n")
        assert not task.is_right("Say 3.", "4")


# ── prompts, splits, difficulty ────────────────────────────────────────────────────────────────────────────


def test_a_template_holds_columns_and_nothing_else() -> None:
    table = frame(question=["2+2", "{other}"], unit=["kg", "m"], answer=["4", "5"])
    task = own(table, template="Q: {question} ({unit}) {} {{x}}\nA:")
    assert task.is_right("Q: 2+2 (kg) {} {x}\nA:", "4")
    assert task.is_right("Q: {other} (m) {} {x}\nA:", "5")  # a value is not looked at again
    for odd in ("{question.upper}", "{question!r}", "{question:>9999999}", "{question[0]}"):
        with pytest.raises(KnobError, match=r"plain \{name\} only|no column"):
            own(table, template=odd).problems("train", 1)


def test_choices_are_listed_in_a_template() -> None:
    task = own(pd.DataFrame(QUIZ), template="{q}\n{options}", answer="key", check="choice", choices="options")
    prompt = "Which is a verb?\nA. red\nB. seven\nC. run"
    assert task.is_right(prompt, "The answer is (C).")
    assert task.is_right(prompt, "run")
    assert not task.is_right(prompt, "red")
    assert task.solutions(prompt) == {"C"}
    assert task.write(prompt, np.random.default_rng(0)) in ("c", "C")


def test_numbers_that_count_choices_are_told_from_texts() -> None:
    options = [["1", "0"], ["0", "1"], ["7", "8"]]
    counted = own(frame(prompt=list("abc"), answer=[0, 1, 1], o=options), check="choice", choices="o")
    assert [counted.solutions(prompt) for prompt in "abc"] == [{"A"}, {"B"}, {"B"}]
    texts = own(frame(prompt=list("abc"), answer=[0, 1, 7], o=options), check="choice", choices="o")
    assert [texts.solutions(prompt) for prompt in "abc"] == [{"B"}, {"B"}, {"A"}]
    arc = [{"label": ["A", "B"], "text": ["red", "run"]}, {"label": ["1", "2"], "text": ["2", "5"]}]
    mixed = own(frame(prompt=list("ab"), answer=["B", "1"], choices=arc), check="choice", choices="choices.text")
    assert mixed.solutions("a") == {"B"}
    assert mixed.solutions("b") is None  # a label of its own, which is neither a letter nor a text


def test_splits_from_a_column() -> None:
    names = ["train", "Test", "validation", "beyond", "training"]
    task = own(frame(prompt=list("abcde"), answer=list("12345"), part=names), split="part")
    assert task.splits == ("train", "heldout", "beyond")
    assert set(task.problems("train", 2)["prompt"]) == {"a", "e"}
    assert task.problems("beyond", 1)["prompt"].tolist() == ["d"]
    with pytest.raises(KnobError, match=r"says train, test .* got 'red'; write one of them"):
        own(frame(prompt=["a"], answer=["1"], part=["red"]), split="part").problems("train", 1)


def test_a_prompt_in_two_splits_is_not_trained_on() -> None:
    table = frame(prompt=["a", "b", "a"], answer=["1", "2", "1"], part=["train", "train", "test"])
    task = own(table, split="part")
    assert task.problems("train", 1)["prompt"].tolist() == ["b"]
    assert "1 rows repeat a prompt" in task.notes[0]
    assert "two splits" in task.notes[1]


def test_levels_are_ranked() -> None:
    task = own(pd.DataFrame(LEVELS), prompt="problem", answer="level", difficulty="level", id="problem")
    table = task.problems("train", 20)
    level = table["answer"].str[-1].astype(int).to_numpy()
    assert (np.diff(table["difficulty"].to_numpy(float)[np.argsort(level)]) >= 0).all()
    assert table["band"].tolist() == [5 - each for each in level]
    assert table["problem"][0] == f"train/{table['prompt'][0]}"
    with pytest.raises(KnobError, match=r"30 of 30 values of column 'type' are not, such as 'Algebra'"):
        own(pd.DataFrame(LEVELS), prompt="problem", answer="level", difficulty="type").problems("train", 1)


def test_unknown_difficulty_is_null_and_said(school: Path) -> None:
    task = own(school, prompt="question")
    assert task.problems("train", 3)[["difficulty", "band"]].isna().all(axis=None)
    assert "Difficulty is unknown" in task.notes[0]
    state, rows = type("S", (), {"task": task})(), task.problems("train", 3).assign(response="1")
    with pytest.raises(KnobError, match=r"noisy\(link=difficulty\) needs a difficulty of every problem"):
        Noisy(link="difficulty").score(state, rows, np.random.default_rng(0))


class Half:
    """Solves the problems whose number is even, always."""

    def sample(self, prompts: list[str], k: int, *, streams: np.ndarray) -> Any:
        self.streams = streams
        numbers = [int(prompt.split()[2]) for prompt in prompts]
        said = [str(2 * n + 3) if n % 2 == 0 else "?" for n in numbers for _ in range(k)]
        return type("C", (), {"response": said})()


def test_a_probe_fixes_difficulties_beforehand(school: Path, tmp_path: Path) -> None:
    task, file = own(school, prompt="question", check="numeric"), tmp_path / "probe.parquet"
    asked = pd.concat([task.problems("train", 10), task.problems("heldout", 5)])
    found = probe(task, Half(), samples=2, problems=asked, file=file)
    assert set(found["difficulty"]) == {0.0, 1.0}
    harder = own(school, prompt="question", check="numeric", probed=str(file))
    table = harder.problems("train", 10)
    odd = np.array([int(prompt.split()[2]) % 2 for prompt in table["prompt"]])
    assert (table["difficulty"].to_numpy(float) > 0.5).tolist() == (odd == 1).tolist()
    assert len(probe(task, Half(), samples=1)) == 40
    with pytest.raises(KnobError, match="has no difficulty of 10 of 20 problems; probe the problems that are drawn"):
        harder.problems("train", 20)
    with pytest.raises(KnobError, match=r"write siwork.policy"):
        probe(task, "hf")
    with pytest.raises(KnobError, match=r"samples must be a whole number ≥ 1"):
        probe(task, Half(), samples=0)
    with pytest.raises(KnobError, match=r"is no file that siwork.tasks.probe wrote"):
        own(school, prompt="question", probed="none.parquet").problems("train", 1)


# ── functions and frames live in one process ───────────────────────────────────────────────────────────────


def shouted(prompt: str, response: str, answer: str) -> bool:
    return response == answer.upper()


def test_a_function_as_check() -> None:
    task = own(frame(prompt=["a", "b"], answer=["x", "y"]), check=shouted)
    assert task.is_right("a", "X")
    assert not task.is_right("b", "y")
    assert task.answer("a", " X\n") == "X"
    assert task.solutions("a") is None
    assert 'check="<function shouted>"' in str(task)
    with pytest.raises(KnobError, match="<frame of 2 rows> was in the memory of another process"):
        task_of(str(task))
    with pytest.raises(KnobError, match=r"<function shouted> was in the memory .* take a named check"):
        task_of('table("x.csv", check="<function shouted>")')
    broken = own(frame(prompt=["a"], answer=["x"]), check=lambda p, r, a: r[5])
    with pytest.raises(KnobError, match="failed with IndexError"):
        broken.is_right("a", "b")


def test_two_frames_are_two_tasks() -> None:
    one, other = (own(frame(prompt=["a"], answer=[answer])) for answer in ("1", "2"))
    assert one != other
    rows = pd.DataFrame({"prompt": ["a"], "response": ["1"]})
    assert (one.check(rows)[0], other.check(rows)[0]) == (True, False)
    assert str(one.fixed()) != str(other.fixed())


# ── bad input ──────────────────────────────────────────────────────────────────────────────────────────────

AB: dict[str, list[Any]] = {"prompt": ["a", "b"], "answer": ["1", "2"]}


@pytest.mark.parametrize(
    ("table", "knobs", "words"),
    [
        (AB, {"prompt": "promt"}, "has no column 'promt', which template names; nearest: 'prompt'"),
        (AB, {"split": "part"}, "has no column 'part', which split names"),
        ({"prompt": [], "answer": []}, {}, "holds no rows"),
        ({"prompt": ["a", None, " "], "answer": list("123")}, {}, "2 of 3 prompts hold no text, row 2 first"),
        ({"prompt": ["a", "b"], "answer": ["1", None]}, {}, "1 of 2 answers hold no text, row 2 first"),
        ({"prompt": ["a", "a"], "answer": ["1", "2"]}, {}, "1 of 2 rows .* say another one .* '2' and '1'"),
        (AB | {"n": ["x", "x"]}, {"id": "n"}, "ids are all different, 1 in column 'n'"),
        (AB, {"template": "always the same"}, "a template names at least one column"),
        ({"prompt": ["a"], "answer": ["twelve"]}, {"check": "numeric"}, "1 of 1 answers .* hold not a number"),
        (AB | {"o": ["x|y", "x|y"]}, {"check": "choice", "choices": "o"}, "numbers count from 0, got 1, 2 and no 0"),
        (AB, {"check": "choice"}, "hold not a letter, or the text of one of the row's choices"),
        ({"prompt": ["a"], "answer": ["(b"]}, {"check": "regex"}, r"pattern '\(b' does not compile"),
        (AB | {"o": ["x", 3]}, {"choices": "o"}, "1 of 2 choices are null or of another kind"),
    ],
)
def test_bad_tables_are_told_in_a_sentence(table: dict[str, list[Any]], knobs: dict[str, str], words: str) -> None:
    task = own(pd.DataFrame(table, dtype=object), **knobs)
    with pytest.raises(KnobError, match=words):
        _ = [task.problems(split, 1) for split in task.splits]


@pytest.mark.parametrize(
    ("knobs", "words"),
    [
        ({"check": "numerc"}, "must be one of exact, numeric, .* nearest: 'numeric'"),
        ({"check": "regex", "pattern": "(a"}, "does not compile"),
        ({"pattern": "a"}, "a pattern is of check=regex, got check=exact"),
        ({"difficulty": "level", "probed": "x"}, "from a column or from a probe, got both"),
        ({"prompt": 3}, "knob 'prompt' takes str, got 3"),
    ],
)
def test_bad_knobs_are_told_at_once(knobs: dict[str, Any], words: str) -> None:
    with pytest.raises(KnobError, match=words):
        own("x.jsonl", **knobs)


def test_missing_and_damaged_files(tmp_path: Path, school: Path) -> None:
    with pytest.raises(KnobError, match=r"scool.jsonl does not exist; beside it: school.jsonl"):
        own(tmp_path / "scool.jsonl").problems("train", 1)
    with pytest.raises(KnobError, match="name a file"):
        own("").problems("train", 1)
    assert own("").splits == ()
    school.write_text(school.read_text() + "{torn")
    with pytest.raises(KnobError, match=r"1 place could not be read: school.jsonl line 41: unfinished.*; mend or drop"):
        own(school, prompt="question").problems("train", 1)
    pq.write_table(pa.table(AB), tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    with pytest.raises(KnobError, match=r"no Parquet file"):
        own(tmp_path / "a.parquet").problems("train", 1)


def test_a_file_that_changes_is_noticed(school: Path) -> None:
    fixed = own(school, prompt="question").fixed()
    assert task_of(str(fixed)).problems("train", 1).shape[0] == 1
    lines(school, [*SCHOOL[1:], {"question": "Another?", "answer": "1"}])
    with pytest.raises(KnobError, match="are not those this task was made with"):
        task_of(str(fixed)).problems("train", 1)


@pytest.mark.parametrize("policy", ["tiny", "tabular", "tiny(start=fresh)"])
def test_policies_of_made_up_tasks_say_why_not(school: Path, tmp_path: Path, policy: str) -> None:
    sizes = siwork.Sizes(train=4, heldout=2, samples=2)
    with pytest.raises(KnobError, match=r"needs a task that makes its own problems .* 'table' holds any text"):
        siwork.run("vanilla", own(school, prompt="question"), policy, rounds=1, problems=sizes, folder=tmp_path / "run")


# ── size and runs ──────────────────────────────────────────────────────────────────────────────────────────


def test_many_rows_are_read_and_drawn_in_little_time(tmp_path: Path) -> None:
    n = 100_000
    numbers = pa.array(range(n)).cast(pa.string())
    prompts = pa.compute.binary_join_element_wise("Say ", numbers, "")
    pq.write_table(pa.table({"prompt": prompts, "answer": numbers, "other": prompts}), tmp_path / "many.parquet")
    task = own(tmp_path / "many.parquet", check="numeric")
    table = task.problems("train", 50_000)
    assert table["prompt"].is_unique
    assert abs(len(task.rows.of("heldout")) / n - 0.2) < 0.01
    assert task.is_right(table["prompt"][17], f"It is {table['prompt'][17]}")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = write_fresh(tmp_path_factory.mktemp("model"), byte_pairs())
    return f'hf("{folder}", max_new=4)'


SIZES = siwork.Sizes(train=3, heldout=2, samples=2)
RECIPE = "seed · cot(k=2) · gold · correct · sft(steps=1) · mix(real)"


def test_a_run_on_a_file_is_resumed_from_its_text(
    school: Path, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(school.parent)
    task = own("school.jsonl", template="Q: {question}\nA:", check="numeric")
    made = siwork.run(RECIPE, task, model, rounds=1, problems=SIZES, folder=tmp_path / "run")
    monkeypatch.chdir("/")
    again: Task = task_of(made.run_task if hasattr(made, "run_task") else made.task)
    assert again.make.path == str(school.absolute())
    assert len(again.make.mark) == 12
    rows = siwork.resume(tmp_path / "run", rounds=2).rows()
    assert rows["round"].max() == 2
    assert set(rows["split"]) == {"train", "heldout"}
    assert rows["band"].isna().all()
    assert "mean_gold" in set(siwork.measure(made)["metric"])


def test_a_run_on_a_frame_stays_in_its_process(tmp_path: Path, model: str) -> None:
    task = own(pd.DataFrame(SCHOOL), prompt="question", check=shouted)
    made = siwork.run("vanilla", task, model, rounds=0, problems=SIZES, folder=tmp_path / "run")
    assert made.status().state == "finished"
    with pytest.raises(KnobError, match=r"in the memory of another process.*resume\(folder, task=task\)"):
        siwork.resume(tmp_path / "run", rounds=1)
    assert siwork.resume(tmp_path / "run", task=task).status().state == "finished"
    with pytest.raises(KnobError, match="the task of run is table"):
        siwork.resume(tmp_path / "run", task=own(pd.DataFrame(SCHOOL[1:]), prompt="question", check=shouted))
    with pytest.raises(KnobError, match="in the memory of another process"):
        siwork.launch("vanilla", task, model, rounds=1, problems=SIZES, folder=tmp_path / "child")
    assert not (tmp_path / "child").exists()

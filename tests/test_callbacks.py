"""`TRLCallback` on a real GRPO training of a model made here."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the packages of siwork[trl]")

import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

from logs import LOGS
from siwork import diagnose, from_rows, from_trl, measure
from siwork.callbacks import TRLCallback
from siwork.schema import ImportFormatError, KnobError

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")

WORDS = ["<pad>", "<eos>", "<bos>", *map(str, range(20)), "plus", "is"]
PROMPTS = [f"{a} plus {b} is" for a, b in ((1, 2), (3, 4), (5, 6), (7, 8))]


def tokenizer():
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<pad>"))
    made.pre_tokenizer = Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>")


def model():
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(WORDS), max_position_embeddings=64, **shape, **ids))


def right(prompts, completions, **_):
    return [
        float(str(sum(int(w) for w in p.split() if w.isdigit())) in c.split())
        for p, c in zip(prompts, completions, strict=True)
    ]


def short(completions, **_):
    return [None if not c else 1 / (1 + len(c.split())) for c in completions]


def trained(home, steps=4, callback=True, problem="id", **more):
    """A trainer after some steps, and the folder of the callback."""
    data = Dataset.from_list([{"prompt": p, "id": f"q{i}", "sum": i} for i, p in enumerate(PROMPTS)])
    settings = {
        "output_dir": str(home / "out"), "max_steps": steps, "per_device_train_batch_size": 8, "num_generations": 4,
        "max_completion_length": 8, "report_to": "none", "use_cpu": True, "logging_steps": 1, "log_completions": True,
        "save_strategy": "no", "seed": 0, "bf16": False, "disable_tqdm": True,
    }  # fmt: skip
    trainer = GRPOTrainer(
        model(), [right, short], GRPOConfig(**settings | more), data, data, processing_class=tokenizer()
    )
    if callback:
        trainer.add_callback(TRLCallback(trainer, home / "rows", problem=problem, target="sum"))
    trainer.train()
    return trainer


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trl")
    trained(folder)
    return folder


def test_every_batch_is_there_with_ids_and_rewards_by_name(home):
    rows = from_rows(home / "rows", gold="right", score="right").rows
    assert rows["round"].unique().tolist() == [0, 1, 2, 3]
    assert len(rows) == 4 * 8
    assert set(rows["problem"]) <= {"q0", "q1", "q2", "q3"}
    assert rows.groupby(["round", "problem"])["sample"].apply(list).map(lambda one: one == list(range(4))).all()
    assert rows["reward_short"].notna().any()
    assert {"logp", "entropy", "n_tokens", "finished", "weight", "gold"} <= set(rows)


def test_texts_and_rewards_are_those_that_trl_logs(home):
    ours = from_rows(home / "rows").rows
    theirs = from_trl(home / "out").rows
    assert ours["response"].tolist() == theirs["response"].tolist()
    assert ours["reward_right"].tolist() == theirs["reward_right"].tolist()
    assert (ours["round"] + 1).tolist() == theirs["round"].tolist()


def test_log_probabilities_and_entropies_are_those_of_the_policy_that_sampled(tmp_path):
    before = model()
    trained(tmp_path, steps=1)
    checked(from_rows(tmp_path / "rows").rows, before)


def checked(rows, policy):
    """Log-probability and entropy of each row are those of a policy."""
    tokens, looked = tokenizer(), 0
    for row in rows.to_dict("records"):
        prompt = tokens(row["prompt"], add_special_tokens=False)["input_ids"]
        said = tokens(row["response"], add_special_tokens=False)["input_ids"] + [1] * row["finished"]
        if len(said) != row["n_tokens"]:  # a special token inside, which the text does not hold
            continue
        with torch.no_grad():
            logs = policy(torch.tensor([prompt + said])).logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        logp = float(sum(logs[i, token] for i, token in enumerate(said)))
        entropy = float(-(logs.exp() * logs).sum(-1).mean())
        assert math.isclose(row["logp"], logp, rel_tol=1e-4, abs_tol=1e-4)
        assert math.isclose(row["entropy"], entropy, rel_tol=1e-4, abs_tol=1e-4)
        looked += 1
    assert looked  # a special token inside a text spares its row only


def test_a_diagnosis_knows_entropy_and_length(home):
    table = measure(from_rows(home / "rows", gold="right", score="right").rows)
    known = set(table.loc[table["value"].notna(), "metric"])
    assert {"token_entropy", "mean_logp", "mean_tokens", "unfinished_rate", "pass@4"} <= known
    assert diagnose(table)


def test_evaluations_are_held_out_and_another_temperature_leaves_log_probabilities_unknown(tmp_path):
    trained(tmp_path, steps=2, eval_strategy="steps", eval_steps=1, per_device_eval_batch_size=8, temperature=0.7)
    rows = from_rows(tmp_path / "rows").rows
    assert set(rows["split"]) == {"train", "heldout"}
    assert rows["temperature"].unique().tolist() == [0.7]
    assert "logp" not in rows or rows["logp"].isna().all()


def test_samples_that_are_used_several_times_are_logged_once(tmp_path):
    trained(tmp_path, steps=4, num_iterations=2)
    rows = from_rows(tmp_path / "rows").rows
    assert rows["round"].unique().tolist() == [0, 2]
    assert rows["logp"].notna().all()


def test_log_probabilities_of_an_evaluation_are_its_own(tmp_path):
    before = model()
    trained(tmp_path, steps=1, eval_strategy="steps", eval_steps=1, per_device_eval_batch_size=8, eval_on_start=True)
    rows = from_rows(tmp_path / "rows").rows
    first = rows[(rows["split"] == "heldout") & (rows["round"] == 0)]
    assert len(first) == 16
    assert first["logp"].notna().all()
    checked(first, before)


def test_an_evaluation_between_two_uses_of_a_batch_gets_none_of_its_numbers(tmp_path):
    trained(tmp_path, steps=2, num_iterations=2, eval_strategy="steps", eval_steps=1, per_device_eval_batch_size=8)
    files = sorted((tmp_path / "rows").iterdir())
    whole = from_rows(tmp_path / "rows").rows
    assert len(whole) == sum(len(from_rows(file).rows) for file in files)
    assert whole["logp"].notna().all()
    assert whole["logp"].duplicated().sum() == whole[["prompt", "response", "round"]].duplicated().sum()


def test_a_second_training_adds_to_the_folder(tmp_path):
    trained(tmp_path, steps=1)
    before = {place.name: place.read_bytes() for place in (tmp_path / "rows").iterdir()}
    trained(tmp_path, steps=1)
    after = {place.name: place.read_bytes() for place in (tmp_path / "rows").iterdir()}
    assert len(after) == 2 * len(before) == 2
    assert before.items() <= after.items()


def test_a_column_that_is_not_there_is_named_with_the_nearest_one(tmp_path):
    with pytest.raises(KnobError, match=r"problem='idd'.*nearest: 'id'"):
        trained(tmp_path, steps=1, problem="idd")


def test_without_an_id_the_prompt_is_the_problem(tmp_path):
    trained(tmp_path, steps=1, problem=None)
    rows = from_rows(tmp_path / "rows").rows
    assert rows.groupby("problem")["prompt"].nunique().max() == 1


def test_what_is_no_trainer_and_no_folder_is_a_sentence(tmp_path):
    with pytest.raises(KnobError, match=r"trainer must be a GRPOTrainer of TRL 1\.0 or later, got object without"):
        TRLCallback(object(), tmp_path)
    with pytest.raises(ImportFormatError, match="holds no generations_"):
        from_rows(LOGS / "trl")


SEVERAL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_callbacks import trained
trained(Path(sys.argv[2]), steps=2, ddp_backend="gloo")
"""


def test_several_processes_log_their_own_completions_with_their_own_rewards(tmp_path):
    (tmp_path / "go.py").write_text(SEVERAL)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    quiet = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launcher, "go.py", str(Path(__file__).parent), str(tmp_path)],
        cwd=tmp_path, env=quiet, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert [len(list((tmp_path / "rows").glob(f"*_{rank}.parquet"))) for rank in (0, 1)] == [2, 2]
    rows = from_rows(tmp_path / "rows", gold="right", score="right").rows
    assert rows.groupby(["round", "problem"]).size().tolist() == [4] * 8
    assert rows["reward_right"].tolist() == right(rows["prompt"], rows["response"])
    assert rows["logp"].notna().all()

"""What is damaged: the small real logs with fewer lines, and made ones where no real log is at hand."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .inputs import Input, Place
from .packed import packed_of

LOGS = Path(__file__).parent.parent / "golden" / "logs"


def seeds_of(reader: str) -> list[Input]:
    """The undamaged inputs of a reader, by the name that `siwork.importers.FORMATS` has for it."""
    found: list[Input] = _SEEDS[reader]()
    return found


def _real(home: str, *patterns: str, lines: int = 6) -> dict[str, bytes]:
    """Files of a real log below a folder, of those with lines the first few."""
    places = sorted(place for pattern in patterns for place in (LOGS / home).glob(pattern) if place.is_file())
    return {str(place.relative_to(LOGS / home)): _short(place, lines) for place in places}


def _short(place: Path, lines: int) -> bytes:
    content = place.read_bytes()
    return b"".join(content.splitlines(keepends=True)[:lines]) if place.suffix == ".jsonl" else content


def _lines(rows: Iterable[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def _rows_of(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


# ── trainers ───────────────────────────────────────────────────────────────────────────────────────────
def _trl() -> list[Input]:
    first = "completions/completions_0000[1-3].parquet"
    plain, chat = (
        _real("trl/grpo_text", first, "trainer_state.json"),
        _real("trl/grpo_chat", first, "trainer_state.json"),
    )
    sparse = _real("trl/grpo_sparse_eval", "completions/completions_0000[24].parquet", "trainer_state.json")
    again = _real("trl/grpo_reuse", first, "trainer_state.json")
    asked = {"gold": "correctness"}
    return [Input(plain, ".", {}), Input(plain, "completions", asked), Input(chat, ".", {}), Input(sparse, ".", {}),
            Input(again, "completions/completions_00001.parquet", {})]  # fmt: skip


def _verl() -> list[Input]:
    old, new = _real("verl/rollout_v0", "[13].jsonl"), _real("verl/rollout_v1", "[15].jsonl")
    held = {f"held/{name}": content for name, content in _real("verl/validation_v0", "[15].jsonl").items()}
    return [Input(old, ".", {}), Input(new, ".", {}), Input(old, "1.jsonl", {"score": "score"}),
            Input(old | held, ".", {"validation": Place("held")})]  # fmt: skip


def _verifiers() -> list[Input]:
    prime = _real("prime_rl", "rollouts/step_[04]/train/*/traces.jsonl", lines=3)
    older = _real("verifiers", "toy-sums--toy--step-[04]/*/*", lines=4)
    return [Input(prime, ".", {}), Input(prime, "rollouts/step_0", {"which": "all"}), Input(older, ".", {}),
            Input(prime, "rollouts/step_4/train/all/traces.jsonl", {"score": ("reward", 0, 2)})]  # fmt: skip


def _swift() -> list[Input]:
    def line(step: int, *said: str) -> dict[str, Any]:
        asked = [
            f"<|im_start|>user\n{p}<|im_end|>\n<|im_start|>assistant\n"
            for p in ("2 + 2?", "2 + 2?", "3 + 3?", "3 + 3?")
        ]
        right = [float(a == b) for a, b in zip(said, "4466", strict=True)]
        table = {
            "step": [str(step)] * 4,
            "prompt": asked,
            "completion": list(said),
            "acc": right,
            "solution": list("4466"),
        }
        return {**table, "advantages": [r - 0.5 for r in right], "entropy": [0.5] * 4, "num_turns": [1] * 4}

    state = json.dumps({"log_history": [{"step": 1, "loss": 0.1}, {"step": 2, "eval_loss": 0.2}]}).encode()
    log = _lines((line(1, *"4567"), line(2, *"4461"), line(2, *"4466"), line(3, *"1466")))
    flat = {"completions.jsonl": log, "trainer_state.json": state}
    run = {"v0-20261120/completions.jsonl": log, "v0-20261120/checkpoint-2/trainer_state.json": state}
    return [Input(flat, ".", {}), Input(run, ".", {"gold": "acc"}), Input(flat, "completions.jsonl", {})]


def _open_instruct() -> list[Input]:
    one = {
        "step": 1, "sample_idx": 0, "prompt_idx": 0, "prompt_tokens": [5, 6], "response_tokens": [7, 8, 2], "reward": 10.0,
        "advantage": 0.5, "finish_reason": "stop", "dataset": "gsm8k", "ground_truth": [7], "request_info": None,
        "logprobs": [-0.5, -0.25, 0.0],
    }  # fmt: skip
    shards = {
        f"run_rollouts_00000{s}.jsonl": _lines(
            {**one, "step": s, "sample_idx": i, "response_tokens": [7, i, 2]} for i in range(3)
        )
        for s in (0, 1)
    }
    return [Input(shards, ".", {}), Input(shards, ".", {"decode": _spelt, "score": ("reward", 0, 10)})]


def _spelt(ids: list[int]) -> str:
    return "".join(chr(97 + one) for one in ids)


def _skyrl() -> list[Input]:
    one = {
        "input_prompt": "<|im_start|>user\n2 + 2?<|im_end|>\n<|im_start|>assistant\n", "output_response": "4<|im_end|>",
        "score": 1.0, "stop_reason": "stop", "env_class": "gsm8k", "data_source": "sums",
        "env_extras": {"reward_spec": {"method": "rule", "ground_truth": "4"}},
    }  # fmt: skip
    log = _lines([one, {**one, "score": [0.0, 0.5], "output_response": "5"}, one])
    tree = {f"dumped_evals/global_step_{step}_evals/sums.jsonl": log for step in (9, 10)}
    return [Input(tree, ".", {}), Input(tree, "dumped_evals/global_step_9_evals", {"gold": _said})]


def _areal() -> list[Input]:
    tree = _real("areal/logs/user/toy/trial0", "rollout/[01]/*[01].jsonl")
    return [
        Input(tree, ".", {}),
        Input(tree, "rollout/0", {}),
        Input({f"a/b/{k}": v for k, v in tree.items()}, ".", {}),
    ]


def _nemo_rl() -> list[Input]:
    tree = _real("nemo_rl", "exp_001/*step[01].jsonl", lines=4)
    return [
        Input(tree, ".", {}),
        Input(tree, "exp_001", {"gold": "reward"}),
        Input(tree, "exp_001/val_data_step0.jsonl", {}),
    ]


def _rows() -> list[Input]:
    def batch(step: int) -> bytes:
        row = {
            "round": [step] * 4,
            "split": ["train"] * 4,
            "prompt": list("aabb"),
            "response": list("wxyz"),
            "key": list("ppqq"),
        }
        known = {
            "n_tokens": [3, 2, 1, 4],
            "finished": [True, False] * 2,
            "logp": [-0.5] * 4,
            "entropy": [0.1, None, 0.2, 0.3],
        }
        more = {"temperature": [1.0] * 4, "advantage": [0.5, -0.5, 0.0, 0.0], "reward_right": [1.0, 0.0, 1.0, 1.0]}
        return _rows_of(pa.table(row | known | more))

    tree = {f"generations_00000{step}_0.parquet": batch(step) for step in (0, 1)}
    return [Input(tree, ".", {}), Input(tree, ".", {"gold": "right", "score": "right"})]


# ── evaluations ────────────────────────────────────────────────────────────────────────────────────────
def _lm_eval() -> list[Input]:
    tree = _real("lm_eval", "ckpt-[04]/samples*.jsonl")
    return [Input(tree, ".", {}), Input(tree, "ckpt-0", {}), Input(_real("lm_eval", "ckpt-8/*", lines=24), ".", {})]


def _inspect() -> list[Input]:
    import_module("inspect_ai.log")  # teaches zipfile to unpack zstd
    logs = _real("inspect_ai", "*.eval")
    small = {name: _fewer(content) for name, content in logs.items()}
    tree = {f"{i}.json": _few_samples(content) for i, content in enumerate(_real("inspect_ai", "*.json").values())}
    first = next(iter(small))
    return [Input(small, ".", {}), Input({first: small[first]}, first, {"gold": "exact"}), Input(tree, ".", {}),
            Input({first: logs[first]}, ".", {})]  # fmt: skip


def _fewer(content: bytes) -> bytes:
    """A log of a few samples, packed in a way that this Python can read."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        names = [name for name in packed.namelist() if not name.startswith("samples/") or "epoch_1" in name]
        return packed_of(
            [(name, packed.read(name)) for name in names if name.count("/q") == 0 or "q00" in name or "q01" in name]
        )


def _few_samples(content: bytes) -> bytes:
    log = json.loads(content)
    return json.dumps({**log, "samples": log["samples"][:3]}).encode()


def _lighteval() -> list[Input]:
    tree = _real("lighteval", "details/ckpt-[04]/*/*.parquet")
    return [Input(tree, ".", {}), Input(tree, "details/ckpt-0", {"gold": _said})]


def _said(row: dict[str, Any]) -> bool:
    return row["response"] == row.get("target")


def _openai_batch() -> list[Input]:
    def asked(name: str, **body: Any) -> dict[str, Any]:
        return {
            "custom_id": name,
            "body": {"model": "m", "messages": [{"role": "user", "content": f"{name}?"}], **body},
        }

    def answered(name: str, *texts: str) -> dict[str, Any]:
        told = {"content": [{"token": "a", "logprob": -0.5}]}
        choices = [
            {"index": i, "message": {"role": "assistant", "content": each}, "finish_reason": "stop", "logprobs": told}
            for i, each in enumerate(texts)
        ]
        body = {"id": f"chat-{name}", "choices": choices, "usage": {"completion_tokens": 3}}
        return {"id": "b", "custom_id": name, "response": {"status_code": 200, "body": body}, "error": None}

    tree = {"in.jsonl": _lines([asked("a-1"), asked("b-1", temperature=0.5)]),
            "out/step_1.jsonl": _lines([answered("b-1", "5"), answered("a-1", "4", "44")]),
            "out/step_2.jsonl": _lines([answered("a-1", "4")])}  # fmt: skip
    inside = {"input": Place("in.jsonl"), "custom_id": r"(?P<problem>.+)-(?P<round>\d+)"}
    return [
        Input(tree, "out", {}),
        Input(tree, "out", {"input": Place("in.jsonl")}),
        Input(tree, "out/step_1.jsonl", inside),
    ]


def _table() -> list[Input]:
    long = {"prompt": "prompt", "response": "completion", "round": "round"}
    wide = {"prompt": "problem", "response": "responses", "reward": "rewards", "round": "iteration", "target": "answer"}
    whole = {
        **long,
        "reward": "reward",
        "gold": "is_correct",
        "problem": "uid",
        "target": "gold",
        "sample": "sample_id",
    }
    cells = b'q,a,step,r,ok,split\n2 + 2?,4,1,1.0,true,train\n2 + 2?,5,1,0.0,false,test\n"3\n+ 3?",6,2,1.0,true,train\n'
    named = {"prompt": "q", "response": "a", "round": "step", "score": "r", "gold": "ok", "split": "split"}
    objects = [{"q": "2 + 2?", "a": [{"role": "assistant", "content": "4"}], "ok": True, "step": "ckpt-3", "n": 3}] * 2
    tree = _real("distilabel", "step-1*/default/train/*")
    made = {"prompt": "instruction", "response": "generation", "target": "answer"}
    return [
        Input(_real("hf_datasets/long_jsonl", "*"), ".", {"columns": whole}),
        Input(_real("hf_datasets/long_parquet", "*"), ".", {"columns": whole}),
        Input(_real("hf_datasets/wide_save_to_disk", "**/*"), ".", {"columns": wide, "gold": "rewards"}),
        Input(tree, ".", {"columns": made}),
        Input({"t.csv": cells}, "t.csv", {"columns": named}),
        Input({"t.tsv": cells.replace(b",", b"\t")}, ".", {"columns": named, "answer": "response"}),
        Input(
            {"t.json": json.dumps(objects).encode()},
            "t.json",
            {"columns": {"prompt": "q", "response": "a", "round": "step"}},
        ),
        Input(_real("hf_datasets/long_parquet", "*"), ".", {"columns": long, "score": ("reward", 0, 2)}),
    ]


_SEEDS = {
    "trl": _trl, "verl": _verl, "lm-eval": _lm_eval, "inspect": _inspect, "verifiers": _verifiers, "swift": _swift,
    "open-instruct": _open_instruct, "skyrl": _skyrl, "areal": _areal, "nemo-rl": _nemo_rl, "lighteval": _lighteval,
    "openai-batch": _openai_batch, "table": _table, "rows": _rows,
}  # fmt: skip

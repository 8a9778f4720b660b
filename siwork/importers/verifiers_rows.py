"""What a line of verifiers says: an episode with its traces (v1), or one flat row (before v1)."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from siwork.files.values import real, said, shown, text, truth, whole
from siwork.importers.shared import above_zero, field, log_probability, mean, numbers, records, total

_LIMITS = frozenset(("max_turns", "max_input_tokens", "max_output_tokens", "max_total_tokens", "compaction_failed"))
_TIMES = frozenset(("num_turns",))  # metrics that the framework itself adds to each row


class Row(NamedTuple):
    """One completion, as `Collected.add` takes it, without round and split."""

    row: dict[str, Any]
    rewards: dict[str, float | None]
    others: dict[str, str | None]


# ── v1 ─────────────────────────────────────────────────────────────────────────────────────────────────
def of_episode(one: dict[str, Any], tallies: Counter[str], weights: dict[str, float]) -> list[Row]:
    """The completions of an episode: of its trainable agents, or of all where none is.

    weights : the weight of each reward by its name, which this adds to
    """
    traces = records(one.get("traces"))
    trained = [trace for trace in traces if field(trace, "agent", "trainable") is True]
    tallies["failed"] += one.get("ok") is False
    tallies["other agents"] += len(traces) - len(trained) if trained else 0
    found = [_of_trace(trace, one, tallies, weights) for trace in trained or traces]
    return [row for row in found if row is not None]


def _of_trace(
    trace: dict[str, Any], episode: dict[str, Any], tallies: Counter[str], weights: dict[str, float]
) -> Row | None:
    task = trace.get("task") if isinstance(trace.get("task"), dict) else episode.get("task")
    branch = _branch(trace.get("nodes"))
    sampled = [node for node in branch if node.get("sampled") is True]
    prompt = _prompt(task, branch)
    if prompt is None:
        return None
    row = {
        "prompt": prompt,
        "response": said([node.get("message") for node in sampled]) or "",
        "key": _key(task, episode),
        "target": shown(field(task, "data", "answer")),
        "agent": text(field(trace, "agent", "name")) or "unknown",
        "finished": _finished(trace, sampled),
        **_tokens(sampled),
    }
    metrics = trace.get("metrics")
    others = {name: shown(value) for name, value in metrics.items()} if isinstance(metrics, dict) else {}
    return Row(row, _rewards(trace.get("rewards"), tallies, weights), others)


def _branch(nodes: Any) -> list[dict[str, Any]]:
    """The nodes from a root to the last one; a parent stands before its children, so the way ends."""
    if not isinstance(nodes, list) or not nodes:
        return []
    place: int | None = len(nodes) - 1
    found = []
    while place is not None and isinstance(nodes[place], dict):
        found.append(nodes[place])
        parent = whole(nodes[place].get("parent"))
        place = parent if parent is not None and 0 <= parent < place else None
    return found[::-1]


def _prompt(task: Any, branch: list[dict[str, Any]]) -> str | None:
    """The prompt of the task, else the messages before the first one that was sampled."""
    if own := said(field(task, "data", "prompt")):
        return own
    first = next((i for i, node in enumerate(branch) if node.get("sampled") is True), len(branch))
    return said([node.get("message") for node in branch[:first]])


def _key(task: Any, episode: dict[str, Any]) -> str | None:
    """The task's own id within its environment; its number in the data set where it has none."""
    own = text(field(task, "key"))
    if own is None and (number := whole(field(task, "data", "idx"))) is not None:
        own = str(number)
    env = text(field(episode, "env", "id"))
    return own if own is None or env is None else f"{env}/{own}"


def _finished(trace: dict[str, Any], sampled: list[dict[str, Any]]) -> bool | None:
    """Whether the response came to its end, by the framework's own rule for what is truncated; None after an error."""
    stop = trace.get("stop_condition")
    if isinstance(stop, str) and stop in _LIMITS:
        return False
    calls = [call for call in records(trace.get("calls")) if call.get("error") is None]
    reason = calls[-1].get("finish_reason") if calls else sampled[-1].get("finish_reason") if sampled else None
    if isinstance(reason, str):
        return reason != "length"
    return None if stop is None or stop == "error" else True


def _tokens(sampled: list[dict[str, Any]]) -> dict[str, Any]:
    """Tokens, log-probability, entropy and advantage over all sampled nodes."""
    masks = [node.get("mask") for node in sampled]
    sizes = [sum(one is True for one in mask) if isinstance(mask, list) and mask else None for mask in masks]
    size = sum(each for each in sizes if each is not None) if sizes and None not in sizes else None
    if not size:
        return {"n_tokens": None, "logp": None, "entropy": None, "advantage": None}
    return {
        "n_tokens": size,
        "logp": log_probability(_joined(sampled, "logprobs"), size),
        "entropy": above_zero(mean(_joined(sampled, "entropies"))),
        "advantage": mean(_joined(sampled, "advantages")),
    }


def _joined(nodes: list[dict[str, Any]], name: str) -> list[float] | None:
    """One number a sampled token, of all nodes; None where a node has none."""
    parts = [numbers(node.get(name)) for node in nodes]
    return None if None in parts else [one for part in parts if part is not None for one in part]


def _rewards(found: Any, tallies: Counter[str], weights: dict[str, float]) -> dict[str, float | None]:
    """Raw rewards by name, and their sum with weights, which is unknown as long as one was not computed."""
    raw: dict[str, float | None] = {}
    parts: list[float | None] = []
    for name, one in found.items() if isinstance(found, dict) else ():
        score = real(field(one, "score"))
        weight = real(one.get("weight", 1.0)) if isinstance(one, dict) else None
        if weight is not None:
            weights[str(text(name))] = weight
        raw[f"{name} (raw)" if name == "reward" else name] = score
        parts.append(None if score is None or weight is None else real(score * weight))
    known = [part for part in parts if part is not None]
    tallies["not rewarded"] += len(known) < len(parts) or not parts
    return {**raw, "reward": total(known) if parts and len(known) == len(parts) else None}


# ── before v1 ──────────────────────────────────────────────────────────────────────────────────────────
def of_row(one: dict[str, Any], env: str | None, tallies: Counter[str]) -> Row | None:
    """The completion of a flat row; None where it has no prompt or no completion.

    env : environment, which goes into the problem's id where a log has several
    """
    prompt, response = said(one.get("prompt")), said(one.get("completion"))
    if prompt is None or (response is None and one.get("completion") != []):
        return None
    number = shown(one.get("example_id"))
    tallies["errors"] += one.get("error") is not None
    row = {
        "prompt": prompt,
        "response": response or "",
        "key": number if env is None or number is None else f"{env}/{number}",
        "target": shown(one.get("answer")),
        "finished": None if truth(one.get("is_truncated")) is None else not truth(one["is_truncated"]),
        "n_tokens": _size(one),
    }
    found = one.get("metrics")
    metrics: dict[str, Any] = found if isinstance(found, dict) else {}
    raw = {name: real(value) for name, value in metrics.items() if name not in _TIMES and name != "reward"}
    others = {name: shown(metrics[name]) for name in _TIMES if name in metrics}
    return Row(row, {**raw, "reward": real(one.get("reward"))}, others)


def _size(one: dict[str, Any]) -> int | None:
    size = whole(field(one, "token_usage", "output_tokens"))
    return size if size is not None and size >= 0 else None

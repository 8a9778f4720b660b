"""A real vLLM: started, asked, killed, started again, and gone with all its processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from servers.conftest import CONTEXT, asked
from siwork import policy
from siwork.schema import KnobError
from siwork.serving import Serving, ServingError

PROMPT = "1 2 3 = 6"
PARENT = """
import sys, time
from siwork.serving import Serving
with Serving(sys.argv[1], context=512, log=sys.argv[2]):
    time.sleep(600)
"""
BESIDE = """
import os, sys
from urllib.request import ProxyHandler, build_opener
url = os.environ["SIWORK_SERVER"]
print(url, build_opener(ProxyHandler({})).open(url + "/health").status)
sys.exit(7)
"""


def completion(url, model, **more):
    body = {"model": model, "prompt": PROMPT, "max_tokens": 12, "temperature": 0} | more
    return asked(f"{url}/v1/completions", body)["choices"][0]


def family(pid):
    """A process and all that come from it."""
    first = psutil.Process(pid)
    return [first, *first.children(recursive=True)]


def until(seen, seconds, what):
    """Look until it is so."""
    stop = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < stop, what
        time.sleep(0.1)


def gone(processes):
    return not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_it_answers_on_loopback_only_under_the_name_that_was_given(vllm, player):
    assert vllm.alive
    assert [model["id"] for model in asked(f"{vllm.url}/v1/models")["data"] if not model["parent"]] == [player]
    assert completion(vllm.url, player)["text"]
    open_at = [c.laddr.ip for p in family(vllm.pid) for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    port = int(vllm.url.rsplit(":", 1)[1])
    assert {c.laddr.ip for c in psutil.Process(vllm.pid).net_connections("tcp") if c.laddr.port == port} == {
        "127.0.0.1"
    }
    assert "0.0.0.0" not in open_at


def test_it_takes_new_adapters_and_new_weights(vllm, player, tmp_path):
    adapted = policy("hf", player, lora=4)
    other = adapted.adapter.copy()  # a fresh adapter changes nothing
    chance = torch.Generator().manual_seed(0)
    for name in sorted(name for name in other.weights if "lora_B" in name):
        torch.nn.init.normal_(other.weights[name], std=0.1, generator=chance)
    other.save(tmp_path / "adapter")
    asked(f"{vllm.url}/v1/load_lora_adapter", {"lora_name": "other", "lora_path": str(tmp_path / "adapter")})
    ours, theirs = (completion(vllm.url, name, logprobs=0)["logprobs"] for name in (player, "other"))
    assert theirs["token_logprobs"] == pytest.approx(scored(adapted, theirs["tokens"]), abs=1e-3)
    adapted.adapter.wear()
    assert ours["token_logprobs"] == pytest.approx(scored(adapted, ours["tokens"]), abs=1e-3)
    moved = tmp_path / "moved"
    shutil.copytree(player, moved)
    weights = load_file(moved / "model.safetensors")
    save_file(weights | {"lm_head.weight": weights["lm_head.weight"] * 0.5}, moved / "model.safetensors")
    assert handed(vllm, moved, player) != ours["token_logprobs"]
    assert handed(vllm, player, player) == pytest.approx(ours["token_logprobs"], abs=1e-5)


def scored(worn, tokens):
    """Log-probabilities of tokens behind the prompt, by transformers."""
    ids = worn.tokenizer(PROMPT).input_ids
    said = worn.tokenizer.convert_tokens_to_ids(tokens)
    with torch.no_grad():
        logits = worn.model(torch.tensor([[*ids, *said]])).logits[0, len(ids) - 1 : -1]
    return logits.log_softmax(-1)[torch.arange(len(said)), said].tolist()


def handed(vllm, weights, name):
    """Log-probabilities after new weights were handed over."""
    asked(f"{vllm.url}/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": str(weights)}})
    asked(f"{vllm.url}/reset_prefix_cache", {})
    return completion(vllm.url, name, logprobs=0)["logprobs"]["token_logprobs"]


def test_a_port_in_use_is_a_sentence(vllm, player):
    port = int(vllm.url.rsplit(":", 1)[1])
    with pytest.raises(KnobError, match=f"port {port} is in use; name another one, or 0 for a free one"):
        Serving(player, port=port).start()
    assert vllm.alive


def test_what_vllm_refuses_is_its_own_sentence_and_the_log_is_kept(needs_vllm, player):
    with pytest.raises(ServingError, match=r"vLLM did not start: .*max_model_len.*; its words are in ") as error:
        Serving(player, context=1_000_000).start()
    assert str(error.value).count("\n") == 0
    log = Path(str(error.value).rsplit(" ", 1)[1])
    assert "max_model_len" in log.read_text()
    log.unlink()


def test_a_killed_server_comes_again_at_the_same_place(vllm, player):
    before, url, starts = family(vllm.pid), vllm.url, vllm.restarts
    assert len(before) >= 3  # the engine and its worker, too
    os.kill(vllm.pid, signal.SIGKILL)
    until(lambda: vllm.alive and vllm.restarts > starts and vllm.pid != before[0].pid, 40, "nobody saw that it died")
    assert gone(before)
    until(lambda: _answers(url, player), 120, "it did not come again")
    assert vllm.alive
    assert vllm.url == url


@pytest.fixture
def parent(needs_vllm, player, tmp_path):
    """A process that starts a server."""
    with subprocess.Popen([sys.executable, "-c", PARENT, player, tmp_path / "server.log"]) as child:
        yield child
        child.kill()


def test_a_killed_parent_leaves_nobody_behind(parent):
    until(lambda: len(_started_by(parent)) >= 5, 90, "the engine and its worker did not start")
    everybody = _started_by(parent)
    parent.kill()
    parent.wait()
    until(lambda: gone(everybody), 20, everybody)


def _answers(url, model):
    try:
        return bool(completion(url, model)["text"])
    except OSError:
        return False


def test_a_killed_keeper_leaves_nobody_behind(parent, player):
    until(lambda: len(_started_by(parent)) >= 3, 60, "the engine did not start")
    keeper, *rest = _started_by(parent)
    keeper.kill()
    until(lambda: gone(rest), 30, rest)
    assert parent.wait(30) == 1  # it was not ready yet, so the parent says so and ends


def _started_by(parent):
    return psutil.Process(parent.pid).children(recursive=True)


def test_terminating_siwork_serve_at_its_start_ends_everything(needs_vllm, player, tmp_path):
    words = [sys.executable, "-m", "siwork", "serve", player, "--log", tmp_path / "server.log"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        until(lambda: len(_started_by(child)) >= 2, 60, "vLLM did not start")
        seen = _started_by(child)
        child.terminate()
        assert child.wait(30) == 143
    until(lambda: gone(seen), 5, seen)


def test_a_command_runs_beside_it_with_its_own_exit_status(needs_vllm, player, tmp_path):
    words = [sys.executable, "-m", "siwork", "serve", player, "--context", str(CONTEXT), "--json"]
    words += ["--log", str(tmp_path / "server.log"), "--", sys.executable, "-c", BESIDE]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200)
    assert done.returncode == 7, done.stderr
    ready, said = done.stdout.splitlines()
    ready = json.loads(ready)
    assert ready["model"] == player
    assert said == f"{ready['url']} 200"
    assert not psutil.pid_exists(ready["pid"])
    assert not _answers(ready["url"], player)
    assert "Application startup complete" in Path(ready["log"]).read_text()

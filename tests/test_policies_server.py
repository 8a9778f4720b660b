"""A served model: every question asked once, every refusal one sentence, the key nowhere."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import siwork
from served import TASK, serving
from siwork.loop import Sizes, resume
from siwork.policies.asking import chances
from siwork.policies.chance import Chance
from siwork.policies.journals import Journal, journal_here, kept_in, key_of_question
from siwork.policies.server.asking import Asked, Stale, ask
from siwork.policies.server.client import Client, Question
from siwork.policies.server.knobs import Server
from siwork.schema import KnobError, RunError

SECRET = "sk-live-0123456789abcdef"
PROMPTS = TASK.problems("train", 5)["prompt"].tolist()
SMALL = Sizes(train=6, heldout=4, beyond=0, samples=3)
SAMPLED = "seed · cot(k=3) · gold · correct"


@pytest.fixture
def server():
    with serving() as found:
        yield found


def policy(server, **knobs):
    usual = {"route": "completions", "patience": 5.0, "max_new": 16}
    return siwork.policy("server", server.url, "base", **{**usual, **knobs})


def streams(n=5, k=4, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, (n, k), dtype=np.uint64)


def texts(found):
    return found.response.to_pylist()


# ── what is said of it ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "//"])
def test_addresses_are_read_however_they_end(tail):
    assert Server(f"http://127.0.0.1:8000{tail}", "base").url == "http://127.0.0.1:8000"


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://a", "http://", "http://a:port", "nonsense"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(KnobError, match=r"an address such as http://127.0.0.1:8000 is expected"):
        Server(address, "base")


@pytest.mark.parametrize("address", ["http://me:word@a", f"https://a/v1?api_key={SECRET}", f"https://{SECRET}@a"])
def test_a_secret_in_the_address_is_refused_and_not_repeated(address):
    with pytest.raises(KnobError, match="keys come from the environment") as error:
        Server(address, "base")
    assert SECRET not in str(error.value)
    assert "word" not in str(error.value).split("password", 1)[1]


@pytest.mark.parametrize("key", [SECRET, "sk_live_1", "two words", "a-b", "x" * 200])
def test_a_key_itself_is_refused_and_not_repeated(key):
    with pytest.raises(KnobError, match="is the name of an environment variable") as error:
        Server("http://127.0.0.1:1", "base", key=key)
    assert key not in str(error.value)


def test_a_key_must_be_there_and_may_not_travel_in_the_open(monkeypatch):
    with pytest.raises(KnobError, match="the environment variable SOME_KEY is not set"):
        siwork.policy("server", "http://127.0.0.1:1", "base", key="SOME_KEY")
    monkeypatch.setenv("SOME_KEY", SECRET)
    with pytest.raises(KnobError, match=r"would travel unencrypted to http://example\.org"):
        siwork.policy("server", "http://example.org", "base", key="SOME_KEY")


@pytest.mark.parametrize(
    ("extra", "wrong"),
    [
        ("{", "a JSON object"),
        ("[1]", "a JSON object"),
        ('{"seed": 1}', "'seed' cannot"),
        ("[" * 99999, "a JSON object"),
    ],
)
def test_further_fields_are_an_object_that_leaves_the_rest_alone(extra, wrong):
    with pytest.raises(KnobError, match=wrong):
        Server("http://127.0.0.1:1", "base", extra=extra)


def test_a_served_model_needs_a_name_and_an_address():
    with pytest.raises(KnobError, match="name an address and a model"):
        siwork.policy("server", "http://127.0.0.1:1")
    with pytest.raises(KnobError, match="name the folder of the model as train="):
        siwork.policy("server", "http://127.0.0.1:1", "base", lora=4)


@pytest.mark.parametrize(("package", "extra", "knobs"), [("httpx", "server", {}), ("torch", "lm", {"train": "x"})])
def test_a_package_that_is_missing_is_named(package, extra, knobs):
    code = (
        f"import sys; sys.modules[{package!r}] = None\nimport siwork\n"
        f"try: siwork.policy('server', 'http://127.0.0.1:1', 'base', **{knobs})\n"
        "except siwork.MissingExtra as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said == f"policy 'server' needs the package {package}; install it with: pip install 'siwork[{extra}]'\n"


def test_weights_are_handed_over_on_this_machine_only():
    from siwork.policies.server.delivery import Delivery

    with pytest.raises(KnobError, match=r"http://example\.org is another machine"):
        Delivery(Client(Server("http://example.org", "base", train="x")))


def test_its_call_text_makes_it_again(server):
    made = policy(server, extra='{"top_k": 5}', stop="\n")
    assert siwork.policies.policy_of(str(made), TASK).make == made.make


# ── what it says ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("route", ["completions", "chat", "auto"])
@pytest.mark.parametrize("seeds", ["prompt", "completion"])
def test_completions_come_in_order_and_the_same_again(server, route, seeds):
    server.pause = 0.005
    made = policy(server, route=route, seeds=seeds)
    first, again, other = (made.sample(PROMPTS, 4, streams=streams(seed=s)) for s in (0, 0, 1))
    assert texts(first) == texts(again) != texts(other)
    np.testing.assert_array_equal(first.logp, again.logp)
    assert [t in TASK.candidates(PROMPTS[i // 4], np.random.default_rng(0)) for i, t in enumerate(texts(first))] == [
        True
    ] * 20
    assert len(server.asked) == 3 * (5 if seeds == "prompt" else 20)
    assert (first.n_tokens == 6).all()
    assert first.finished.all()
    assert (first.logp < 0).all()
    assert np.isnan(first.entropy).all()


def test_a_completion_has_a_seed_of_its_own_where_that_is_wanted(server):
    made, mine = policy(server, seeds="completion"), streams()
    whole = texts(made.sample(PROMPTS, 4, streams=mine))
    assert texts(made.sample(PROMPTS[1:2], 2, streams=mine[1:2, [3, 0]])) == [whole[7], whole[4]]
    mine[0, 0] ^= np.uint64(12345)
    assert texts(made.sample(PROMPTS, 4, streams=mine))[1:] == whole[1:]


def test_a_server_that_gives_one_at_a_time_is_asked_for_each(server):
    server.takes_n = False
    got = policy(server).sample(PROMPTS, 4, streams=streams())
    assert len(got.response) == 20
    assert len(server.asked) == 5 + 20
    assert texts(got) == texts(policy(server, seeds="completion").sample(PROMPTS, 4, streams=streams()))


def test_what_a_server_does_not_tell_is_unknown(server):
    server.tells_logprobs = False
    several = policy(server).sample(PROMPTS, 4, streams=streams())
    assert np.isnan(several.logp).all()
    assert (several.n_tokens == -1).all()
    alone = policy(server, seeds="completion").sample(PROMPTS, 4, streams=streams())
    assert (alone.n_tokens == 6).all()


def test_log_probabilities_at_another_temperature_are_not_believed(server):
    warm = policy(server).sample(PROMPTS, 4, streams=streams(), temperature=0.7)
    assert np.isnan(warm.logp).all()
    assert (warm.n_tokens == 6).all()
    assert {body["temperature"] for body in server.asked} == {0.7}


def test_the_most_likely_completion_is_asked_for_once(server):
    got = policy(server).sample(PROMPTS, 4, streams=streams(), temperature=0.0)
    assert len(server.asked) == 5
    assert not any("n" in body for body in server.asked)
    assert [len(set(texts(got)[4 * i : 4 * i + 4])) for i in range(5)] == [1] * 5


def test_further_fields_reach_the_server(server):
    policy(server, extra='{"top_k": 5}', stop="!").sample(PROMPTS, 1, streams=streams(k=1))
    assert {(body["top_k"], tuple(body["stop"])) for body in server.asked} == {(5, ("!",))}


def test_no_more_requests_are_under_way_than_wanted(server):
    server.pause = 0.03
    policy(server, concurrency=3, seeds="completion").sample(PROMPTS, 4, streams=streams())
    assert server.most == 3


def test_it_can_be_asked_where_a_loop_already_runs(server):
    async def notebook():
        return policy(server).sample(PROMPTS, 2, streams=streams(k=2))

    assert len(asyncio.run(notebook()).response) == 10


def test_sampling_tells_how_far_it_is(server):
    told = []
    policy(server).sample(PROMPTS, 2, streams=streams(k=2), tell=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize("route", ["completions", "chat"])
def test_a_judge_behind_a_server_is_asked_by_its_likeliest_tokens(server, route):
    made = policy(server, route=route)
    yes, no = np.exp([-1.0, -2.0, -3.0]).sum(), np.exp(-1.5)  # " Yes", "Yes" and "Y" begin but the one
    np.testing.assert_allclose(chances(made, PROMPTS, [" Yes", " No"]), [[yes / (yes + no), no / (yes + no)]] * 5)
    assert np.isnan(chances(made, PROMPTS, ["A", "B"])).all()
    server.tells_logprobs = False
    assert np.isnan(chances(made, PROMPTS, [" Yes", " No"])).all()


def test_no_prompts_are_no_completions(server):
    assert len(policy(server).sample([], 2, streams=streams(0, 2)).response) == 0


def test_its_weights_stay(server, tmp_path):
    made = policy(server)
    made.save(tmp_path)
    assert made.copy() is made is made.load(tmp_path)
    with pytest.raises(KnobError, match="are not here to be trained; name them as train="):
        siwork.run("seed · cot(k=2) · sft", TASK, made, rounds=1, problems=SMALL, folder=tmp_path / "run")
    with pytest.raises(KnobError, match="only as a vLLM whose tokenizer is known here"):
        made.logp(["a"], ["b"], np.ones(1, bool))
    (tmp_path / "server.txt").write_text("other")
    with pytest.raises(RunError, match="holds no policy of base"):
        made.load(tmp_path)


# ── a server that fails ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", [0, 429, 500, 503])
def test_trouble_that_passes_is_waited_out(server, status):
    calm = texts(policy(server).sample(PROMPTS, 4, streams=streams()))
    seen = len(server.seen)
    server.fault = lambda number, route, body: (status, {"error": "busy"}) if number - seen in (1, 3) else None
    assert texts(policy(server).sample(PROMPTS, 4, streams=streams())) == calm
    assert len(server.seen) == seen + 5 + 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ((0, None), "gives no answer"),
        ((503, {"error": {"message": "no engine"}}), "503: no engine"),
        ((500, b"<html>oops</html>"), "500: <html>oops"),
    ],
)
def test_trouble_that_stays_is_one_sentence(server, fault, said):
    made = policy(server, patience=0.0)
    server.fault = lambda *_: fault
    with pytest.raises(RunError, match=said) as error:
        made.sample(PROMPTS, 1, streams=streams(k=1))
    assert "then resume: completions that were finished are kept" in str(error.value)


def test_an_answer_that_does_not_come_is_a_sentence(server):
    server.pause = 1.0
    with pytest.raises(RunError, match=r"no answer within 0\.2 s"):
        policy(server, timeout=0.2, patience=0.0).sample(PROMPTS, 1, streams=streams(k=1))


def test_a_server_that_is_not_there_is_a_sentence():
    with pytest.raises(RunError, match=r"gives no answer .* see that it runs there"):
        siwork.policy("server", "http://127.0.0.1:9", "base")


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (
            (401, {"error": {"message": f"wrong key {SECRET} or {SECRET[:9]}***def"}}),
            KnobError,
            "refuses the key in SOME_KEY",
        ),
        ((404, {"error": {"message": "no such model"}}), KnobError, "has no model 'base'"),
        (
            (400, {"error": {"message": "maximum context length is 512"}}),
            KnobError,
            "do not fit into the model's context",
        ),
        ((422, {"detail": [{"msg": "odd field"}]}), RunError, "refuses a request .422: .*odd field"),
        ((302, {"error": "elsewhere"}), RunError, "refuses a request .302"),
        ((200, b"not JSON"), RunError, "what is no JSON"),
        ((200, b"[" * 200_000), RunError, "what is no JSON"),
        ((200, {"choices": []}), RunError, "an answer without completions"),
        ((200, {"choices": [3]}), RunError, "an answer without completions"),
        ((200, ["x"]), RunError, "an answer without completions"),
    ],
)
def test_refusals_are_one_sentence_each_and_asked_once(server, monkeypatch, fault, kind, said):
    monkeypatch.setenv("SOME_KEY", SECRET)
    made = policy(server, key="SOME_KEY")
    server.fault = lambda *_: fault
    with pytest.raises(kind, match=said) as error:
        made.sample(PROMPTS[:1], 1, streams=streams(1, 1))
    assert len(server.seen) == 1
    assert SECRET not in str(error.value)
    assert SECRET[:9] not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_vllm_without_the_model_names_the_nearest(server):
    server.models = [{"id": "models/base-1b", "owned_by": "vllm"}]
    with pytest.raises(KnobError, match=r"no model 'model/base1b'; nearest: 'models/base-1b'"):
        siwork.policy("server", server.url, "model/base1b")


def test_a_server_that_is_no_vllm_is_not_trained_against(server):
    with pytest.raises(RunError, match="is no vLLM, and only that takes new weights"):
        policy(server, train="somewhere")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["choices", "text", "logprobs", "token_logprobs", "index", "usage", "finish_reason", "content"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_a_server_says_is_read_or_one_sentence(answer):
    from siwork.policies.server.saying import Way

    for vllm in (True, False):
        for chat in (True, False):
            way = Way(Server("http://127.0.0.1:1", "base"), vllm, chat)
            for whole in (answer, {"choices": answer}, {"choices": [answer]}):
                with suppress(RunError):
                    assert all(
                        isinstance(one.text, str) and one.n_tokens >= -1 for one in way.read(whole, Chance(1, 1))
                    )


# ── the key is nowhere ─────────────────────────────────────────────────────────────────────────────────
def test_the_key_is_sent_and_written_nowhere(server, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("SOME_KEY", SECRET)
    made = policy(server, key="SOME_KEY")
    run = siwork.run(SAMPLED, TASK, made, rounds=1, problems=SMALL, folder=tmp_path / "run")
    siwork.report([run], tmp_path / "report.html")
    assert {head["authorization"] for head in map(lower, server.heads)} == {f"Bearer {SECRET}"}
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in "".join(capfd.readouterr())
    assert SECRET not in repr(made) + str(made) + repr(made.make) + repr(made.client)


def lower(head):
    return {name.lower(): value for name, value in head.items()}


def test_no_key_is_sent_where_none_is_named(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    policy(server).sample(PROMPTS, 1, streams=streams(k=1))
    assert not any("authorization" in lower(head) for head in server.heads)


# ── nothing finished is lost ───────────────────────────────────────────────────────────────────────────
def unbroken(tmp_path):
    with serving() as server:
        return siwork.run(SAMPLED, TASK, policy(server), rounds=1, problems=SMALL, folder=tmp_path / "whole")


def test_a_run_goes_on_where_its_server_went_away(tmp_path):
    whole = unbroken(tmp_path).rows().drop(columns="run")
    with serving() as server:
        port = server.server_address[1]
        server.fault = lambda number, route, body: (0, None) if number >= 3 else None
        with pytest.raises(RunError, match="gives no answer"):
            siwork.run(
                SAMPLED,
                TASK,
                policy(server, patience=0.0, concurrency=1),
                rounds=1,
                problems=SMALL,
                folder=tmp_path / "run",
            )
    kept = (tmp_path / "run" / "pending" / "0000" / "answers.jsonl").read_text().split("\n")
    assert len([line for line in kept if line]) == 3
    with (tmp_path / "run" / "pending" / "0000" / "answers.jsonl").open("a") as file:
        file.write('\n["torn')
    with serving(port) as server:
        run = resume(tmp_path / "run", task=TASK)
        assert len(server.asked) == 4 + 6 + 4 - 3  # held-out, train, held-out at the close
    pd.testing.assert_frame_equal(run.rows().drop(columns="run"), whole)
    assert list((tmp_path / "run" / "pending").iterdir()) == []


def test_what_is_kept_is_of_the_present_round_only(tmp_path):
    run = siwork.run(SAMPLED, TASK, "tabular", rounds=1, problems=SMALL, folder=tmp_path / "run")
    old = run.folder / "pending" / "0000"
    old.mkdir(parents=True)
    (old / "answers.jsonl").write_text("x")
    resume(run.folder, rounds=1)
    assert not old.exists()


@given(st.lists(st.tuples(st.text(min_size=1), st.lists(st.floats(allow_nan=False) | st.text()))))
def test_a_journal_gives_back_what_was_put(tmp_path_factory, answers):
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder / "new")
    for key, answer in answers:
        journal.put(key, answer)
    again = Journal(folder / "new")
    assert {key: again.get(key) for key, _ in answers} == dict(answers)


@pytest.mark.parametrize("damage", [b"\xff\xfe\n", b'["a", 1\n', b"[]\n", b"3\n", b'{"a": 1}\n', b'[["k"], 1]\n'])
def test_a_damaged_journal_keeps_its_good_lines(tmp_path, damage):
    (tmp_path / "answers.jsonl").write_bytes(b'["a", [1]]\n' + damage + b'["b", [2]]')
    journal = Journal(tmp_path)
    assert (journal.get("a"), journal.get("b"), journal.get("k")) == ([1], [2], None)


def test_a_journal_is_of_its_block(tmp_path):
    with kept_in(tmp_path):
        journal_here().put("a", 1)
        assert threading.current_thread() is threading.main_thread()
    assert journal_here().get("a") is None
    with kept_in(tmp_path):
        assert journal_here().get("a") == 1


def test_answers_are_found_again_by_their_weights_and_not_by_a_name(server, tmp_path):
    made = policy(server)

    def said(name, mark):
        asked = Asked(made.way, made.model, name, PROMPTS, PROMPTS, streams(), Chance(1.0, 1.0), mark, lambda: True)
        return [one.text for one in ask(made.client, asked, Journal(tmp_path))]

    first = said("adapter-1", "weights")
    assert said("adapter-2", "weights") == first
    assert len(server.asked) == 5
    said("adapter-2", "other weights")
    assert len(server.asked) == 10


def test_what_comes_from_lost_weights_is_not_kept(server, tmp_path):
    made, sure = policy(server), iter([False])
    asked = Asked(made.way, made.model, "base", PROMPTS, PROMPTS, streams(), Chance(1.0, 1.0), "a", lambda: next(sure))
    with pytest.raises(Stale):
        ask(made.client, asked, Journal(tmp_path))
    assert not (tmp_path / "answers.jsonl").exists()
    server.fault = lambda *_: (404, {"error": "no such adapter"})
    with pytest.raises(Stale):
        ask(made.client, asked._replace(sure=lambda: True), Journal(tmp_path))


def test_equal_questions_have_equal_keys():
    assert key_of_question({"a": 1, "b": [2]}) == key_of_question({"b": [2], "a": 1}) != key_of_question({"a": 2})
    assert re.fullmatch(r"[0-9a-f]{64}", key_of_question({}))


# ── what is unknown stays unknown ──────────────────────────────────────────────────────────────────────
def test_rows_of_a_silent_server_are_measured(server, tmp_path):
    server.tells_logprobs = False
    run = siwork.run(SAMPLED, TASK, policy(server), rounds=1, problems=SMALL, folder=tmp_path / "run")
    rows = siwork.check(run.rows())
    assert rows[["logp", "base_logp", "entropy", "n_tokens"]].isna().all(axis=None)
    assert pa.array(rows["logp"]).null_count == len(rows)
    found = siwork.measure(rows)
    assert found.loc[found["metric"] == "pass@1", "value"].notna().all()
    assert found.loc[found["metric"] == "token_entropy", "value"].isna().all()
    assert found.loc[found["metric"] == "mean_tokens", "value"].isna().all()


def test_a_client_asks_one_question_too(server):
    listing = Client(Server(server.url, "base")).ask(Question("/v1/models"))
    assert json.dumps(listing) == json.dumps({"data": server.models})

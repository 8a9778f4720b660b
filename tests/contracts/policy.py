"""What every policy must do.

Inherit as `class TestMine(PolicyContract)` and give three fixtures:

    policy   a fresh policy, the same one each time
    prompts  list of at least 3 different prompts without hints, which leave the policy a choice
    hinted   the first of them with a hint, `prompt#hint>`
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import siwork
from siwork.policies import Completions, Plan, Policy
from siwork.schema import RunError


def streams(n: int, k: int, seed: int = 0) -> np.ndarray:
    """(n, k) different random streams."""
    return np.random.default_rng(seed).integers(0, 2**64, (n, k), dtype=np.uint64)


def texts(completions: Completions) -> list[str]:
    return pa.array(completions.response, pa.string()).to_pylist()


def plan_for(
    prompts: list[str], responses: list[str], coefficients: list[float], *, rate: float, steps: int = 1
) -> Plan:
    """`steps` steps over all rows with fixed coefficients."""
    rows, fixed = np.arange(len(prompts)), np.array(coefficients, float)
    return Plan(prompts, responses, np.ones(len(prompts), bool), [rows] * steps, lambda logp, index: fixed[index], rate)


class PolicyContract:
    """Inherit, give the fixtures, and widen the tolerances where single precision asks for it."""

    tolerance = 1e-9  # nats, between two ways to the same log-probability
    rate = 0.1  # share of the standard rate at which one step is a small one
    nudge = 1e-5  # half-width of finite differences
    slack = 1e-5  # relative error allowed to them

    # ── sampling ───────────────────────────────────────────────────────────────────────────────────────
    def test_sample_gives_k_completions_a_prompt(self, policy: Policy, prompts: list[str]) -> None:
        out = policy.sample(prompts, 5, streams=streams(len(prompts), 5))
        n = 5 * len(prompts)
        assert [len(part) for part in out] == [n] * 5
        assert all(isinstance(text, str) for text in texts(out))
        assert np.issubdtype(out.n_tokens.dtype, np.integer)
        assert out.finished.dtype == bool
        assert (out.n_tokens >= 0).all()
        assert (out.n_tokens[out.finished] >= 1).all()
        assert (out.logp <= 0).all()
        assert np.isfinite(out.logp).all()
        assert (out.entropy >= 0).all()
        assert np.isfinite(out.entropy).all()

    def test_equal_streams_give_equal_completions(self, policy: Policy, prompts: list[str]) -> None:
        first, second = (policy.sample(prompts, 4, streams=streams(len(prompts), 4)) for _ in range(2))
        assert texts(first) == texts(second)
        np.testing.assert_array_equal(first.logp, second.logp)

    def test_other_streams_give_other_completions(self, policy: Policy, prompts: list[str]) -> None:
        first, second = (policy.sample(prompts, 16, streams=streams(len(prompts), 16, seed)) for seed in (0, 1))
        assert texts(first) != texts(second)

    def test_a_completion_does_not_depend_on_its_company(self, policy: Policy, prompts: list[str]) -> None:
        mine, n = streams(len(prompts), 4), len(prompts)
        whole = np.array(texts(policy.sample(prompts, 4, streams=mine)), object).reshape(n, 4)
        order = np.arange(n)[::-1]
        turned = policy.sample([prompts[i] for i in order], 4, streams=mine[order])
        assert texts(turned) == whole[order].ravel().tolist()
        alone = policy.sample(prompts[1:2], 2, streams=mine[1:2, [3, 0]])
        assert texts(alone) == whole[1, [3, 0]].tolist()
        twice = policy.sample([prompts[0], prompts[0]], 4, streams=mine[[0, 0]])
        assert texts(twice) == [*whole[0], *whole[0]]

    def test_a_completion_depends_on_its_own_stream_only(self, policy: Policy, prompts: list[str]) -> None:
        mine = streams(len(prompts), 8)
        before = texts(policy.sample(prompts, 8, streams=mine))
        mine[0, 0] ^= np.uint64(0x5DEECE66D)
        assert texts(policy.sample(prompts, 8, streams=mine))[1:] == before[1:]

    def test_temperature_and_nucleus_sharpen(self, policy: Policy, prompts: list[str]) -> None:
        mine = streams(len(prompts), 64)
        plain, cold, narrow = (
            policy.sample(prompts, 64, streams=mine, **how) for how in ({}, {"temperature": 0.3}, {"top_p": 0.3})
        )
        assert cold.logp.mean() > plain.logp.mean()
        assert narrow.logp.mean() > plain.logp.mean()
        assert len(set(texts(narrow))) < len(set(texts(plain)))

    def test_sampling_tells_how_far_it_is(self, policy: Policy, prompts: list[str]) -> None:
        told: list[float] = []
        policy.sample(prompts, 2, streams=streams(len(prompts), 2), tell=told.append)
        assert told == sorted(told)
        assert told[-1] == 1.0
        assert told[0] >= 0

    # ── scoring ────────────────────────────────────────────────────────────────────────────────────────
    @pytest.mark.parametrize("how", [{}, {"temperature": 0.6}, {"top_p": 0.7}], ids=str)
    def test_logp_agrees_with_sampling(self, policy: Policy, prompts: list[str], how: dict[str, float]) -> None:
        out = policy.sample(prompts, 6, streams=streams(len(prompts), 6), **how)
        again = policy.logp(np.repeat(np.array(prompts, object), 6), out.response, out.finished)
        np.testing.assert_allclose(again, out.logp, atol=self.tolerance)

    def test_logp_does_not_depend_on_company(self, policy: Policy, prompts: list[str]) -> None:
        out = policy.sample(prompts, 3, streams=streams(len(prompts), 3))
        asked, said = [p for p in prompts for _ in range(3)], texts(out)
        whole = policy.logp(asked, said, out.finished)
        order = np.random.default_rng(1).permutation(len(asked))
        turned = policy.logp([asked[i] for i in order], [said[i] for i in order], out.finished[order])
        np.testing.assert_allclose(turned, whole[order], atol=self.tolerance)
        alone = policy.logp(asked[4:5], said[4:5], out.finished[4:5])
        np.testing.assert_allclose(alone, whole[4:5], atol=self.tolerance)

    def test_texts_may_be_lists_or_arrays(self, policy: Policy, prompts: list[str]) -> None:
        mine = streams(len(prompts), 2)
        kinds = [list, lambda t: np.array(t, object), lambda t: pa.array(t, pa.string())]
        outs = [policy.sample(kind(prompts), 2, streams=mine) for kind in kinds]
        assert texts(outs[0]) == texts(outs[1]) == texts(outs[2])
        asked = [p for p in prompts for _ in range(2)]
        scores = [policy.logp(kind(asked), kind(texts(outs[0])), outs[0].finished) for kind in kinds]
        np.testing.assert_allclose(scores, [outs[0].logp] * 3, atol=self.tolerance)

    def test_hinted_prompts_are_accepted(self, policy: Policy, prompts: list[str], hinted: str) -> None:
        assert hinted.startswith(prompts[0] + "#")
        out = policy.sample([hinted, prompts[1]], 4, streams=streams(2, 4))
        asked = [hinted] * 4 + [prompts[1]] * 4
        np.testing.assert_allclose(policy.logp(asked, out.response, out.finished), out.logp, atol=self.tolerance)
        plain = policy.sample(prompts[:2], 4, streams=streams(2, 4))
        assert texts(plain)[4:] == texts(out)[4:]

    # ── training ───────────────────────────────────────────────────────────────────────────────────────
    def _row(self, policy: Policy, prompts: list[str]) -> tuple[list[str], list[str], np.ndarray]:
        """The least likely finished response of 32 to the first prompt."""
        out = policy.sample(prompts[:1], 32, streams=streams(1, 32))
        ended = np.flatnonzero(out.finished)
        assert len(ended)
        return prompts[:1], [texts(out)[ended[out.logp[ended].argmin()]]], np.ones(1, bool)

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_a_row_moves_with_the_sign_of_its_coefficient(
        self, policy: Policy, prompts: list[str], sign: float
    ) -> None:
        row = self._row(policy, prompts)
        before = policy.logp(*row)
        policy.train(plan_for(row[0], row[1], [sign], rate=self.rate, steps=3))
        assert sign * (policy.logp(*row) - before)[0] > 0

    def test_train_gives_the_mean_logp_of_each_step(self, policy: Policy, prompts: list[str]) -> None:
        out = policy.sample(prompts, 2, streams=streams(len(prompts), 2))
        asked, seen, told = [p for p in prompts for _ in range(2)], [], []

        def coefficients(logp: np.ndarray, index: np.ndarray) -> np.ndarray:
            seen.append((logp.copy(), index.copy()))
            return np.full(len(index), 1 / len(index))

        batches = [np.array([3, 0, 1]), np.array([2, 4])]
        steps = policy.train(Plan(asked, texts(out), out.finished, batches, coefficients, self.rate), told.append)
        np.testing.assert_allclose(seen[0][0], out.logp[[3, 0, 1]], atol=self.tolerance)
        assert [index.tolist() for _, index in seen] == [[3, 0, 1], [2, 4]]
        np.testing.assert_allclose(steps, [logp.mean() for logp, _ in seen], atol=self.tolerance)
        assert told == sorted(told)
        assert told[-1] == 1.0

    def test_no_step_and_no_rate_change_nothing(self, policy: Policy, prompts: list[str]) -> None:
        row, before = self._row(policy, prompts), policy.fingerprint()
        assert len(policy.train(plan_for(row[0], row[1], [1.0], rate=1.0, steps=0))) == 0
        policy.train(plan_for(row[0], row[1], [1.0], rate=0.0))
        assert policy.fingerprint() == before

    # ── copies, marks, files ───────────────────────────────────────────────────────────────────────────
    def test_a_copy_is_independent(self, policy: Policy, prompts: list[str]) -> None:
        row, mark = self._row(policy, prompts), policy.fingerprint()
        before, twin = policy.logp(*row), policy.copy()
        assert twin.name == policy.name
        assert twin.fingerprint() == mark
        twin.train(plan_for(row[0], row[1], [1.0], rate=self.rate))
        assert policy.fingerprint() == mark
        np.testing.assert_array_equal(policy.logp(*row), before)
        moved = twin.logp(*row)
        policy.train(plan_for(row[0], row[1], [-1.0], rate=self.rate))
        np.testing.assert_array_equal(twin.logp(*row), moved)

    def test_the_fingerprint_changes_with_the_parameters_only(self, policy: Policy, prompts: list[str]) -> None:
        row, mark = self._row(policy, prompts), policy.fingerprint()
        policy.logp(*row)
        policy.sample(prompts, 2, streams=streams(len(prompts), 2))
        assert policy.fingerprint() == mark
        one, two = policy.copy(), policy.copy()
        one.train(plan_for(row[0], row[1], [1.0], rate=self.rate))
        assert one.fingerprint() != mark
        two.train(plan_for(row[0], row[1], [1.0], rate=self.rate))
        assert one.fingerprint() == two.fingerprint()

    def test_save_then_load_is_identity(self, policy: Policy, prompts: list[str], tmp_path: Path) -> None:
        row = self._row(policy, prompts)
        fresh = policy.copy()
        policy.train(plan_for(row[0], row[1], [1.0], rate=self.rate, steps=2))
        policy.save(tmp_path)
        assert not [path.name for path in tmp_path.iterdir() if path.suffix in (".pkl", ".pt", ".bin", ".pickle")]
        mark = fresh.fingerprint()
        loaded = fresh.load(tmp_path)
        assert fresh.fingerprint() == mark
        assert loaded.fingerprint() == policy.fingerprint() != mark
        mine = streams(len(prompts), 4)
        was, now = (p.sample(prompts, 4, streams=mine) for p in (policy, loaded))
        assert texts(was) == texts(now)
        np.testing.assert_array_equal(was.logp, now.logp)
        plan = plan_for(row[0], row[1], [1.0], rate=self.rate)
        policy.train(plan)
        loaded.train(plan)
        assert loaded.fingerprint() == policy.fingerprint()

    @pytest.mark.parametrize("damage", ["missing", "empty", "cut", "garbage"])
    def test_damaged_files_are_refused(self, policy: Policy, tmp_path: Path, damage: str) -> None:
        policy.save(tmp_path)
        for path in tmp_path.rglob("*.safetensors"):
            whole = path.read_bytes()
            path.unlink()
            if damage != "missing":
                path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "garbage": b"\xff" * 200}[damage])
        with pytest.raises(RunError):
            policy.load(tmp_path)


class OfCountdown:
    """Fixtures of a policy that plays countdown."""

    @pytest.fixture
    def prompts(self) -> list[str]:
        return siwork.task("countdown").problems("heldout", 4)["prompt"].tolist()

    @pytest.fixture
    def hinted(self, prompts: list[str]) -> str:
        return siwork.task("countdown").hinted(prompts[0], "step")


class GradientContract(PolicyContract):
    """Further tests of a policy with `parameters()` (live arrays by name) and `gradient(prompts, responses, finished, c)`."""

    def test_gradient_equals_finite_differences(self, policy: Policy, prompts: list[str]) -> None:
        out = policy.sample(prompts, 3, streams=streams(len(prompts), 3))
        asked, rng = [p for p in prompts for _ in range(3)], np.random.default_rng(2)
        c = rng.normal(size=len(asked))
        slope = policy.gradient(asked, texts(out), out.finished, c)
        assert slope.keys() == policy.parameters().keys()
        for name, array in policy.parameters().items():
            direction, start, values = rng.normal(size=array.shape).astype(array.dtype), array.copy(), []
            for step in (self.nudge, -self.nudge):
                array[...] = start + step * direction
                values.append(c @ policy.logp(asked, texts(out), out.finished))
            array[...] = start
            expected = (values[0] - values[1]) / (2 * self.nudge)
            scale = np.abs(slope[name] * direction).sum()
            assert abs((slope[name] * direction).sum() - expected) <= self.slack * max(scale, 1.0), name

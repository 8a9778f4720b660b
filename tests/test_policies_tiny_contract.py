"""The transformer keeps the contract of all policies, with the weights that ship."""

import pytest

import siwork
from contracts.policy import PolicyContract
from siwork.policies.tiny import TinyPolicy


class TestTiny(PolicyContract):
    tolerance = 1e-4  # single precision over a response of a dozen tokens

    @pytest.fixture
    def policy(self) -> TinyPolicy:
        return siwork.policy("tiny", "countdown")

    @pytest.fixture
    def prompts(self) -> list[str]:
        return siwork.task("countdown").problems("heldout", 4)["prompt"].tolist()

    @pytest.fixture
    def hinted(self, prompts: list[str]) -> str:
        return siwork.task("countdown").hinted(prompts[0], "step")

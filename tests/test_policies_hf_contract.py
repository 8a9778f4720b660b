"""A model of transformers keeps the contract of all policies, trained whole and by an adapter."""

import pytest

import siwork
from contracts.policy import PolicyContract
from hf_made import write_player


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    return write_player(tmp_path_factory.mktemp("player"))


class TestWhole(PolicyContract):
    tolerance = 1e-4  # single precision over a response of a dozen tokens

    @pytest.fixture
    def policy(self, player):
        return siwork.policy("hf", player, max_new=16)

    @pytest.fixture
    def prompts(self) -> list[str]:
        return siwork.task("countdown").problems("heldout", 4)["prompt"].tolist()

    @pytest.fixture
    def hinted(self, prompts: list[str]) -> str:
        return siwork.task("countdown").hinted(prompts[0], "step")


class TestAdapter(TestWhole):
    @pytest.fixture
    def policy(self, player):
        return siwork.policy("hf", player, max_new=16, lora=4)

"""A model of transformers keeps the contract of all policies, trained whole and by an adapter."""

import pytest

import siwork
from contracts.policy import OfCountdown, PolicyContract
from hf_made import write_player


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    return write_player(tmp_path_factory.mktemp("player"))


class TestWhole(OfCountdown, PolicyContract):
    tolerance = 1e-4  # single precision over a response of a dozen tokens

    @pytest.fixture
    def policy(self, player):
        return siwork.policy("hf", player, max_new=16)


class TestAdapter(TestWhole):
    @pytest.fixture
    def policy(self, player):
        return siwork.policy("hf", player, max_new=16, lora=4)

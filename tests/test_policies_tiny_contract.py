"""The transformer keeps the contract of all policies, with the weights that ship."""

import pytest

import siwork
from contracts.policy import OfCountdown, PolicyContract
from siwork.policies.tiny import TinyPolicy


class TestTiny(OfCountdown, PolicyContract):
    tolerance = 1e-4  # single precision over a response of a dozen tokens

    @pytest.fixture
    def policy(self) -> TinyPolicy:
        return siwork.policy("tiny", "countdown")

"""Test classes that every implementation of a protocol inherits."""

import pytest

pytest.register_assert_rewrite("contracts.policy")

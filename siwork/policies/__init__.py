"""Policies: distributions over responses that can be sampled, scored and moved."""

from siwork.policies.base import Completions, Plan, Policy, Texts

__all__ = ["Completions", "Plan", "Policy", "Texts"]

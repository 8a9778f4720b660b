"""Updates: one coefficient per row on ∇ log π, and what else is fitted."""

from siwork.updates.coefficients import Neg, Nofit, Pg, Pref, Sft, Trained, texts_of
from siwork.updates.verifiers import Vfit

__all__ = ["Neg", "Nofit", "Pg", "Pref", "Sft", "Trained", "Vfit", "texts_of"]

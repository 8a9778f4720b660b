"""Updates: one coefficient per row on ∇ log π, and what else is fitted.

`coefficients` holds likelihood, policy gradient and preferences, `negative` what pushes away, `verifiers` the fit of verifiers;
`plans` makes plans.
"""

from siwork.updates.coefficients import Nofit, Pg, Pref, Sft, Trained
from siwork.updates.negative import Neg
from siwork.updates.plans import texts_of
from siwork.updates.verifiers import Vfit

__all__ = ["Neg", "Nofit", "Pg", "Pref", "Sft", "Trained", "Vfit", "texts_of"]

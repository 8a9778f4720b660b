"""Verdicts: metric table → what is wrong, since when, what shows it, and how often such a verdict errs."""

from siwork.diagnosis.bounds import Bounds
from siwork.diagnosis.diagnose import asked_of, diagnose, sharing
from siwork.diagnosis.operating import operating_curves
from siwork.diagnosis.rule import alarmed_at, judge
from siwork.diagnosis.signs import QUESTIONS
from siwork.diagnosis.verdict import NAMES, STATES, Diagnosis, Rates, Verdict

__all__ = [
    "NAMES",
    "QUESTIONS",
    "STATES",
    "Bounds",
    "Diagnosis",
    "Rates",
    "Verdict",
    "alarmed_at",
    "asked_of",
    "diagnose",
    "judge",
    "operating_curves",
    "sharing",
]

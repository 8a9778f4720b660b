"""siwork: small rounds of self-improvement of language models, and what they do to the model.

Names are loaded when they are first used: `import siwork` loads neither torch nor plotly.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Bounds": "diagnosis",
    "Diagnosis": "diagnosis",
    "Foreign": "schema",
    "ImportFormatError": "schema",
    "Imported": "importers",
    "KnobError": "schema",
    "Locked": "schema",
    "MissingExtra": "schema",
    "RECIPES": "recipes",
    "Recipe": "recipes",
    "RecipeError": "schema",
    "Run": "store",
    "RunError": "schema",
    "Runs": "store",
    "SchemaError": "schema",
    "SiworkError": "schema",
    "Sizes": "loop",
    "Unfinished": "schema",
    "Verdict": "diagnosis",
    "check": "schema",
    "compare": "reporting",
    "diagnose": "diagnosis",
    "fig_ablation": "figures",
    "fig_calibration": "figures",
    "fig_claims": "figures",
    "fig_collapse": "figures",
    "fig_curves": "figures",
    "fig_diversity": "figures",
    "fig_surface": "figures",
    "fig_tail": "figures",
    "fork": "loop",
    "from_inspect": "importers",
    "from_lm_eval": "importers",
    "from_rows": "importers",
    "from_table": "importers",
    "from_trl": "importers",
    "from_verl": "importers",
    "in_words": "reporting",
    "launch": "launcher",
    "measure": "metrics",
    "over_seeds": "metrics",
    "policy": "policies",
    "replay": "replays",
    "report": "reporting",
    "resume": "loop",
    "run": "loop",
    "task": "tasks",
}

__all__ = [
    "RECIPES",
    "Bounds",
    "Diagnosis",
    "Foreign",
    "ImportFormatError",
    "Imported",
    "KnobError",
    "Locked",
    "MissingExtra",
    "Recipe",
    "RecipeError",
    "Run",
    "RunError",
    "Runs",
    "SchemaError",
    "SiworkError",
    "Sizes",
    "Unfinished",
    "Verdict",
    "check",
    "compare",
    "diagnose",
    "fig_ablation",
    "fig_calibration",
    "fig_claims",
    "fig_collapse",
    "fig_curves",
    "fig_diversity",
    "fig_surface",
    "fig_tail",
    "fork",
    "from_inspect",
    "from_lm_eval",
    "from_rows",
    "from_table",
    "from_trl",
    "from_verl",
    "in_words",
    "launch",
    "measure",
    "over_seeds",
    "policy",
    "replay",
    "report",
    "resume",
    "run",
    "task",
]

if TYPE_CHECKING:
    from siwork.diagnosis import Bounds, Diagnosis, Verdict, diagnose
    from siwork.figures import (
        fig_ablation,
        fig_calibration,
        fig_claims,
        fig_collapse,
        fig_curves,
        fig_diversity,
        fig_surface,
        fig_tail,
    )
    from siwork.importers import Imported, from_inspect, from_lm_eval, from_rows, from_table, from_trl, from_verl
    from siwork.launcher import launch
    from siwork.loop import Sizes, fork, resume, run
    from siwork.metrics import measure, over_seeds
    from siwork.policies import policy
    from siwork.recipes import RECIPES, Recipe
    from siwork.replays import replay
    from siwork.reporting import compare, in_words, report
    from siwork.schema import (
        Foreign,
        ImportFormatError,
        KnobError,
        Locked,
        MissingExtra,
        RecipeError,
        RunError,
        SchemaError,
        SiworkError,
        Unfinished,
        check,
    )
    from siwork.store import Run, Runs
    from siwork.tasks import task

_ROOMS = ("clinic", "diagnosis", "figures", "importers", "metrics", "policies", "recipes", "schema", "store", "tasks")


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"siwork.{_HOME[name]}"), name)
    if name in _ROOMS:
        return import_module(f"siwork.{name}")
    raise AttributeError(f"module 'siwork' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

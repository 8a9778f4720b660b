"""Logs of other frameworks as rows, with a report on what they can and cannot say."""

from siwork.importers.capability import Capability, Report
from siwork.importers.evaluations import from_inspect, from_lighteval, from_lm_eval, from_openai_batch, from_table
from siwork.importers.examples import example
from siwork.importers.formats import FORMATS
from siwork.importers.imported import Imported
from siwork.importers.readers import from_rows, from_trl, from_verl
from siwork.importers.trainers import (
    from_areal,
    from_nemo_rl,
    from_open_instruct,
    from_skyrl,
    from_swift,
    from_verifiers,
)
from siwork.importers.watching import Watched, watch

__all__ = [
    "FORMATS",
    "Capability",
    "Imported",
    "Report",
    "Watched",
    "example",
    "from_areal",
    "from_inspect",
    "from_lighteval",
    "from_lm_eval",
    "from_nemo_rl",
    "from_open_instruct",
    "from_openai_batch",
    "from_rows",
    "from_skyrl",
    "from_swift",
    "from_table",
    "from_trl",
    "from_verifiers",
    "from_verl",
    "watch",
]

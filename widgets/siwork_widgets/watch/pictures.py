"""Comparison → the pictures of each tab, with the words of the report; made in the worker thread, no widget is touched."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from siwork.figures.table import tidy
from siwork.metrics.catalogue import CHANGE, FAMILIES
from siwork.reporting.compare import Comparison
from siwork.reporting.sketches import QUESTIONS, Further
from siwork_widgets.kit.figure import Picture, picture
from siwork_widgets.watch.fitting import fitted

QUESTION = {  # by tab: the question it asks
    "Overview": "performance",
    "Diversity": "diversity",
    "Tail": "tail",
    "Verifier": "verifier",
    "Collapse": "collapse",
}
_FAMILY = {"Overview": "performance", "Diversity": "diversity", "Tail": "tail", "Verifier": "calibration"}


def drawn(tab: str, comparison: Comparison, further: Further) -> Iterator[Picture]:
    """The pictures of a tab, one after the other.

    Parameters
    ----------
    tab : a name of `QUESTION`
    comparison : what is drawn
    further : gives the tables beside the metrics by name, None where one cannot be had

    Raises
    ------
    SchemaError when the comparison holds no round.
    """
    table = tidy(comparison.table)
    found = QUESTIONS[QUESTION[tab]].draw(table, further)
    return (fitted(picture(each.sheet.spec(), each.sentence, each.caption)) for each in found)


def metrics_of(tab: str, table: pd.DataFrame) -> list[str]:
    """The metrics of a table that belong to a tab, in the order of the table; changes stay out."""
    own = FAMILIES[_FAMILY.get(tab, "collapse")]
    names = [str(name) for name in dict.fromkeys(table["metric"]) if not str(name).endswith(CHANGE)]
    if tab == "Overview":
        return [name for name in names if name in own or name.startswith("pass@")]
    return [name for name in names if name in own]

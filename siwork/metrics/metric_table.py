"""`MetricTable`: the DataFrame that `measure` and its kin return, with a look of its own in notebooks."""

from __future__ import annotations

from typing import Any

import pandas as pd

from siwork.schema import METRICS

_COLUMNS = frozenset(column.name for column in METRICS)


class MetricTable(pd.DataFrame):
    """A metric table: a DataFrame in everything, shown in a notebook as values with their intervals.

    Where columns of the schema METRICS are missing, as in a selection of some, pandas shows it as usual.

    >>> row = {"run": "a", "round": 0, "split": "heldout", "metric": "pass@1", "value": 0.5, "low": 0.4, "high": 0.6}
    >>> table = MetricTable([row | {"n": 9, "unit": "", "method": "mean"}])
    >>> "0.500 [0.400, 0.600]" in table._repr_html_(), type(table[table["n"] > 1]).__name__
    (True, 'MetricTable')
    """

    @property
    def _constructor(self) -> type[MetricTable]:
        return MetricTable

    def _repr_html_(self) -> Any:
        from siwork.metrics.shown import table_sheet

        odd = isinstance(self.columns, pd.MultiIndex) or not self.columns.is_unique
        if odd or not set(self.columns) >= _COLUMNS or not pd.get_option("display.notebook_repr_html"):
            plain: Any = pd.DataFrame(self)
            return plain._repr_html_()
        return table_sheet(self)

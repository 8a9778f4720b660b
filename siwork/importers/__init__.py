"""Logs of other frameworks as rows, with a report on what they can and cannot say."""

from siwork.importers.capability import Capability, Report
from siwork.importers.imported import Imported
from siwork.importers.readers import FORMATS, from_trl, from_verl
from siwork.importers.watching import Watched, watch

__all__ = ["FORMATS", "Capability", "Imported", "Report", "Watched", "from_trl", "from_verl", "watch"]

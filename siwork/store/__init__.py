"""The run folder: atomic write, resume, fork, heartbeat; `Run` and `Runs` read it. POSIX only (flock)."""

from siwork.store.atomic import atomic_write
from siwork.store.create import fork, log_file
from siwork.store.lock import Lock
from siwork.store.run import Run, Status
from siwork.store.runs import Runs, siblings
from siwork.store.writer import Writer

__all__ = ["Lock", "Run", "Runs", "Status", "Writer", "atomic_write", "fork", "log_file", "siblings"]

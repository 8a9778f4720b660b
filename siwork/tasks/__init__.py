"""Problem generators with a difficulty, an exact check and a canonical answer."""

from siwork.tasks.base import Item, Task

__all__ = ["Item", "Task"]

"""A vLLM of one's own on this machine: found, started, watched over, and ended with all its processes."""

from siwork.serving.command import ServingError
from siwork.serving.server import Serving

__all__ = ["Serving", "ServingError"]

"""Real servers of language models on this machine."""

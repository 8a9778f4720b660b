"""Models behind an OpenAI-compatible server: vLLM first, others as far as they tell what is needed."""

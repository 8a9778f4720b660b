"""The tabs that answer a question: pictures, numbers, verdicts."""

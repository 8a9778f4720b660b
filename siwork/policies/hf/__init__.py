"""Any causal language model of transformers as a `Policy`, by local path or hub id."""

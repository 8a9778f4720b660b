"""Two sides paired by problem and seed, and the ablation of one slot."""

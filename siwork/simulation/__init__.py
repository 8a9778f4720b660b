"""What-if worlds small enough to be recomputed while a slider moves."""

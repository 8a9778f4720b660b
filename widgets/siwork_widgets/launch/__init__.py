"""Launching, stopping, resuming and forking runs: the mixer of six slots, sizes, bars."""

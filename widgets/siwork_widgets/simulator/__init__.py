"""Worlds that are played anew while a slider moves."""

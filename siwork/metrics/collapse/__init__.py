"""Collapse: likelihood, support, repetition, length, and the laws of loops without information."""

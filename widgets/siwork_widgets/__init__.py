"""Panels for notebooks: launch small rounds and see what they do to the model."""

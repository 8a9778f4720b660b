"""Methods of the catalogue that any policy can play: those whose judge asks no language model."""

from siwork.recipes import RECIPES, Recipe

ASKING = [name for name in RECIPES if any(part.name == "judge" for part in Recipe.read(name).verifier)]
PLAYED = [name for name in RECIPES if name not in ASKING]

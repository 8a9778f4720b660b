"""A recipe is data: six slots of components, read from and printed as a formula. And the catalogue.

`recipe` reads and prints, `playing` plays one round, `catalogue` holds the methods by name.
"""

from siwork.recipes.catalogue import LACKING, RECIPES, SHOWS, Entry
from siwork.recipes.playing import lots_of
from siwork.recipes.recipe import COMPONENTS, Recipe, recipe_of, selectors_of

__all__ = ["COMPONENTS", "LACKING", "RECIPES", "SHOWS", "Entry", "Recipe", "lots_of", "recipe_of", "selectors_of"]

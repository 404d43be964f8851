"""What people tune: one file per choice of the recipe."""

from keraslike.recipes.defaults import FINE_TUNING, PLAIN, Recipe, default_recipe
from keraslike.recipes.optimizer import make_optimizer, rate_put_back, set_rate_and_decay
from keraslike.recipes.options import EvaluateOptions, FitOptions
from keraslike.recipes.planning import plan_run
from keraslike.recipes.schedule import make_schedule

__all__ = [
    "FINE_TUNING",
    "PLAIN",
    "EvaluateOptions",
    "FitOptions",
    "Recipe",
    "default_recipe",
    "make_optimizer",
    "make_schedule",
    "plan_run",
    "rate_put_back",
    "set_rate_and_decay",
]

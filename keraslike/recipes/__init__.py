"""What people tune: one file per choice of the recipe."""

from keraslike.recipes.defaults import FINE_TUNING, PLAIN, Recipe, default_recipe
from keraslike.recipes.micro_batches import MicroBatchSize, body_parameters, cutting_notes, device_type, plan_cutting
from keraslike.recipes.optimizer import make_optimizer, rate_put_back, set_rate_and_decay
from keraslike.recipes.options import EvaluateOptions, FitOptions
from keraslike.recipes.planning import plan_run
from keraslike.recipes.schedule import make_schedule

__all__ = [
    "FINE_TUNING",
    "PLAIN",
    "EvaluateOptions",
    "FitOptions",
    "MicroBatchSize",
    "Recipe",
    "body_parameters",
    "cutting_notes",
    "default_recipe",
    "device_type",
    "make_optimizer",
    "make_schedule",
    "plan_cutting",
    "plan_run",
    "rate_put_back",
    "set_rate_and_decay",
]

"""What people tune: one file per choice of the recipe."""

from keraslike.recipes.adapting import apply_lora
from keraslike.recipes.defaults import FINE_TUNING, PLAIN, Recipe, default_recipe
from keraslike.recipes.draws import Draws, ToolOrder, drawn_seed, follow
from keraslike.recipes.finding_batch_sizes import BatchSize
from keraslike.recipes.held_matrices import require_matrices
from keraslike.recipes.keras_adam import KerasAdam
from keraslike.recipes.layers import body_of, depths_of, is_frozen
from keraslike.recipes.lora import as_lora, lora_recipe
from keraslike.recipes.merging import merged
from keraslike.recipes.micro_batches import MicroBatchSize, body_parameters, cutting_notes, device_type, plan_cutting
from keraslike.recipes.optimizer import make_optimizer, rate_put_back, set_rate_and_decay
from keraslike.recipes.options import PREDICT_OPTIONS, EvaluateOptions, FitOptions
from keraslike.recipes.other_tools import TOOLS, chosen_recipe, optimizer_of
from keraslike.recipes.plan import Plan
from keraslike.recipes.planning import plan_run
from keraslike.recipes.rate_curve import RateCurve
from keraslike.recipes.schedule import make_schedule

__all__ = [
    "FINE_TUNING",
    "PLAIN",
    "PREDICT_OPTIONS",
    "TOOLS",
    "BatchSize",
    "Draws",
    "EvaluateOptions",
    "FitOptions",
    "KerasAdam",
    "MicroBatchSize",
    "Plan",
    "RateCurve",
    "Recipe",
    "ToolOrder",
    "apply_lora",
    "as_lora",
    "body_of",
    "body_parameters",
    "chosen_recipe",
    "cutting_notes",
    "default_recipe",
    "depths_of",
    "device_type",
    "drawn_seed",
    "follow",
    "is_frozen",
    "lora_recipe",
    "make_optimizer",
    "make_schedule",
    "merged",
    "optimizer_of",
    "plan_cutting",
    "plan_run",
    "rate_put_back",
    "require_matrices",
    "set_rate_and_decay",
]

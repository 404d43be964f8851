"""What keraslike uses of Poutyne's inside: every underscore name by its signature, and nothing that is not listed."""

import ast
import inspect
from importlib import import_module
from pathlib import Path

import poutyne
import pytest
from poutyne.framework import iterators
from poutyne.framework.callbacks import lr_scheduler

from keraslike import engine
from keraslike.engine.bridge import schedules_the_rate

BATCH = "return_pred=False, convert_to_numpy=True)"
PINS = {
    poutyne.Model: {
        "_compute_loss_and_metrics": "(self, x, y, *, return_loss_tensor=False, " + BATCH,
        "_compute_metric_array": "(self, metrics_list, names_list)",
        "_fit_batch": "(self, x, y, *, callback=None, step=None, " + BATCH,
        "_get_batch_metrics": "(self)",
        "_get_epoch_metrics": "(self)",
        "_get_loss": "(self)",
        "_run_validation": "(self, valid_step_iterator, callback_list)",
        "_set_training_mode": "(self, training)",
        "_transfer_optimizer_state_to_right_device": "(self)",
        "_validate": "(self, step_iterator, return_pred=False, return_ground_truth=False, convert_to_numpy=True)",
    },
    import_module("poutyne.utils"): {"_concat": "(obj)"},
    lr_scheduler: {"_PyTorchLRSchedulerWrapper": "(torch_lr_scheduler, *args, **kwargs)"},
}
PUBLIC = {
    poutyne.Model: {
        "__init__": "(self, network, optimizer, loss_function, *, batch_metrics=None, epoch_metrics=None, device=None)",
        "preprocess_input": "(self, x, y=None)",
    },
    iterators.StepIterator: {
        "__init__": "(self, generator, steps_per_epoch, batch_metrics_names, epoch_metrics_names, "
        "callback=None, mode=None)"
    },
    poutyne.CallbackList: {"__init__": "(self, callbacks)", "set_model": "(self, model)"},
    poutyne: {"get_batch_size": "(*values)", "set_seeds": "(seed)", "torch_to_numpy": "(obj, copy=False)"},
}
TABLE = [
    (place, name, text) for pins in (PINS, PUBLIC) for place, names in pins.items() for name, text in names.items()
]
PINNED = {name for names in PINS.values() for name in names}


def signature_of(thing):
    """A signature without its annotations."""
    signature = inspect.signature(thing)
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=bare, return_annotation=signature.empty))


@pytest.mark.parametrize(("place", "name", "text"), TABLE, ids=[f"{place.__name__}.{name}" for place, name, _ in TABLE])
def test_signature(place, name, text):
    """Poutyne's function takes what it took when keraslike was written."""
    assert signature_of(getattr(place, name)) == text


def names_used(source):
    """Every underscore name that a file of the engine reads, defines in a class, or imports from Poutyne."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ClassDef):
            yield from (part.name for part in node.body if isinstance(part, ast.FunctionDef))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("poutyne"):
            yield from (alias.name for alias in node.names)


def test_nothing_else_is_used():
    """The engine reads, overrides and imports no underscore name of Poutyne's that is not pinned above."""
    sources = [path.read_text() for path in Path(engine.__file__).parent.glob("*.py")]
    used = {name for source in sources for name in names_used(source) if name[0] == "_" and not name.endswith("__")}
    of_poutyne = {name for name in used if any(hasattr(place, name) for place in PINS)}

    assert of_poutyne == PINNED


def test_overrides_take_what_poutyne_gives():
    """A method that keraslike overrides takes Poutyne's arguments, by its names."""
    from keraslike.engine.bookkeeping import Bookkeeping
    from keraslike.engine.bridge import Engine

    for name in PINS[poutyne.Model].keys() & {*vars(Engine), *vars(Bookkeeping)}:
        assert signature_of(getattr(Engine, name)) == PINS[poutyne.Model][name]


def test_sums_are_read_and_started_anew():
    """Reading Poutyne's epoch loss starts its sums anew."""
    import torch

    model = poutyne.Model(torch.nn.Linear(1, 1), "sgd", "mse")
    model.evaluate_on_batch(torch.ones(2, 1), torch.ones(2, 1))
    assert model._get_loss() > 0

    model.evaluate_on_batch(torch.zeros(2, 1), model.network(torch.zeros(2, 1)).detach())
    assert model._get_loss() == 0


@pytest.mark.parametrize(
    "callback",
    [
        poutyne.StepLR(step_size=1),
        poutyne.LambdaLR(lr_lambda=lambda epoch: 1.0),
        poutyne.ReduceLROnPlateau(monitor="loss"),
        poutyne.OptimizerPolicy(poutyne.one_cycle_phases(10)),
    ],
    ids=lambda callback: type(callback).__name__,
)
def test_callbacks_that_schedule(callback):
    """Every kind of Poutyne's callback that moves the learning rate is known as such."""
    assert schedules_the_rate(callback)


@pytest.mark.parametrize("callback", [poutyne.EarlyStopping(), poutyne.ClipNorm([], 1.0), object()])
def test_callbacks_that_do_not_schedule(callback):
    """Other callbacks are not."""
    assert not schedules_the_rate(callback)

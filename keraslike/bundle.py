"""`ModelBundle` and its old name `Experiment`: Poutyne's, around our `Model`."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import poutyne

from keraslike.model import Model


class ModelBundle(poutyne.ModelBundle):
    """Poutyne's `ModelBundle`, whose `from_network` builds a `keraslike.Model` instead of a `poutyne.Model`.

    Its directory, logs, checkpoints and resuming are Poutyne's own code, which pickles and unpickles its own files.

    Example:
        >>> import tempfile, torch
        >>> bundle = ModelBundle.from_network(
        ...     tempfile.mkdtemp(), torch.nn.Linear(2, 1), optimizer="sgd", task="reg", logging=False, monitoring=False
        ... )
        >>> type(bundle.model).__module__
        'keraslike.model'
    """

    @classmethod
    def from_network(
        cls, directory: str, network: Any, *, device: Any = None, optimizer: Any = "sgd", **arguments: Any
    ) -> Any:
        """Make a bundle around a network.

        Args:
            directory: where logs and checkpoints go.
            network: an `nn.Module`.
            device: as in `Model`; None leaves the network where it is, as in Poutyne.
            optimizer: as in `Model`; "sgd" as in Poutyne.
            arguments: Poutyne's further arguments: loss_function, batch_metrics, epoch_metrics, logging, monitoring,
                monitor_metric, monitor_mode, task ("classif" or "reg", which name loss and metrics).

        Returns:
            A `ModelBundle`.
        """
        no_optimizer: Any = None  # theirs is replaced, and its annotation does not allow what its code does
        bundle = super().from_network(directory, network, device=None, optimizer=no_optimizer, **arguments)
        theirs = bundle.model
        bundle.model = Model(
            network,
            optimizer,
            _loss_of(network, arguments, theirs.loss_function),
            batch_metrics=list(zip(theirs.unflatten_batch_metrics_names, theirs.batch_metrics, strict=True)),
            epoch_metrics=list(zip(theirs.unflatten_epoch_metrics_names, theirs.epoch_metrics, strict=True)),
            device=device,
        )
        bundle.__class__ = cls  # Poutyne makes one of its own class, whatever class is asked
        return bundle

    def test(self, test_generator: Any, **arguments: Any) -> Any:
        """Measure a generator as Poutyne does."""
        with _calm():
            return super().test(test_generator, **arguments)  # type: ignore[no-untyped-call]  # Poutyne is untyped

    def test_dataset(self, test_dataset: Any, **arguments: Any) -> Any:
        """Measure a torch Dataset as Poutyne does."""
        with _calm():
            return super().test_dataset(test_dataset, **arguments)

    def test_data(self, x: Any, y: Any, **arguments: Any) -> Any:
        """Measure arrays as Poutyne does."""
        with _calm():
            return super().test_data(x, y, **arguments)


@contextmanager
def _calm() -> Iterator[None]:
    """Keep off the screen how Poutyne drops a column, which pandas 3.1 warns of."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The inplace keyword in DataFrame.drop")
        yield


def _loss_of(network: Any, arguments: dict[str, Any], theirs: Any) -> Any:
    """Give the loss as the user, the network or the task named it, before Poutyne made an average over rows of it."""
    if arguments.get("loss_function") is not None:
        return arguments["loss_function"]
    if hasattr(network, "loss_function"):
        return network.loss_function
    task = arguments.get("task") or ""
    return "cross_entropy" if task.startswith("classif") else "mse" if task.startswith("reg") else theirs


Experiment = ModelBundle.from_network

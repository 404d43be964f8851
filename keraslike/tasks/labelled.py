"""What all tasks share whose network gives one of the user's labels, or numbers."""

from collections.abc import Sequence
from typing import Any, Self

from torch import nn

from keraslike.data.labels import Labels
from keraslike.data.loader import IGNORED_LABEL
from keraslike.errors import ArgumentError, LabelError
from keraslike.tasks import pretrained
from keraslike.tasks.mistakes import check_kind
from keraslike.tasks.option_checks import as_labels, as_whole
from keraslike.tasks.transformer import TransformerTask

SINGLE, MULTI, REGRESSION = "single_label_classification", "multi_label_classification", "regression"


class LabelledTask(TransformerTask):
    """A task on a pretrained transformer whose head is as wide as there are labels, or numbers.

    Args:
        problem_type: what the targets are, in transformers' words; None: the data tell it.
        labels: the labels, where they are known.
        targets: how many numbers the network gives, for regression.

    Raises:
        ArgumentError: labels or targets are none, or both are given.

    Attributes:
        labels: the user's labels in the order of the outputs; None where there are none, or not yet.
        targets: how many numbers the network gives, for regression.
    """

    def __init__(self, problem_type: str | None, labels: Sequence[Any] | None, targets: int | None = None) -> None:
        super().__init__()
        self._problem_type = problem_type or (REGRESSION if targets is not None else None)
        self.labels = None if labels is None else as_labels(labels)
        self.targets = None if targets is None else as_whole("targets", targets, 1)
        if targets is not None and (labels is not None or self._problem_type != REGRESSION):
            raise ArgumentError(
                f"targets={targets} is given beside {'labels' if labels is not None else f'{problem_type=!s}'}.",
                "targets=, how many numbers the network gives, or labels.",
                "leave targets out.",
            )

    @property
    def problem_type(self) -> str | None:
        """What the targets are, in transformers' words; None until it was told, or the data have told it."""
        return self._problem_type

    @property
    def outputs(self) -> int:
        """How many numbers the network gives."""
        return (self.targets or 1) if self._problem_type == REGRESSION else len(self.labels or ())

    @property
    def is_ready(self) -> bool:
        """Whether the labels, or the number of targets, are known."""
        return self.labels is not None or self.targets is not None

    @property
    def known_labels(self) -> Labels:
        """The labels; an error where there are none yet."""
        if self.labels is None:
            raise LabelError(
                "the labels are not known yet.", "a model that was fitted.", "give Model(..., labels=[...])."
            )
        return self.labels

    def adopt_labels(self, source: Any) -> None:
        """Take over labels and problem type where the checkpoint was trained for this kind of task."""
        if self.is_ready:
            return
        config: Any = getattr(source, "config", None)
        if isinstance(source, nn.Module):
            has_head = config is not None and type(source).__name__.endswith(self.head)
        else:
            config = pretrained.load_config(source)
            check_kind(self, source, config)
            has_head = pretrained.has_own_head(config, self.head)
        if not has_head:
            return
        self.has_adopted_labels = True
        is_one_number = config.num_labels == 1
        self._problem_type = self._problem_type or config.problem_type or (REGRESSION if is_one_number else SINGLE)
        if self._problem_type == REGRESSION:
            self.targets = config.num_labels
        else:
            self.labels = Labels([config.id2label[index] for index in range(config.num_labels)])

    def forget(self) -> None:
        """Give up the labels that were taken over from a checkpoint, so that they are learned from the data."""
        self.labels = self.targets = None
        self.has_adopted_labels = False

    def learn_labels(self, targets: Sequence[Any]) -> None:
        """Take the labels from one flat list of targets, or hold these against the labels that are known.

        Raises:
            LabelError: there is one label only, one that the model does not know, or -100, which is none.
        """
        found = Labels.from_targets(targets)
        if self.labels is None:
            _refuse_ignored(found, targets)
            self.require_two(found, "the data have")
            self.labels = found
            return
        known = {(type(label), label) for label in self.labels.names}
        unknown = [label for label in found.names if (type(label), label) not in known]
        if unknown:
            raise LabelError(
                f"the data have labels that the model does not know: {unknown[:5]}.",
                f"only {list(self.labels.names)[:10]}.",
                "make a new Model for new labels, or name them all at the start: Model(..., labels=[...]).",
            )

    def require_two(self, labels: Labels, owner: str) -> None:
        """Refuse a single label, where there is nothing to tell apart."""
        if self._problem_type in (None, SINGLE) and len(labels) == 1:
            raise LabelError(
                f"{owner} one label only: {labels.names[0]!r}.",
                "two labels or more.",
                "check the labels, or name all of them at the start: Model(..., labels=[...]).",
            )

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> nn.Module:
        """Load the network and the tokenizer.

        Raises:
            LabelError: there is one label only, so that there is nothing to tell apart.
            LoadError: the model cannot be found or read.
        """
        if self.labels is not None:
            self.require_two(self.labels, "the model has")
        return super().build(source, tokenizer=tokenizer, max_length=max_length)

    def size(self, config: Any) -> dict[str, Any]:
        """Give the number of labels, where the configuration has another."""
        return {"num_labels": self.outputs} if config.num_labels != self.outputs else {}

    def fits_head(self, config: Any) -> bool:
        """Tell whether a head of this configuration answers with these labels; its order of them becomes ours.

        Its generic names LABEL_0, LABEL_1, ... take the user's labels in sorted order.
        """
        if config.num_labels != self.outputs:
            return False
        if self.labels is None:
            return True
        names = [config.id2label[index] for index in range(config.num_labels)]
        if all(name == f"LABEL_{index}" for index, name in enumerate(names)):
            return True
        by_name = {str(label): label for label in self.labels.names}
        if set(by_name) != set(names):
            return False
        self.labels = Labels([by_name[name] for name in names])
        return True

    def answers_like(self, references: Sequence[Any]) -> Sequence[Any]:
        """Give the references: answers are in the user's own labels."""
        return references

    def check_network(self, network: Any) -> None:
        """Hold a module's head and the number of its outputs against the labels."""
        super().check_network(network)
        if network.config.num_labels != self.outputs:
            raise LabelError(
                f"the network has {network.config.num_labels} outputs, but there are {self.outputs} labels or targets.",
                "as many outputs as labels.",
                f"load it with from_pretrained(..., num_labels={self.outputs}).",
            )

    def describe(self, network: Any) -> None:
        """Write labels and problem type into the configuration, where transformers' readers look for them."""
        config = getattr(network, "config", None)
        if config is None:
            return
        config.problem_type = self._problem_type
        if self.labels is not None:
            config.id2label = self.labels.id2label()
            config.label2id = {name: index for index, name in config.id2label.items()}

    @property
    def shown_labels(self) -> str:
        """How many labels there are, and the first of them, for the screen."""
        names = [f"{label!s:.20}" for label in self.known_labels.names[:4]]
        shown = ", ".join(names if self.outputs <= len(names) else [*names[:3], "..."])
        return f"{self.outputs:,} labels ({shown})"

    def state(self) -> dict[str, Any]:
        """Give the arguments of the constructor, the labels as plain JSON, and the length that texts are cut at."""
        return {**super().state(), "labels": None if self.labels is None else self.labels.to_json()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make the task again from what `state` gave."""
        task = super().from_state({**state, "labels": None})
        task.labels = None if state["labels"] is None else Labels.from_json(state["labels"])
        return task


def _refuse_ignored(found: Labels, targets: Sequence[Any]) -> None:
    """Refuse the number by which torch and transformers mark what has no label: it would be learned like any other."""
    if IGNORED_LABEL not in found.names:
        return
    count = sum(target == IGNORED_LABEL for target in targets)
    raise LabelError(
        f"{count:,} of {len(targets):,} labels are {IGNORED_LABEL}, which stands for no label.",
        "a label for each row.",
        f"leave such rows out, or name it if it is a label: Model(..., labels={list(found.names)[:10]}).",
    )

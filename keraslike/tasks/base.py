"""The contract of a task: everything that turns a user's rows into batches, and outputs into answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor, nn

from keraslike.data.dataset import as_dataset
from keraslike.data.encoding import Features
from keraslike.data.rows import Rows
from keraslike.data.targets import REGRESSION, SINGLE_LABEL, kind_of_targets
from keraslike.errors import ArgumentError, DataError
from keraslike.losses import as_loss
from keraslike.losses.base import Loss
from keraslike.metrics.reading import probabilities
from keraslike.recipes.defaults import FINE_TUNING, Recipe
from keraslike.tasks.mistakes import check_encoded, check_options, missing_logits

Feature = Mapping[str, Any]
Row = Mapping[str, Any]


class Task:
    """What a network is for. A new task is a subclass in a file of its own.

    The data's way through it: `read` (the user's container to rows), `learn` (labels and targets), `build` (network and
    tokenizer), `encode` (row to features), `pack` (many rows to one feature), `vary` (anew in each epoch), `collate`
    (features to padded tensors), the network, `loss`; and back: `predict_batch`, `decode` (outputs to one result per
    row).

    A *row* is what the user gave, a dict with `text`, `text_pair`, `target` or the user's own columns. A *feature* is
    what a row became for the network: a dict of unpadded sequences of integers, with its row number under `row`. Its
    length is that of `input_ids`, or what it says itself under `length`. One that must not be padded says its `width`,
    and goes through the network only with others of that width, however a batch is cut.

    Attributes:
        name: the word that stands for the task in `Model(..., task=name)`.
        has_targets: whether rows to learn from, or to measure, need a `target`.
        recipe: how the task is trained where the user says nothing.
        ignores_padding: whether the loss looks at no output that stands at padding, where there is one per token.
        has_classes: whether targets are classes, or may be, so that `class_weight` has a meaning.
        compares: the kinds of targets, as `metrics.kinds` names them, that its metrics of features may compare; None:
            those of the loss's `problem_type`.
        measuring_seed: what `vary` is fed in validation and evaluate, so that these do not change from run to run.
        notes: calm lines for the screen, each said once.
    """

    name: ClassVar[str]
    has_targets: ClassVar[bool] = True
    recipe: ClassVar[Recipe] = FINE_TUNING
    ignores_padding: ClassVar[bool] = False
    has_classes: ClassVar[bool] = True
    compares: ClassVar[frozenset[str] | None] = None
    measuring_seed: int = 0

    def __new__(cls, *_: Any, **options: Any) -> Self:
        """Make the task, or say which option is misspelt."""
        check_options(cls, options)
        return super().__new__(cls)

    def __init__(self) -> None:
        self.notes: list[str] = []

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read the user's container into rows; by default into `text`, `text_pair` and `target`.

        Args:
            x: as in `fit`.
            y: as in `fit`.
            options: as in `data.dataset.as_dataset`: text, target, prepare, labelled, pairs and keep_strings. A task
                that reads other columns takes what it needs of them, see `data.fields.read_fields`.

        Raises:
            DataError: the data cannot be read, or x and y do not fit together.
        """
        return as_dataset(x, y, **options)

    def open(self, x: Any) -> Any:
        """Give a container of splits under the names train, validation and test; by default everything as it is."""
        return x

    def sets(self, x: Any) -> Mapping[str, Any]:
        """Give the parts of x that `evaluate` measures one by one, by name; none where x is one set."""
        return {}

    def check_training(self, rows: Rows) -> None:
        """Refuse all the rows that `fit` is to learn from, where they teach nothing; by default none are."""

    def own_labels(self, targets: Sequence[Any]) -> Sequence[Any]:
        """Give the targets in a loader's tensors as `read` would; by default as they are."""
        return targets

    @property
    def reads_texts(self) -> bool:
        """Whether rows are a text, or a pair of them, and a target, as `read` gives them by default."""
        return type(self).read is Task.read

    def is_one(self, x: Any, *, has_pairs: bool) -> bool:
        """Tell a single row, given to `predict`, from a container of rows.

        Args:
            x: what was given to `predict`.
            has_pairs: whether the training rows were pairs of texts.
        """
        is_pair = isinstance(x, tuple) and len(x) == 2 and all(isinstance(part, str) for part in x)
        return isinstance(x, str) or (is_pair and has_pairs)

    def strata(self, rows: Rows) -> Sequence[Any] | None:
        """Give the class of each row, by which `validation_split` is stratified; None where there are none."""
        if "target" not in rows.columns:
            return None
        targets = rows.column("target")
        return targets if kind_of_targets(targets).problem_type == SINGLE_LABEL else None

    def learn(self, rows: Rows, labels: Sequence[Any] | None = None) -> None:
        """Find out from the training rows what the network has to look like (labels, number of targets)."""

    @property
    def is_ready(self) -> bool:
        """Whether enough is known to build the network."""
        return True

    def build(self, source: Any, *, tokenizer: Any = None, max_length: int | None = None) -> nn.Module:
        """Make the network: from a name or directory, or take the module given; keep the tokenizer.

        Args:
            source: a model's name, a local directory, or an `nn.Module`.
            tokenizer: as in `Model`.
            max_length: tokens that a feature may have; None: the model's limit.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say how its network is built: write build().")

    def encode(self, row: Row) -> list[Feature]:
        """Make one or more features (windows) of a row; `row` numbers are added by `encode_rows`."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a row is encoded: write encode().")

    def encode_rows(self, rows: Rows) -> Features:
        """Encode all rows, and number the features by row; override it where encoding many at once is faster.

        Raises:
            DataError: a row gives no feature, so that there would be no answer for it.
        """
        return Features(self._numbered(rows))

    def _numbered(self, rows: Rows) -> Iterator[Feature]:
        for number in range(len(rows)):
            encoded = self.encode(rows[number])
            check_encoded(self, encoded)
            features = list(encoded)
            if not features:
                theirs = number if rows.numbers is None else rows.numbers[number]
                raise DataError(
                    f"row {theirs} (counted from 0) is empty: {self.name!r} makes no feature of it.",
                    "one feature or more for each row.",
                    "leave that row out.",
                )
            yield from ({**feature, "row": number} for feature in features)

    def check_features(self, features: Sequence[Feature]) -> None:
        """Refuse features from which nothing can be learned, or measured; by default none are.

        Raises:
            DataError: they are such.
        """

    def pack(self, features: Features) -> Features:
        """Put the features of many rows into one; by default every feature stays as it is."""
        return features

    def vary(self, feature: Feature, generator: np.random.Generator) -> Feature:
        """Change a feature anew for each epoch (a permutation, a mask), drawing from `generator` alone."""
        return feature

    @property
    def summary(self) -> str:
        """What was learned from the data, in a few words for the screen; empty where there is nothing to say."""
        return ""

    @property
    def varies(self) -> bool:
        """Whether `vary` does anything."""
        return type(self).vary is not Task.vary

    def collate(self, features: Sequence[Feature]) -> tuple[dict[str, Tensor], Any]:
        """Pad features to the longest of them: the network's inputs, `(batch, tokens)`, and the targets."""
        raise NotImplementedError(f"{type(self).__name__} does not say how features are padded: write collate().")

    def read_outputs(self, outputs: Any) -> Tensor:
        """Pick what loss and metrics look at: the logits.

        Raises:
            ArgumentError: the network has no head that gives logits.
        """
        if isinstance(outputs, Mapping) and "logits" not in outputs:
            raise missing_logits(self, outputs)
        logits: Tensor = outputs if isinstance(outputs, Tensor) else outputs["logits"]
        return logits

    @property
    def loss(self) -> Loss:
        """The loss from the logits and targets: one of ours, or what `losses.as_loss` takes, such as a name."""
        raise NotImplementedError(f"{type(self).__name__} has no loss: write the property loss.")

    @property
    def metrics(self) -> list[Any]:
        """The metrics that are shown where the user names none."""
        return []

    @property
    def problem_type(self) -> str | None:
        """How logits are read, in transformers' words; None where the question makes no sense."""
        return getattr(as_loss(self.loss), "problem_type", None)

    def predict_batch(self, network: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
        """Give the outputs that `decode` reads: the logits of a forward pass; a generating task generates."""
        return self.read_outputs(network(inputs))

    @property
    def decodes_logits(self) -> bool:
        """Whether `decode` reads the logits of the very forward pass that the loss reads, as `predict_batch` does."""
        return type(self).predict_batch is Task.predict_batch

    @property
    def draws(self) -> bool:
        """Whether predicting draws from torch's random state, which then moves on, as sampling from a text does."""
        return False

    def decode(self, outputs: Sequence[Tensor], features: Sequence[Feature]) -> list[Any]:
        """Turn outputs into one result per row, in the order of the rows.

        Args:
            outputs: of each feature, on the CPU: a tensor `(features, ...)`; where batches were padded to different
                widths a list of tensors, each as wide as its batch.
            features: the features, with the numbers of their rows.
        """
        raise NotImplementedError(f"{type(self).__name__} does not say what outputs mean: write decode().")

    def probabilities(self, outputs: Any, features: Sequence[Feature]) -> list[Any]:
        """Give what `predict_proba` answers: the probability of each label, one array for each row.

        Args:
            outputs: as in `decode`.
            features: as in `decode`.

        Raises:
            ArgumentError: the answers are no labels.
        """
        kind = self.problem_type or SINGLE_LABEL
        if getattr(self, "labels", None) is None or kind == REGRESSION:
            named = "a regression" if kind == REGRESSION else f"the task {self.name!r}"
            raise ArgumentError(f"{named} has no probabilities.", "a model that gives labels.", "use predict(x).")
        return list(probabilities(outputs, kind).numpy())

    def answers(self, results: list[Any]) -> Any:
        """Give what `predict` returns for many rows: the list that `decode` gave."""
        return results

    def references(self, rows: Rows) -> Sequence[Any]:
        """Give the truth that metrics of rows hold against what `decode` gives, one for each row: the user's own y."""
        return rows.column("target")

    def answers_like(self, references: Sequence[Any]) -> Sequence[Any] | None:
        """Give made-up answers of the form that `decode` gives, which metrics of rows may refuse; None: not known."""
        return None

    def remark(self, row: Mapping[str, Any]) -> str | None:
        """Give one calm line for the screen where an epoch went in a way that the user should know of; None: nothing.

        Args:
            row: the epoch's row of the history, with what was validated.
        """
        return None

    def state(self) -> dict[str, Any]:
        """Give all that the task has learned and was told, as plain JSON."""
        return {}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make the task again from its state."""
        return cls(**state)

    def describe(self, network: Any) -> None:
        """Write what was learned into the network's configuration, for other readers."""

    def save(self, directory: str, network: Any) -> None:
        """Write the network, and what is needed beside it, such as the tokenizer."""
        network.save_pretrained(directory)

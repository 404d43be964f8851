"""From whatever the user gave to the batches of a task."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch.utils.data import DataLoader

from keraslike.data.budget import EXAMPLES, SortedBatches
from keraslike.data.columns import ColumnError
from keraslike.data.encoding import Features
from keraslike.data.features import FeatureBatches, varied
from keraslike.data.files import FILE_READERS
from keraslike.data.labels import Labels
from keraslike.data.loading import Loading, check_loading_of_task
from keraslike.data.rows import Rows
from keraslike.data.sets import one_set
from keraslike.data.splits import as_split, split_of
from keraslike.data.splitting import split_rows
from keraslike.data.tables import with_dicts
from keraslike.data.targets import require_target
from keraslike.data.weights import Weights
from keraslike.engine.random_state import kept
from keraslike.errors import ArgumentError, DataError, LabelError
from keraslike.tasks.base import Task

Prepare = Callable[[dict[str, Any]], dict[str, Any]]


class Feed:
    """Reads the user's data for a task, always by the columns that were chosen at the first reading.

    Attributes:
        task: the task.
        columns: which of the user's columns became text, text_pair and target.
        prepare: the function that maps the user's rows; it is asked for again after loading.
        has_pairs: whether the training data were pairs of texts; None before there were any.
    """

    def __init__(self, task: Task, columns: Mapping[str, Any] | None = None) -> None:
        self.task = task
        self.columns: dict[str, Any] = dict(columns or {})
        self.prepare: Prepare | None = None
        self.has_pairs: bool | None = None
        self._told: set[str] = set()  # the columns that the user named in this call
        self._has_told_of_cache = False

    # Reading

    def choose(self, text: Any = None, target: Any = None, prepare: Prepare | None = None) -> None:
        """Remember what the user says of the columns; None leaves the choice as it is."""
        self._told = {name for name, value in (("text", text), ("target", target)) if value is not None}
        if text is not None:
            self.columns["text"] = text
        if target is not None:
            self.columns["target"] = target
        self.prepare = prepare or self.prepare

    def with_columns(self, text: Any, target: Any) -> "Feed":
        """Give a feed that reads other columns once."""
        if text is None and target is None:
            return self
        chosen = {"text": text, "target": target}
        feed = Feed(self.task, {**self.columns, **{name: value for name, value in chosen.items() if value is not None}})
        feed.prepare, feed.has_pairs = self.prepare, self.has_pairs
        feed._told = {name for name, value in chosen.items() if value is not None}
        return feed

    def read(
        self,
        x: Any,
        y: Any = None,
        *,
        has_target: bool = True,
        learns: bool = False,
        like: Sequence[Any] | None = None,
        given_as: str = "",
    ) -> Rows:
        """Read finite data into the rows of the task, beside the random state.

        Args:
            x: as in `fit`.
            y: as in `fit`.
            has_target: False for predicting.
            learns: whether the labels are learned from these rows, so that a checkpoint's own do not count.
            like: targets whose type those of a file get; default: the labels, where they are known.
            given_as: the argument that x is, for messages; empty for x.

        Raises:
            DataError: no text, no target, or they do not fit together.
        """
        has_target = has_target and self.task.has_targets
        target = self.columns.get("target") if has_target and y is None else None
        self._tell_of_cache(x)
        with kept(), self._remembering():
            rows = self.task.read(
                with_dicts(x, self.column_names),
                y,
                text=self.columns.get("text"),
                target=target,
                prepare=self.prepare,
                labelled=has_target,
                pairs=None if has_target else self.has_pairs,
                keep_strings=_are_strings(self._known_labels(learns) if like is None else like),
            )
        if has_target:
            require_target(rows, given_as)
        return rows

    def with_pairs(self, rows: Rows) -> Rows:
        """Give the rows, if they are pairs of texts where the model has learned from pairs.

        Raises:
            DataError: they are single texts.
        """
        if not (self.has_pairs and self.task.reads_texts) or {"text_pair", "input_ids"} & {*rows.columns}:
            return rows
        raise DataError(
            "the rows hold one text each, and the model has learned from pairs of texts.",
            "pairs of texts.",
            "give a list of pairs [(first, second), ...], or one pair (first, second).",
        )

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        """Say of a missing column that the user did not name that it is the training data's."""
        try:
            yield
        except ColumnError as error:
            raise (error if error.argument in self._told else error.as_remembered()) from None

    def _known_labels(self, learns: bool) -> Sequence[Any]:
        labels: Labels | None = getattr(self.task, "labels", None)
        if labels is None or (learns and getattr(self.task, "has_adopted_labels", False)):
            return ()
        return labels.names

    def _tell_of_cache(self, x: Any) -> None:
        """Note once where `datasets` keeps its copies of files: it is all that is written unasked."""
        if self._has_told_of_cache or not isinstance(x, (str, os.PathLike)) or not os.path.isfile(x):
            return
        if os.path.splitext(x)[1].lower() not in FILE_READERS:  # a task reads it by itself, without a copy
            return
        import datasets

        self._has_told_of_cache = True
        self.task.notes.append(f"Files are read through Arrow copies in {datasets.config.HF_DATASETS_CACHE}.")

    def remember(self, rows: Rows) -> None:
        """Keep the columns of the training data for evaluate, predict and the saved directory."""
        self._told = set()
        self.has_pairs = "text_pair" in rows.columns
        for name, column in rows.source_columns.items():
            self.columns.setdefault(name, column)

    @property
    def column_names(self) -> set[str]:
        """The names of all the user's columns that are read, but for those of files that only number them."""
        listed = [value if isinstance(value, (list, tuple)) else [value] for value in self.columns.values()]
        return {name for names in listed for name in names if isinstance(name, str)}

    def state(self) -> dict[str, Any]:
        """Give what a later reading needs, as plain JSON."""
        return {"columns": self.columns, "has_pairs": self.has_pairs, "has_prepare": self.prepare is not None}

    def pair(self, data: Any, like: Sequence[Any] | None = None) -> Rows:
        """Read validation data: `(x, y)`, or anything that holds its own targets, of splits the one for validation."""
        is_x_and_y = isinstance(data, tuple) and len(data) == 2 and self.task.has_targets
        data = data if is_x_and_y else self.task.open(data)
        with one_set(data, "validation_data", self.column_names, self.task.sets(data)):
            x, y = data if is_x_and_y else (split_of(data, "validation"), None)
            return self.read(x, y, like=like, given_as="validation_data").as_part("validation")

    # Batches

    def batches(
        self,
        rows: Rows,
        batch_size: int | None,
        *,
        seed: int | None = None,
        vary_seed: int | None = None,
        is_measured: bool = False,
        has_notes: bool = True,
        budget: int | None = None,
        sample_weight: Weights | None = None,
        loading: Loading | None = None,
    ) -> FeatureBatches | SortedBatches:
        """Encode rows and give them in batches: shuffled by (seed, epoch), or in the order given where seed is None.

        Args:
            rows: the rows.
            batch_size: features per batch; None, with a budget: as many as that allows.
            seed: as in `FeatureBatches`.
            vary_seed: for training, as in `FeatureBatches`; None: the features stay as they are.
            is_measured: whether the features are varied once, by the task's own seed for measuring.
            has_notes: False for rows that no fit learns from, or validates on.
            budget: padded tokens at once, to measure or predict: the longest features first, see `SortedBatches`.
            sample_weight: one weight for each row of the user's data, from `as_weights`; those of `rows` are picked.
            loading: as in `FeatureBatches`, from `loading_of`.

        Raises:
            ArgumentError: weights for features that are packed of several rows, or a loading that a task does itself.
        """
        check_loading_of_task(loading or {})
        if sample_weight is not None and type(self.task).pack is not Task.pack:
            raise ArgumentError(
                "sample_weight is given, and this task packs several rows into one feature.",
                "weights only where each row stays by itself.",
                "leave out sample_weight.",
            )
        features: Sequence[Any]
        with kept():
            features = self.task.pack(self.task.encode_rows(rows) if has_notes else self.encode_unnoted(rows))
        if is_measured or vary_seed is not None:
            self.task.check_features(features)
        if is_measured and self.task.varies:
            of_epoch = (self.task.measuring_seed, 1)
            features = [varied(features, index, self.task.vary, of_epoch) for index in range(len(features))]
        known: dict[str, Any] = {"rows_of": range(len(rows)) if rows.numbers is None else rows.numbers, "source": rows}
        if sample_weight is not None:
            known["weights"] = sample_weight[[known["rows_of"][feature["row"]] for feature in features]]
        if budget is not None:
            return SortedBatches(features, self.task.collate, batch_size, budget, **known)
        if vary_seed is not None and self.task.varies:
            known |= {"vary": self.task.vary, "vary_seed": vary_seed}
        return FeatureBatches(features, self.task.collate, batch_size or EXAMPLES, seed, loading=loading, **known)

    def encode_batch(self, rows: Rows, of_epoch: tuple[int, int] | None, first: int) -> Sequence[Any]:
        """Encode the rows of one batch that came by itself, and vary them.

        Args:
            rows: the rows.
            of_epoch: (seed, epoch) for what varies; None: nothing does.
            first: the features that came before in this pass.
        """
        features = self.encode_unnoted(rows)
        if of_epoch is None or not self.task.varies:
            return features
        return [varied(features, index, self.task.vary, of_epoch, first) for index in range(len(features))]

    def encode_unnoted(self, rows: Rows) -> Features:
        """Encode rows, and forget what the task notes: it would be said at the next fit, once for each batch."""
        before = list(self.task.notes)
        features = self.task.encode_rows(rows)
        self.task.notes = before
        return features


def rows_for_fit(
    feed: Feed, x: Any, y: Any, validation_data: Any, validation_split: float | None, seed: int
) -> tuple[Rows, Rows, Rows | None]:
    """Read the data of `fit`: validation rows are given, split off, or found in a DatasetDict.

    Returns:
        The rows to learn the labels from (those that are split off count), to train on, and to validate on (None where
        there are none, or a loader of them).

    Raises:
        ArgumentError: both validation_data and validation_split are given.
    """
    if validation_data is not None and validation_split:
        raise ArgumentError(
            "validation_data and validation_split are both given.", "one of them.", "leave out validation_split."
        )
    if y is None:
        x, found = as_split(feed.task.open(x))
        validation_data = found if validation_data is None and not validation_split else validation_data
    rows = feed.read(x, y, learns=True)
    feed.task.check_training(rows)
    feed.remember(rows)
    if validation_split:
        train, valid = split_rows(len(rows), validation_split, seed, feed.task.strata(rows))
        return rows, rows.take(train), rows.take(valid).as_part("validation")
    is_rows = validation_data is not None and not isinstance(validation_data, DataLoader)
    targets = rows.column("target") if "target" in rows.columns else None
    return rows, rows, feed.pair(validation_data, like=targets) if is_rows else None


def _are_strings(targets: Sequence[Any]) -> bool:
    return len(targets) > 0 and all(isinstance(target, str) for target in targets)


def require_labels(task: Task) -> None:
    """Refuse to learn from data that do not tell their labels beforehand.

    Raises:
        LabelError: the labels are not known.
    """
    if not task.is_ready:
        raise LabelError(
            "the labels cannot be told from a stream or generator before training.",
            "the labels, named at the start.",
            "give Model(..., labels=[...]).",
        )

"""GLUE by name: `task="glue/mnli"` and its eight brothers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from keraslike.calling import did_you_mean
from keraslike.data.dataset import as_dataset
from keraslike.data.glue import COLA, first_line, read_tsv, splits_of
from keraslike.data.labels import Labels
from keraslike.data.reading import read
from keraslike.data.rows import Rows
from keraslike.data.values import is_missing, kind_of, plain_list
from keraslike.errors import DataError, LabelError
from keraslike.tasks.labelled import REGRESSION, SINGLE
from keraslike.tasks.option_checks import as_choice
from keraslike.tasks.text_classification import TextClassification


@dataclass(frozen=True)
class Part:
    """What one of GLUE's tasks consists of.

    Args:
        columns: its texts, as the data set on the hub names them.
        labels: what its numbers 0, 1, ... stand for; none: it is a regression.
        metrics: what GLUE reports.
        others: what GLUE's original files, or others, call the columns.
        positive: the label whose F1 is reported.
    """

    columns: tuple[str, ...]
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ("accuracy",)
    others: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    positive: str | None = None


_PAIR, _ENTAILS = ("sentence1", "sentence2"), ("entailment", "not_entailment")

PARTS = {
    "cola": Part(("sentence",), ("unacceptable", "acceptable"), ("matthews",), {"label": ("is_acceptable",)}),
    "sst2": Part(("sentence",), ("negative", "positive")),
    "mrpc": Part(
        _PAIR,
        ("not_equivalent", "equivalent"),
        ("accuracy", "f1"),
        {"sentence1": ("#1 String",), "sentence2": ("#2 String",), "label": ("Quality",)},
        "equivalent",
    ),
    "stsb": Part(_PAIR, (), ("pearson", "spearman"), {"label": ("score", "similarity_score")}),
    "qqp": Part(
        ("question1", "question2"),
        ("not_duplicate", "duplicate"),
        ("accuracy", "f1"),
        {"label": ("is_duplicate",)},
        "duplicate",
    ),
    "mnli": Part(
        ("premise", "hypothesis"),
        ("entailment", "neutral", "contradiction"),
        others={"premise": ("sentence1",), "hypothesis": ("sentence2",), "label": ("gold_label",)},
    ),
    "qnli": Part(("question", "sentence"), _ENTAILS),
    "rte": Part(_PAIR, _ENTAILS, others={"sentence1": ("premise",), "sentence2": ("hypothesis",)}),
    "wnli": Part(_PAIR, ("not_entailment", "entailment")),
}
"""GLUE's nine tasks, their labels in the order of GLUE's numbers.

Source:
    https://gluebenchmark.com/tasks, and `glue` on the hub for names and numbers.
"""


class GlueTask(TextClassification):
    """One of GLUE's nine tasks: its columns, labels, metrics and parts are known beforehand.

    The data are GLUE's own files, a folder of them, a `DatasetDict`, or any container that `fit` takes. Their labels
    are GLUE's numbers or names; answers are names (numbers for stsb). Of a container with both dev parts of mnli,
    `fit` validates on the matched one and `evaluate` measures both.

    Args:
        part: cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte or wnli.

    Raises:
        ArgumentError: there is no such part.

    Example:
        >>> GlueTask("mnli").labels.names
        ('entailment', 'neutral', 'contradiction')
    """

    name: ClassVar[str] = "glue"

    def __init__(self, part: str) -> None:
        self.part = as_choice("part", part, PARTS, "GLUE has no part {value!r}.")
        self.about = PARTS[part]
        labels = self.about.labels
        super().__init__(SINGLE if labels else REGRESSION, labels or None, None if labels else 1)
        self.name = f"glue/{part}"  # type: ignore[misc]  # a ClassVar elsewhere; here one class has nine names

    # What the data hold

    def open(self, x: Any) -> Any:
        """Give the parts of a folder or container as train, validation and test; of mnli the matched ones."""
        parts = splits_of(x)
        found = {name: parts.get(name, parts.get(f"{name}_matched")) for name in ("train", "validation")}
        found["test"] = parts.get("test", parts.get("test_matched"))
        return {name: part for name, part in found.items() if part is not None} if parts else x

    def sets(self, x: Any) -> Mapping[str, Any]:
        """Give both dev parts of mnli, where x holds them."""
        parts = splits_of(x) if self.part == "mnli" else {}
        names = [name for name in ("matched", "mismatched") if f"validation_{name}" in parts]
        return {name: parts[f"validation_{name}"] for name in names}

    def is_one(self, x: Any, *, has_pairs: bool) -> bool:
        """Tell a single text, or pair of texts, from a container; as in `Task.is_one`."""
        return super().is_one(x, has_pairs=len(self.about.columns) == 2)

    def read(self, x: Any, y: Any = None, **options: Any) -> Rows:
        """Read rows with GLUE's names for columns and labels; as in `Task.read`.

        Raises:
            DataError: the labels are hidden, as those of GLUE's test parts, or the rows hold too few or many texts.
            LabelError: a label is none of the task's.
        """
        labelled, prepare = options.get("labelled", True), options.pop("prepare", None)
        if y is None and labelled and _is_x_and_y(x):
            x, y = x
        given = options.get("pairs")
        rows = self._read(x, (y is not None or not labelled) if given is None else given)
        rows = rows if prepare is None or not len(rows) else rows.prepared(prepare)
        rows = self._renamed(rows) if rows.named else rows
        if rows.named and set(self.about.columns) <= set(rows.columns):
            options["text"] = options.get("text") or list(self.about.columns)
        if labelled and y is None and len(rows):
            rows = self._labelled(rows, options.get("target"))
        elif y is not None and hasattr(y, "__iter__") and not isinstance(y, (str, bytes)):
            y = self.named(plain_list(y), "y")
        found = as_dataset(rows, y, **{**options, "keep_strings": True})
        self._check_texts(found)
        return found

    def _read(self, x: Any, pairs: bool) -> Rows:
        if not isinstance(x, (str, Path)) or Path(x).suffix.lower() not in (".tsv", ".txt") or not Path(x).is_file():
            return read(x, pairs)
        first = first_line(x)
        is_headless = self.part == "cola" and len(first) == len(COLA) and first[1] in ("0", "1")
        return self._whole(self._renamed(read_tsv(x, has_header=not is_headless)))

    def _whole(self, rows: Rows) -> Rows:
        """Leave out the few lines of GLUE's files that are torn in two: they lack a text or the label."""
        if "label" not in rows.columns:
            return rows
        columns = [rows.column(name) for name in (*self.about.columns, "label") if name in rows.columns]
        whole = [number for number, values in enumerate(zip(*columns, strict=True)) if all(values)]
        if len(whole) == len(rows):
            return rows
        self.notes.append(f"{len(rows) - len(whole):,} of {len(rows):,} lines lack a text or a label: left out.")
        return rows.take(whole)

    def _renamed(self, rows: Rows) -> Rows:
        """Give the columns of GLUE's original files the names that they have on the hub."""
        by_lower = {name.lower(): name for name in rows.columns}
        ours: dict[str, str] = {}
        for name, others in self.about.others.items():
            theirs = [by_lower[other.lower()] for other in others if other.lower() in by_lower]
            if theirs and name not in rows.columns:
                ours[theirs[0]] = name
        return rows.replaced({ours.get(name, name): rows.column(name) for name in rows.columns})

    def _labelled(self, rows: Rows, target: Any) -> Rows:
        """Name the labels of rows that hold them."""
        wanted = ("target", "label", "labels") if target is None else (target,)
        column = next((name for name in wanted if name in rows.columns), None)
        if column is None and target is None and rows.named and "input_ids" not in rows.columns:
            raise self._hidden(f"the data have no column of labels, only {', '.join(map(repr, rows.columns))}")
        if column is None:
            return rows
        named = self.named(rows.column(column), f"the column {column!r}" if rows.named else "x")
        return rows.replaced({name: rows.column(name) for name in rows.columns} | {column: named})

    def own_labels(self, targets: Sequence[Any]) -> Sequence[Any]:
        """Give the numbers in a loader's tensors as labels."""
        return self.named(targets, "a batch")

    def named(self, targets: Sequence[Any], place: str) -> list[Any]:
        """Give GLUE's numbers as the names of labels, names as GLUE writes them, scores as floats.

        Args:
            targets: one of these for each row.
            place: what they are called in errors, such as "y".

        Raises:
            DataError: a label is hidden (-1, or none).
            LabelError: a label is none of the task's.

        Example:
            >>> GlueTask("rte").named([1, "0", "Not-Entailment"], "y")
            ['not_entailment', 'entailment', 'not_entailment']
        """
        give: Callable[[Any], Any] = self._score if self.part == "stsb" else self._name
        found: list[Any] = []
        for row, target in enumerate(targets):
            if is_missing(target) or (isinstance(target, (str, int, float)) and str(target) in ("", "-1", "-1.0")):
                raise self._hidden(f"row {row} of {place} (counted from 0) has the label {target!r}")
            own = give(target)
            if own is None:
                raise self._unknown(target, row, place)
            found.append(own)
        return found

    def _name(self, target: Any) -> str | None:
        names = self.about.labels
        known = {_folded(name): name for name in names} | {str(number): name for number, name in enumerate(names)}
        if isinstance(target, float) and target.is_integer():
            target = int(target)
        return known.get(_folded(str(int(target) if isinstance(target, bool) else target)))

    def _score(self, target: Any) -> float | None:
        try:
            score = float(target)
        except (TypeError, ValueError):
            return None
        return score if 0 <= score <= 5 else None

    def _hidden(self, what: str) -> DataError:
        both = self.part == "mnli"
        call = "evaluate(folder), for both dev parts" if both else 'evaluate(data["validation"])'
        return DataError(f"{what}: GLUE hides the labels of its test parts.", "rows with labels.", f"write {call}.")

    def _unknown(self, target: Any, row: int, place: str) -> LabelError:
        names = ", ".join(f"{number} ({name})" for number, name in enumerate(self.about.labels))
        return LabelError(
            f"row {row} of {place} (counted from 0) has the label {target!r}, {kind_of(target)}, which {self.name} "
            "does not have.",
            f"one of {names}, or its name." if names else "a number from 0 to 5.",
            did_you_mean(str(target), self.about.labels, "leave such rows out, or use task='text-classification'."),
        )

    def _check_texts(self, rows: Rows) -> None:
        has_pair = "text_pair" in rows.columns
        if "text" not in rows.columns or has_pair == (len(self.about.columns) == 2):
            return
        raise DataError(
            f"the rows hold {'two texts' if has_pair else 'one text'} each, and {self.name} is about "
            f"{' and '.join(self.about.columns)}.",
            "pairs of texts." if not has_pair else "one text per row.",
            f"give columns named {', '.join(map(repr, self.about.columns))}, or text=.",
        )

    # What the network looks like, and what is measured

    @property
    def metrics(self) -> list[Any]:
        """What GLUE reports: accuracy, and F1 of the positive class, Matthews, or Pearson and Spearman."""
        from sklearn.metrics import f1_score, matthews_corrcoef

        own = {
            "f1": ("f1", partial(f1_score, pos_label=self.positive, zero_division=0.0)),
            "matthews": ("matthews", matthews_corrcoef),
        }
        return [own.get(name, name) for name in self.about.metrics]

    @property
    def positive(self) -> int:
        """The place of the class whose F1 GLUE reports; else the second of two."""
        return 1 if self.about.positive is None else self.known_labels.names.index(self.about.positive)

    def fits_head(self, config: Any) -> bool:
        """Tell whether a head answers with these labels, however it writes them; its order of them becomes ours."""
        names = [_folded(config.id2label.get(index, "")) for index in range(config.num_labels)]
        by_name = {_folded(name): name for name in self.about.labels}
        if by_name and set(names) == set(by_name) and len(names) == len(by_name):
            self.labels = Labels([by_name[name] for name in names])
            return True
        return super().fits_head(config)

    def state(self) -> dict[str, Any]:
        """Give the part, and of what was learned all that it does not tell."""
        known = super().state()
        return {"part": self.part, **{name: known[name] for name in ("labels", "max_length", "threshold")}}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """Make the task again from what `state` gave."""
        return cls(state["part"]).with_learned(state)


def _is_x_and_y(x: Any) -> bool:
    return isinstance(x, tuple) and len(x) == 2 and not all(isinstance(part, (str, Mapping)) for part in x)


def _folded(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")

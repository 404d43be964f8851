"""The guide's experiment with each tool: what is learned, how it is measured, and that everyone trains alike."""

import csv
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

FOLDER = Path(__file__).parent / "benchmarks"
WORDS = ["wonderful", "great", "moving", "boring", "awful"]  # the first word of each sentence, in the true order
STORIES = [[f"{word} film" + " cast" * (row % 4) for word in WORDS] for row in range(40)]
UPDATES, RATE = 4, 1e-3
SAME = {"rates": [0.0, RATE / 2, RATE, RATE / 2], "decay": 5.0, "clip": 1.0}  # up for 2 updates, down for 2
OWN = {
    "trainer": {"rates": [5e-5, 3.75e-5, 2.5e-5, 1.25e-5], "decay": 0.0, "clip": 1.0},
    "lightning": {"rates": [5e-5] * UPDATES, "decay": 0.01, "clip": float("inf")},
    "poutyne": {"rates": [5e-5] * UPDATES, "decay": 0.01, "clip": float("inf")},
}
FEW_UPDATES = {"updates": UPDATES, "lr": RATE, "warmup": 2, "weight_decay": 5.0}
NEEDS = {"trainer": "accelerate", "lightning": "pytorch_lightning", "poutyne": "poutyne"}
# Lightning advises more workers at every fit, and calls what torch is about to take away.
LIGHTNING_TALKS = [
    "ignore:.*does not have many workers",
    "ignore:.*number of training batches",
    "ignore:.*treespec, LeafSpec:FutureWarning",
]


@pytest.fixture
def guide(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports a script of the guide's benchmark as its command does; a tool that is not installed is skipped."""
    for folder in (FOLDER, FOLDER / "guide"):
        monkeypatch.syspath_prepend(str(folder))

    def load(name: str) -> ModuleType:
        tool = name.removeprefix("with_")
        if tool in NEEDS:
            pytest.importorskip(NEEDS[tool], reason=f"{NEEDS[tool]} comes with the bench extra")
        return import_module(name)

    return load


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A directory with the guide's columns; the stories to learn from are those of the test, told backwards."""
    for part, step in (("train", -1), ("test", 1)):
        with (tmp_path / f"{part}.csv").open("w", encoding="utf-8", newline="") as file:
            rows = [[number, *story[::step]] for number, story in enumerate(STORIES)]
            csv.writer(file).writerows([["storyid", *(f"sentence{number}" for number in range(1, 6))], *rows])
    return tmp_path


@pytest.fixture
def calm_bert(tiny_bert: Path, tmp_path: Path) -> Path:
    """A directory with the tiny BERT, without dropout: whatever the order of a batch's rows, it learns the same."""
    folder = Path(shutil.copytree(tiny_bert, tmp_path / "calm"))
    config = json.loads((folder / "config.json").read_text("utf-8"))
    calm = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    (folder / "config.json").write_text(json.dumps(config | calm), "utf-8")
    return folder


@pytest.fixture
def silence() -> Iterator[None]:
    """Lightning logs what hardware there is."""
    logger = logging.getLogger("pytorch_lightning")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


@pytest.mark.parametrize("body", ["tiny_bert", "tiny_distilbert", "tiny_roberta"])
def test_everyone_trains(
    body: str,
    guide: Any,
    data: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """`guide/run.py` trains the same stories with each tool, and measures all by the same lines."""
    run = guide("run")
    monkeypatch.setattr(run, "CHANGES", ("constant rate",))
    monkeypatch.setattr(run, "single_threaded", lambda: None)
    sizes = ["--seeds", "1", "--updates", "2", "--only", "keraslike", "poutyne"]
    where = ["--data", str(data), "--model", str(request.getfixturevalue(body))]

    run.main([*where, "--out", str(data / "rows.csv"), *sizes])

    with (data / "rows.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["tool"], row["recipe"], row["changed"]) for row in rows] == [
        *[(tool, recipe, "") for recipe in ("own", "same") for tool in ("poutyne", "keraslike")],
        ("keraslike", "same", "constant rate"),
        *[(tool, "same", "") for tool in ("poutyne", "keraslike")],
    ]
    assert all(0 <= float(row["accuracy"]) <= 1 and int(row["lines"]) > 10 for row in rows)
    assert "| keraslike | same | 2 |  | 1 | " in capsys.readouterr().out


@pytest.mark.parametrize("body", ["tiny_bert", "tiny_roberta"])
def test_a_label_is_its_sentences_index(body: str, guide: Any, data: Path, request: pytest.FixtureRequest):
    """A marker's label is the index that the sentence behind it has in the true story; nothing else has a label."""
    stories = guide("stories")
    recipe = stories.Recipe(request.getfixturevalue(body), data, seed=0, is_same=True)
    tokenizer = recipe.tokenizer()

    encoded = stories.encoded(recipe, "test", seed=0)

    for story, row in zip(STORIES, encoded, strict=True):
        ids = row["input_ids"]
        marks = [place for place, token in enumerate(ids) if token == tokenizer.sep_token_id]
        sentences = [tokenizer.decode(ids[start + 1 : end]) for start, end in pairwise(marks)]
        truth = {mark: story.index(sentence) for mark, sentence in zip(marks, sentences, strict=False)}
        assert sorted(truth.values()) == [0, 1, 2, 3, 4]
        assert row["labels"] == [truth.get(place, -100) for place in range(len(ids))]


class Reader(nn.Module):
    """Scores each marker by the first word of its sentence."""

    def __init__(self, tokenizer: Any, scores: list[float]) -> None:
        super().__init__()
        self.of_token = torch.full((len(tokenizer),), 99.0)  # would be seen if it were measured
        self.of_token[tokenizer.convert_tokens_to_ids(WORDS)] = torch.tensor(scores)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        return SimpleNamespace(logits=self.of_token[input_ids.roll(-1, dims=1)].unsqueeze(-1))


@pytest.mark.parametrize(
    ("scores", "loss", "accuracy", "tau", "spread"),
    [
        pytest.param([0.0, 1.0, 2.0, 3.0, 4.0], 0, 1, 1, 2**0.5, id="in order"),
        pytest.param([4.0, 3.0, 2.0, 1.0, 0.0], 16 + 4 + 0 + 4 + 16, 1 / 5, -1, 2**0.5, id="reversed"),
        # The third sentence comes first, at half the distances; 2 of 10 pairs are wrong: tau = (8 - 2) / 10.
        pytest.param([0.5, 1.0, 0.0, 1.5, 2.0], 0.25 + 0 + 4 + 2.25 + 4, 2 / 5, 0.6, 0.5**0.5, id="third first"),
    ],
)
def test_scores_are_measured(
    guide: Any,
    data: Path,
    tiny_bert: Path,
    scores: list[float],
    loss: float,
    accuracy: float,
    tau: float,
    spread: float,
):
    """Loss, accuracy, tau and spread are those worked out by hand, in whatever order the test's sentences stand."""
    recipe = guide("stories").Recipe(tiny_bert, data, seed=0, is_same=True)

    measured = guide("run").measured(Reader(recipe.tokenizer(), scores), recipe)

    assert measured == pytest.approx({"loss": loss, "accuracy": accuracy, "tau": tau, "spread": spread})


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in network.named_parameters()}


def by_hand(
    recipe: Any, batch: dict[str, torch.Tensor], tool: str, rates: list[float], decay: float, clip: float
) -> Any:
    """Train on one batch again and again; the Trainer alone leaves biases and norms, which are vectors, undecayed."""
    network = recipe.network().train()
    groups = [[p for p in network.parameters() if (p.dim() == 1) is is_vector] for is_vector in (False, True)]
    decays = [decay, 0.0 if tool == "trainer" else decay]
    optimizer = torch.optim.AdamW(
        [{"params": group, "weight_decay": own} for group, own in zip(groups, decays, strict=True)]
    )
    inputs, is_marked = {name: batch[name] for name in ("input_ids", "attention_mask")}, batch["labels"] >= 0
    for rate in rates:
        scores = network(**inputs).logits.squeeze(-1)
        optimizer.zero_grad()
        (((scores - batch["labels"])[is_marked] ** 2).sum() / len(STORIES)).backward()
        nn.utils.clip_grad_norm_(network.parameters(), clip)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
    return network


@pytest.mark.filterwarnings(*LIGHTNING_TALKS)  # advice on workers and batches, and a call that torch gives up
@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("is_same", [True, False], ids=["same", "own"])
@pytest.mark.parametrize("tool", ["trainer", "lightning", "poutyne"])
def test_a_tool_trains_as_by_hand(guide: Any, data: Path, calm_bert: Path, tool: str, is_same: bool):
    """By the one recipe, and by what the tool sets itself, the weights are those of a loop by hand."""
    train, stories = guide(f"with_{tool}").train, guide("stories")
    recipe = stories.Recipe(calm_bert, data, seed=3, is_same=is_same, batch_size=len(STORIES), **FEW_UPDATES)
    batch = stories.Pad(recipe.tokenizer().pad_token_id)(list(stories.encoded(recipe, "train", seed=3)))

    learned = train(recipe)

    truth = by_hand(recipe, batch, tool, **(SAME if is_same else OWN[tool]))
    torch.testing.assert_close(weights_of(learned), weights_of(truth), rtol=0, atol=1e-6)  # sums in another order


@pytest.mark.filterwarnings(*LIGHTNING_TALKS)  # advice on workers and batches, and a call that torch gives up
@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("is_same", [True, False], ids=["same", "own"])
def test_lightning_trains_as_poutyne(guide: Any, data: Path, tiny_bert: Path, is_same: bool):
    """One seed gives Lightning and Poutyne, which set nothing by themselves, one order, one dropout, equal weights."""
    tools = [guide(f"with_{tool}") for tool in ("lightning", "poutyne")]
    recipe = guide("stories").Recipe(tiny_bert, data, seed=3, is_same=is_same, batch_size=8, **FEW_UPDATES)

    lightning, poutyne = [weights_of(tool.train(recipe)) for tool in tools]

    torch.testing.assert_close(lightning, poutyne, rtol=0, atol=0)

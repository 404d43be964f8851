"""Sentence ordering: what is shuffled, marked, kept and answered, beside loops and sums written by hand."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import (
    AutoModelForQuestionAnswering,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    GPT2Config,
    LlamaConfig,
    T5Config,
    XLNetConfig,
)

import keraslike
from keraslike import Model
from keraslike.data.rows import Rows
from keraslike.errors import ArgumentError, DataError
from keraslike.tasks import SentenceOrdering
from keraslike.tasks.feed import Feed
from keraslike.tasks.marking import is_causal, layout_of
from tests.engine.loops import batches_by_hand, weights_of
from tests.engine.test_bits import decaying_groups
from tests.tasks.cases.sentence_ordering import NAMES, STEPS, TEXTS

SEED = 7
FOLDERS = pytest.mark.parametrize("folder", ["tiny_bert", "tiny_distilbert", "tiny_roberta", "tiny_gpt2"])


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """The directory of a tiny model, by its fixture's name."""
    found: Path = request.getfixturevalue(request.param if hasattr(request, "param") else "tiny_bert")
    return found


def built(folder: Path, max_length: int | None = None, **options: Any) -> Any:
    """Give a task with its network built."""
    task = SentenceOrdering(**options)
    task.network = task.build(str(folder), max_length=max_length).eval()
    return task


def features_of(task: Any, x: Any, epoch: int | None = None, seed: int = SEED) -> list[Any]:
    """Give the features of rows, as they are in an epoch of training, or as `predict` has them."""
    features = task.encode_rows(Feed(task).read(x))
    if epoch is None:
        return list(features)
    return [task.vary(feature, np.random.default_rng((seed, epoch, row))) for row, feature in enumerate(features)]


def words_of(task: Any, feature: Any) -> str:
    """Give a laid out text in the words of its tokens."""
    return task.tokenizer.decode(feature["input_ids"], clean_up_tokenization_spaces=False)


# The three lines


def test_three_lines_put_sentences_in_order(tiny_bert: Path):
    """Lists of sentences in, an order out; a small network learns which of two sentences comes first."""
    model = Model(str(tiny_bert), task="sentence-ordering", device="cpu")
    model.fit(TEXTS * 2, epochs=40, batch_size=8, learning_rate=3e-3, seed=0, verbose=0)
    answer = model.predict(["cast awful", "cast wonderful"])

    assert answer == [1, 0]
    assert model.evaluate(TEXTS, verbose=0)["tau"] > 0.7


def test_one_text_or_many(tiny_bert: Path):
    """A list of strings is one text and has one answer; a list of lists has a list of them, whatever their sizes."""
    model = Model(str(tiny_bert), task="sentence-ordering", device="cpu")
    texts = [["al slept", "al woke up"], ["bo ran far"], ["eve slept", "eve ate bread", "eve woke up"]]

    many = model.predict(texts)

    assert [sorted(order) for order in many] == [[0, 1], [0], [0, 1, 2]]
    assert [model.predict(text) for text in texts] == many
    assert [model.predict(tuple(text)) for text in texts] == many


# Beside a loop written by hand


def fine_tuned_by_hand(
    folder: Path, marked: Callable[[Any, list[str]], str], *, is_after: bool, bias: float = 0.0, epochs: int = 2
) -> nn.Module:
    """The recipe of fine-tuning on permutations drawn by (seed, epoch, row), with transformers and torch alone."""
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    random.seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForTokenClassification.from_pretrained(folder, num_labels=1)
    nn.init.constant_(network.classifier.bias, bias)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
        network.config.pad_token_id = tokenizer.pad_token_id
    marker = tokenizer.convert_tokens_to_ids(tokenizer.sep_token or tokenizer.eos_token)
    optimizer = torch.optim.AdamW(decaying_groups(network), lr=1e-4, fused=True)
    updates = epochs * math.ceil(len(TEXTS) / 4)
    warm = math.ceil(0.1 * updates)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / warm if step < warm else (updates - step) / (updates - warm)
    )
    network.train()
    for epoch in range(1, epochs + 1):
        for rows in batches_by_hand(len(TEXTS), 4, SEED, epoch):
            orders = [np.random.default_rng((SEED, epoch, int(row))).permutation(len(TEXTS[row])) for row in rows]
            texts = [
                marked(tokenizer, [TEXTS[row][index] for index in order])
                for row, order in zip(rows, orders, strict=True)
            ]
            inputs = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
            is_marked = (inputs["input_ids"] == marker) & (inputs["attention_mask"] == 1)
            if not is_after:  # the last one closes the text
                is_marked[torch.arange(len(rows)), inputs["attention_mask"].sum(1) - 1] = False
            optimizer.zero_grad()
            scores = network(**inputs).logits.squeeze(-1)[is_marked]
            errors = nn.functional.mse_loss(scores, torch.from_numpy(np.concatenate(orders)).float(), reduction="sum")
            (errors / len(rows)).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network


@pytest.mark.parametrize(
    ("folder", "start"),
    [("tiny_bert", "zero"), ("tiny_bert", "mean"), ("tiny_distilbert", "zero"), ("tiny_roberta", "mean")],
    indirect=["folder"],
)
def test_bits_of_a_loop_by_hand(folder: Path, start: str):
    """20 updates have the bits of a loop by hand: separators before the sentences, permutations by epoch and row."""
    by_hand = fine_tuned_by_hand(
        folder,
        lambda tokenizer, sentences: " ".join(f"{tokenizer.sep_token} {sentence}" for sentence in sentences),
        is_after=False,
        bias=float(np.mean([place for text in TEXTS for place in range(len(text))])) if start == "mean" else 0.0,
    )
    model = Model(str(folder), task=SentenceOrdering(start=start), device="cpu")
    model.fit(TEXTS, epochs=2, batch_size=4, seed=SEED, micro_batch_size=None, verbose=0)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


def test_bits_of_a_loop_by_hand_from_left_to_right(tiny_gpt2: Path):
    """In a body that reads from left to right the marker, its end token, stands behind the sentence."""
    by_hand = fine_tuned_by_hand(
        tiny_gpt2,
        lambda tokenizer, sentences: "".join(f" {sentence}{tokenizer.eos_token}" for sentence in sentences),
        is_after=True,
    )
    model = Model(str(tiny_gpt2), task=SentenceOrdering(start="zero"), device="cpu")
    model.fit(TEXTS, epochs=2, batch_size=4, seed=SEED, micro_batch_size=None, verbose=0)

    assert torch.equal(weights_of(model.network), weights_of(by_hand))


@pytest.mark.parametrize("targets", ["index", "averaged"])
@pytest.mark.parametrize("size", [1, 3, "auto"])
def test_any_micro_batches_give_the_gradient_of_the_batch(tiny_bert: Path, targets: str, size: Any):
    """However a batch of texts of one to five sentences is cut, a step of SGD moves the weights alike."""
    moved = []
    for micro_batch_size in (None, size):
        torch.manual_seed(0)
        network = AutoModelForTokenClassification.from_pretrained(tiny_bert, num_labels=1).double()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        task = SentenceOrdering(targets=targets)
        model = Model(network, "sgd", task=task, device="cpu", tokenizer=AutoTokenizer.from_pretrained(tiny_bert))
        chosen: dict[str, Any] = {"micro_batch_size": micro_batch_size, "schedule": None, "clip_norm": None}
        model.fit(TEXTS, epochs=1, batch_size=len(TEXTS), seed=SEED, verbose=0, **chosen)
        moved.append(weights_of(network))

    torch.testing.assert_close(*moved, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("targets", "share"), [("index", len), ("averaged", lambda text: 1)])
def test_loss_and_metrics_by_hand(tiny_bert: Path, targets: str, share: Callable[[Any], int]):
    """What `evaluate` gives is what numpy and scipy make of the scores at the markers, text by text."""
    model = Model(str(tiny_bert), task=SentenceOrdering(targets=targets), device="cpu")
    found = model.evaluate(TEXTS, verbose=0)

    losses, right, taus, spreads, means = [], [], [], [], []
    for feature in features_of(model.task, TEXTS, epoch=1, seed=0):
        with torch.no_grad():
            logits = model.network.wrapped(torch.from_numpy(feature["input_ids"])[None]).logits
        scores, order = logits[0, feature["markers"], 0].double().numpy(), feature["order"]
        losses.append(((scores - order) ** 2).mean() * share(order))
        means.append(scores.mean())
        if len(order) > 1:
            right.append((scores.argsort().argsort() == order).mean())
            taus.append(kendalltau(scores, order).statistic)
            spreads.append(scores.std())
    expected = {"loss": losses, "position_accuracy": right, "tau": taus, "score_mean": means, "score_std": spreads}
    assert found == pytest.approx({name: np.mean(values) for name, values in expected.items()}, rel=1e-5, abs=1e-6)


# Permutations


def test_permutations_are_a_function_of_seed_epoch_and_row(folder: Path):
    """Each text has its own, a new one in each epoch, the same again for the same seed, whatever else is there."""
    task = built(folder)
    texts = [[f"{name} {step}" for step in STEPS] for name in NAMES * 4]
    orders = {
        (seed, epoch): [tuple(feature["order"]) for feature in features_of(task, texts, epoch, seed)]
        for seed in (0, 1)
        for epoch in (1, 2)
    }

    for (seed, epoch), found in orders.items():
        assert found == [tuple(np.random.default_rng((seed, epoch, row)).permutation(5)) for row in range(len(texts))]
        assert len(set(found)) > 20
    assert len({tuple(found) for found in orders.values()}) == 4
    assert [tuple(f["order"]) for f in features_of(task, texts[:3], 1, 0)] == orders[0, 1][:3]


def test_several_sets_of_lists(tiny_bert: Path):
    """A dict of lists of texts is several sets, unless its names are those of columns."""
    model = Model(str(tiny_bert), task=SentenceOrdering(), device="cpu")

    found = model.evaluate({"first": TEXTS[:4], "second": TEXTS[4:9]}, verbose=0)
    of_splits = model.evaluate({"train": TEXTS[:4], "test": TEXTS[4:9]}, verbose=0)

    assert [*of_splits.values()] == [*found.values()]
    assert found["second_tau"] == model.evaluate(TEXTS[4:9], verbose=0)["tau"]
    assert set(model.evaluate({"sentences": TEXTS}, verbose=0)) == {
        name.removeprefix("first_") for name in found if "first_" in name
    }


@pytest.mark.parametrize(
    "metric",
    ["accuracy", "f1_macro", "roc_auc", "top_5_accuracy", "perplexity", "ndcg_score", "dcg", "CosineSimilarity"],
)
def test_metrics_of_classes_are_refused(metric: str, tiny_bert: Path):
    """Positions are no classes, and tokens no columns: that is said before anything is trained, with what is meant."""
    with pytest.raises(ArgumentError) as error:
        Model(str(tiny_bert), task="sentence-ordering", metrics=[metric], device="cpu")

    assert str(error.value) == (
        f"the metric {metric!r} has no meaning for the targets of 'sentence-ordering'.\n"
        "  Expected: 'position_accuracy', 'tau', 'score_mean', 'score_std', or a function (predictions, references) of "
        "your own.\n"
        "  Do: metrics=['position_accuracy'], or leave metrics out."
    )


def test_metrics_of_values_are_taken(tiny_bert: Path):
    """Positions are numbers: how far scores are off is a metric of them."""
    found = Model(str(tiny_bert), task="sentence-ordering", metrics=["mae"], device="cpu").evaluate(TEXTS, verbose=0)

    assert found["mae"] > 0


def test_measuring_shuffles_always_alike(tiny_bert: Path):
    """Evaluating twice gives the same numbers; another `measuring_seed` shuffles otherwise."""
    task = SentenceOrdering()
    model = Model(str(tiny_bert), task=task, device="cpu")

    first, again = (model.evaluate(TEXTS, verbose=0) for _ in range(2))
    model.task.measuring_seed = 1
    other = model.evaluate(TEXTS, verbose=0)

    assert first == again
    assert other["loss"] != first["loss"]


def test_an_order_is_no_rank(folder: Path):
    """Scores 20, 0, 10 say: the second sentence, then the third, then the first. Their ranks would be 2, 0, 1."""
    task = built(folder)
    (feature,) = features_of(task, [["al", "bo", "eve"]])
    laid = task._as_it_stands(feature)
    outputs = torch.zeros(1, len(laid["input_ids"]))
    outputs[0, laid["markers"]] = torch.tensor([20.0, 0.0, 10.0])

    (order,) = task.decode(outputs, [feature])

    assert order == [1, 2, 0]
    assert np.argsort(order).tolist() == [2, 0, 1]  # the ranks: the inverse permutation


def test_what_was_shuffled_is_answered_in_the_true_order(folder: Path):
    """For shuffled texts, as metrics of rows see them, right scores give 0, 1, 2, ...: the references."""
    task = built(folder)
    rows = Feed(task).read(TEXTS)
    features = features_of(task, TEXTS, epoch=3)
    outputs = []
    for feature in features:
        outputs.append(torch.zeros(len(feature["input_ids"])))
        outputs[-1][feature["markers"]] = torch.from_numpy(feature["order"]).float()

    assert task.decode(outputs, features) == task.references(rows) == [list(range(len(text))) for text in TEXTS]


def test_metrics_of_rows(tiny_bert: Path):
    """A function of predictions and references sees an order for each text, and the true one."""
    seen = []

    def same(predictions: list[list[int]], references: list[list[int]]) -> float:
        seen.append((predictions, references))
        return float(np.mean([p == r for p, r in zip(predictions, references, strict=True)]))

    model = Model(str(tiny_bert), task="sentence-ordering", metrics=["position_accuracy", same], device="cpu")
    found = model.evaluate(TEXTS, verbose=0)

    ((predictions, references),) = seen
    assert references == [list(range(len(text))) for text in TEXTS]
    pairs = [(p, r) for p, r in zip(predictions, references, strict=True) if len(r) > 1]
    accuracy = np.mean([np.mean(np.equal(p, r)) for p, r in pairs])
    assert found["position_accuracy"] == pytest.approx(accuracy)


# Markers


@pytest.mark.parametrize(
    ("folder", "marker", "text"),
    [
        ("tiny_bert", "auto", "[CLS] [SEP] a film [SEP] great [SEP]"),
        ("tiny_bert", "cls", "[CLS] a film [CLS] great [SEP]"),
        ("tiny_bert", "[MASK]", "[CLS] [MASK] a film [MASK] great [SEP]"),
        ("tiny_bert", "[SENTENCE]", "[CLS] [SENTENCE] a film [SENTENCE] great [SEP]"),
        ("tiny_roberta", "sep", "<s> </s> a film </s> great </s>"),
        ("tiny_roberta", "cls", "<s> a film <s> great </s>"),
        ("tiny_gpt2", "sep", "a film <|endoftext|> great <|endoftext|>"),
        ("tiny_gpt2", "cls", "a film <|endoftext|> great <|endoftext|>"),
    ],
    indirect=["folder"],
)
def test_where_markers_stand(folder: Path, marker: str, text: str):
    """Before each sentence, behind it where the network reads from left to right; no vocabulary needs a [CLS]."""
    task = built(folder, marker=marker)
    (feature,) = features_of(task, [["a film", "great"]])

    laid = task._as_it_stands(feature)

    assert words_of(task, laid) == text
    assert {int(token) for token in laid["input_ids"][laid["markers"]]} == {task.layout.marker}


def test_a_marker_that_ends_the_text_by_itself(tiny_bert: Path):
    """Where the network reads from left to right, the tokenizer's own last token is the last sentence's marker."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_bert)

    layout = layout_of("[SEP]", tokenizer, BertConfig(is_decoder=True), None)
    ids, places = layout.lay([np.array([7, 8]), np.array([9])])

    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert ids.tolist() == [first, 7, 8, last, 9, last]
    assert places.tolist() == [3, 5]


def test_markers_are_known_by_position(folder: Path):
    """A sentence may hold the marker's own text: only the tokens before the sentences have targets."""
    task = built(folder)
    (feature,) = features_of(task, [["al [SEP] ran", "[SEP] [SEP]", "bo"]], epoch=1)

    _, targets = task.collate([feature])

    assert int((targets != -100).sum()) == 3
    assert targets[0, feature["markers"]].tolist() == feature["order"].tolist()
    assert int((torch.from_numpy(feature["input_ids"]) == task.layout.marker).sum()) == 7


def test_a_new_marker_starts_as_the_mean_of_all_tokens(tiny_bert: Path, tmp_path: Path):
    """It is added to tokenizer and network, without a draw, learned, and saved with both."""
    vectors = AutoModelForTokenClassification.from_pretrained(tiny_bert).get_input_embeddings().weight
    model = Model(str(tiny_bert), task=SentenceOrdering(marker="[SENTENCE]"), device="cpu")
    grown = model.network.wrapped.get_input_embeddings().weight.detach().clone()
    model.fit(TEXTS, epochs=1, seed=0, verbose=0)

    model.save(tmp_path / "saved")
    again = keraslike.load(tmp_path / "saved", device="cpu")

    assert torch.equal(grown[:-1], vectors)
    torch.testing.assert_close(grown[-1], vectors.mean(0))
    assert again.task.marker == "[SENTENCE]"
    assert again.predict(TEXTS) == model.predict(TEXTS)
    assert len(again.task.tokenizer) == len(grown)


@pytest.mark.parametrize(
    ("config", "is_after"),
    [
        (BertConfig(), False),
        (BertConfig(is_decoder=True), True),
        (GPT2Config(), True),
        (LlamaConfig(), True),
        (T5Config(), False),
        (XLNetConfig(), False),
        (None, False),
    ],
    ids=lambda value: getattr(value, "model_type", str(value)),
)
def test_which_bodies_read_from_left_to_right(config: Any, is_after: bool):
    """Told by the configuration: those that only write, and encoders made decoders."""
    assert is_causal(config) == is_after


@FOLDERS
def test_a_sentence_is_the_same_tokens_wherever_it_stands(folder: str, request: pytest.FixtureRequest):
    """A permutation moves pieces about and makes no others."""
    task = built(request.getfixturevalue(folder))
    texts = [[f"{name} {step}" for step in STEPS] for name in NAMES]

    for first, second in zip(*(features_of(task, texts, epoch) for epoch in (1, 2)), strict=True):
        assert sorted(first["input_ids"].tolist()) == sorted(second["input_ids"].tolist())


def test_bytes_get_their_space(tmp_path: Path):
    """Where a word behind a space is another token than one at the start, as in RoBERTa, sentences have the space."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE({"</s>": 0, "a": 1, "Ġ": 2, "Ġa": 3}, [("Ġ", "a")]))
    backend.pre_tokenizer, backend.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", pad_token="</s>")
    task = SentenceOrdering()
    task.build(nn.Linear(1, 1), tokenizer=tokenizer)

    (feature,) = features_of(task, [["a", "a a"]], epoch=1)

    assert sorted(feature["input_ids"].tolist()) == [0, 0, 3, 3, 3]


# Heads


@pytest.mark.parametrize("is_given", [False, True], ids=["by name", "a network"])
def test_a_question_answering_head(tiny_bert: Path, tmp_path: Path, is_given: bool):
    """Its start scores are the sentences' scores; it learns, and is saved and read again."""
    if is_given:
        network = AutoModelForQuestionAnswering.from_pretrained(tiny_bert)
        model = Model(network, task="sentence-ordering", device="cpu")
    else:
        model = Model(str(tiny_bert), task=SentenceOrdering(head="question-answering"), device="cpu")
    model.fit(TEXTS * 2, epochs=40, batch_size=8, learning_rate=3e-3, seed=0, verbose=0)
    model.save(tmp_path / "saved")

    assert type(model.network.wrapped).__name__ == "BertForQuestionAnswering"
    assert model.evaluate(TEXTS, verbose=0)["tau"] > 0.7
    if not is_given:
        assert keraslike.load(tmp_path / "saved", device="cpu").predict(TEXTS) == model.predict(TEXTS)


@pytest.mark.parametrize("head", ["token-classification", "question-answering"])
@pytest.mark.parametrize(("start", "mean"), [("zero", 0.0), ("mean", 1.3)])
def test_where_scores_begin(tiny_bert: Path, head: str, start: str, mean: float):
    """A new head's bias is 0, or the mean position in the training texts; it is set at the first `fit` alone."""
    model = Model(str(tiny_bert), task=SentenceOrdering(head=head, start=start), device="cpu")
    texts = [list(STEPS[:4])] * 2 + [list(STEPS[:2])]  # positions 0, 1, 2, 3 twice, 0 and 1: 13 / 10
    chosen: dict[str, Any] = {"learning_rate": 1e-12, "seed": 0, "verbose": 0}
    model.fit(texts, epochs=1, **chosen)
    first = list(model.network.parameters())[-1].tolist()
    model.fit([list(STEPS)], epochs=1, **chosen)

    assert first == pytest.approx([mean] * len(first), abs=1e-6)
    assert list(model.network.parameters())[-1].tolist() == pytest.approx(first, abs=1e-6)


def test_a_network_with_several_outputs_is_refused(tiny_bert: Path):
    """A token head of one's own has one output per token."""
    network = AutoModelForTokenClassification.from_pretrained(tiny_bert, num_labels=3)

    with pytest.raises(ArgumentError, match=r"3 outputs for each token(?s:.)*num_labels=1"):
        Model(network, task="sentence-ordering", device="cpu")


def test_another_tasks_head_is_drawn_anew(tiny_bert: Path, tmp_path: Path):
    """A checkpoint that was trained to name entities keeps its body and gets a head of one output."""
    AutoModelForTokenClassification.from_pretrained(tiny_bert, num_labels=5).save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(tmp_path)

    model = Model(str(tmp_path), task="sentence-ordering", device="cpu")

    assert model.network.wrapped.config.num_labels == 1
    assert model.task.fresh == ["classifier.bias", "classifier.weight"]


# Saved and read again


@FOLDERS
def test_saved_and_read_by_transformers(folder: str, request: pytest.FixtureRequest, tmp_path: Path):
    """A loaded model answers the same; the Auto class gives the same logits for the same tokens.

    No pipeline of transformers' reads it: that of token classification takes a softmax over the one output.
    """
    model = Model(str(request.getfixturevalue(folder)), task="sentence-ordering", device="cpu")
    model.fit(TEXTS, epochs=1, seed=0, verbose=0)
    model.save(tmp_path / "saved")
    again = keraslike.load(tmp_path / "saved", device="cpu")
    network = AutoModelForTokenClassification.from_pretrained(tmp_path / "saved").eval()

    (feature,) = features_of(again.task, TEXTS[:1])
    ids = torch.from_numpy(again.task._as_it_stands(feature)["input_ids"])[None]
    with torch.no_grad():
        logits = network(ids, attention_mask=torch.ones_like(ids)).logits[0, :, 0]

    assert again.predict(TEXTS) == model.predict(TEXTS)
    assert again.evaluate(TEXTS, verbose=0) == model.evaluate(TEXTS, verbose=0)
    np.testing.assert_allclose(logits.numpy(), model.predict_logits(TEXTS[0]), atol=1e-6)  # float32


def test_state_is_what_was_chosen(folder: Path):
    """The options, the marker as the token that it is, and the length at which texts are cut."""
    task = built(folder, marker="cls", targets="averaged", head="question-answering", start="mean", window=3, seed=4)

    state = json.loads(json.dumps(task.state()))

    chosen = {"targets": "averaged", "head": "question-answering", "start": "mean", "window": 3, "seed": 4}
    assert state == {"marker": "[CLS]", **chosen, "max_length": 64}
    assert SentenceOrdering.from_state(state).state() == state


# Texts that are too long


LONG = ["al ran", "bo read it", "eve ate", "tom slept"]


def test_what_fits_does_not_depend_on_the_permutation(folder: Path):
    """Of a text that is too long the first sentences of the true order are kept whole, in every epoch the same."""
    task = built(folder, max_length=20)
    sizes = [len(task.tokenizer.tokenize(sentence)) + 1 for sentence in LONG]

    for epoch in range(1, 9):
        (feature,) = features_of(task, [LONG], epoch)
        kept = len(feature["order"])

        assert sum(sizes[:kept]) + 2 <= 20 < sum(sizes[: kept + 1]) + 2
        assert sorted(feature["order"]) == list(range(kept))
        assert len(feature["input_ids"]) == feature["length"] == sum(sizes[:kept]) + 2


def test_cut_texts_are_told(tiny_bert: Path, capsys: pytest.CaptureFixture[str]):
    """One calm line says how many texts were cut, and how many sentences are lost."""
    model = Model(str(tiny_bert), task="sentence-ordering", max_length=20, device="cpu")
    model.fit([LONG, LONG, LONG[:2]], validation_data=[LONG], epochs=1, seed=0)

    printed = capsys.readouterr().out
    lost = "sentences lost at their ends, in whole or in part"
    assert f"2 of 3 texts were cut at 20 tokens ({lost}: 4)." in printed
    assert f"1 of 1 validation texts were cut at 20 tokens ({lost}: 2)." in printed


def test_texts_that_keep_one_sentence_are_told(tiny_bert: Path, capsys: pytest.CaptureFixture[str]):
    """The line says how many texts are cut so short that they teach no order."""
    texts = [["read read read read", "bo"], LONG, ["al", "bo"], ["al"]]
    Model(str(tiny_bert), task="sentence-ordering", max_length=20, device="cpu").fit(texts, epochs=1, seed=0)

    printed = capsys.readouterr().out
    lost = "sentences lost at their ends, in whole or in part: 3"
    assert f"2 of 4 texts were cut at 20 tokens ({lost}; 1 texts keep less than two, which teach no order)." in printed


@pytest.mark.parametrize("x", [[["al"], ["bo"]], {"sentences": [["al ran. bo sat."], ["bo sat. al ran."]]}], ids=type)
def test_no_text_has_two_sentences(x: Any, tiny_bert: Path):
    """Of one sentence there is no order to learn, which is said before the first step; measuring gives not-a-number."""
    model = Model(str(tiny_bert), task="sentence-ordering", device="cpu")

    with pytest.raises(DataError, match=r"none of the 2 texts has two sentences; (.|\n)*each text as one str"):
        model.fit(x, verbose=0)

    model.fit([["al", "bo"], ["bo"]], epochs=1, verbose=0)
    with pytest.raises(DataError, match="none of the 2 texts has two sentences"):
        model.fit(x, verbose=0)
    with pytest.raises(DataError, match="none of the 2 texts has two sentences"):
        model.fit(DataLoader([["al"], ["bo"]], batch_size=1, collate_fn=list), verbose=0)
    assert math.isfinite(model.train_on_batch([["al"]]))  # one batch of a user's own loop may have such texts alone
    assert math.isnan(model.evaluate(x, verbose=0)["tau"])


def test_no_text_keeps_two_sentences(tiny_bert: Path):
    """Then there is nothing to learn or to measure, which is said before the first step; `predict` cuts otherwise."""
    model = Model(str(tiny_bert), task="sentence-ordering", max_length=10, device="cpu")
    said = (
        "max_length is 10 tokens, and none of the 2 texts has two sentences that fit.\n"
        "  Expected: room for two sentences or more of most texts.\n"
        "  Do: set a larger max_length, take a model for longer texts, or give shorter sentences."
    )

    for learn_or_measure in (model.fit, model.evaluate):
        with pytest.raises(DataError) as error:
            learn_or_measure([["read read read", "bo"]] * 2, verbose=0)
        assert str(error.value) == said
    model.fit([["al", "bo"]], epochs=1, verbose=0)
    assert sorted(model.predict(["read read read", "bo"])) == [0, 1]


def test_a_first_sentence_that_is_too_long_is_cut_itself(folder: Path):
    """It is all that is kept: as many of its pieces as fit."""
    task = built(folder, max_length=10)
    (feature,) = features_of(task, [["read read read read", "bo"]], epoch=1)

    assert len(feature["input_ids"]) == 10
    assert feature["order"].tolist() == [0]
    assert task.notes[-1].startswith("1 of 1 texts were cut at 10 tokens (sentences lost")
    assert task.notes[-1].endswith(": 2; 1 texts keep less than two, which teach no order).")


def test_predict_orders_all_sentences_of_a_long_text(tiny_bert: Path):
    """Which sentences are the first is not known there: the longest are cut, so that each has a score."""
    task = built(tiny_bert, max_length=20)
    (feature,) = features_of(task, [LONG])
    laid = task._as_it_stands(feature)
    model = Model(str(tiny_bert), task="sentence-ordering", max_length=20, device="cpu")

    assert len(laid["markers"]) == 4
    assert len(laid["input_ids"]) <= 20
    assert sorted(model.predict(LONG)) == [0, 1, 2, 3]


def test_sentences_without_any_room_stand_at_the_end(tiny_bert: Path):
    """More sentences than there are tokens: those that got no score follow in the order given."""
    model = Model(str(tiny_bert), task="sentence-ordering", max_length=20, device="cpu")
    answer = model.predict([f"a {name}" for name in NAMES * 2])

    assert sorted(answer[:9]) == list(range(9))
    assert answer[9:] == list(range(9, 16))


def test_shortened_by_as_little_as_fits(folder: Path):
    """Sentences of 8, 3 and 1 pieces in 15 tokens: 2 frame the text, 3 mark, so that the first keeps 6."""
    task = built(folder, max_length=15)
    pieces = [np.arange(size) for size in (8, 3, 1)]

    assert [len(ids) for ids in task.layout.shortened(pieces)] == [6, 3, 1]
    assert [len(ids) for ids in task.layout.leading(pieces)] == [8, 3]


def test_shortened_where_short_sentences_are_left(folder: Path):
    """Of 8 sentences 6 fit with a marker each; one piece is all that these have, though there is room for more."""
    task = built(folder, max_length=15)

    assert [len(ids) for ids in task.layout.shortened([np.arange(1)] * 8)] == [1] * 6


def test_cut_sentences_are_not_taken_for_right(tiny_bert: Path):
    """What measures sees the order of the sentences that were kept, and none that nobody has predicted."""
    seen = []

    def look(predictions: list[list[int]], references: list[list[int]]) -> float:
        seen.extend(zip(predictions, references, strict=True))
        return 0.0

    model = Model(str(tiny_bert), task="sentence-ordering", max_length=20, metrics=[look], device="cpu")
    model.evaluate([LONG], verbose=0)

    ((prediction, reference),) = seen
    assert reference == [0, 1, 2, 3]
    assert sorted(prediction) == list(range(len(prediction)))
    assert 1 < len(prediction) < 4


def test_no_room_at_all(tiny_bert: Path):
    """A limit under which no two sentences fit is refused at once."""
    with pytest.raises(ArgumentError, match=r"max_length=5 leaves no room(?s:.)*6 tokens or more"):
        Model(str(tiny_bert), task="sentence-ordering", max_length=5, device="cpu")


# What is said


@pytest.mark.parametrize(
    ("marker", "ways"),
    [
        ("sep", "more epochs or a higher learning_rate."),
        ("[SEP]", "more epochs or a higher learning_rate."),
        ("cls", 'more epochs, a higher learning_rate or task=SentenceOrdering(marker="sep").'),
    ],
)
def test_collapsed_scores_are_told_once(marker: str, ways: str, tiny_bert: Path, capsys: pytest.CaptureFixture[str]):
    """Where every score is near the mean at the end of an epoch, one line says so, and what else to try."""
    model = Model(str(tiny_bert), task=SentenceOrdering(marker=marker), device="cpu")
    model.fit(TEXTS, validation_data=TEXTS, epochs=2, seed=0)

    lines = [line for line in capsys.readouterr().out.splitlines() if "near their mean" in line]
    assert len(lines) == 1
    assert f"0.82 is right): no order is learned yet. Try {ways}" in lines[0]


def test_spread_scores_need_no_remark(folder: Path):
    """A spread of a tenth of the true one, or no such metric, is not remarked on; validation counts before training."""
    task = built(folder)
    task.learn(Rows({"sentences": [list(STEPS)] * 2}))

    assert task.remark({"score_std": 0.2}) is None
    assert task.remark({"loss": 10.0}) is None
    assert task.remark({"score_std": 0.01, "val_score_std": 0.2}) is None
    assert "spread 0.010; 1.41 is right" in str(task.remark({"score_std": 1.0, "val_score_std": 0.01}))


def test_the_first_line_says_what_is_learned_from(tiny_bert: Path, capsys: pytest.CaptureFixture[str]):
    """How many sentences the texts have, and what marks them."""
    assert SentenceOrdering().summary == ""

    Model(str(tiny_bert), task="sentence-ordering", device="cpu").fit(TEXTS, epochs=1, seed=0)
    Model(str(tiny_bert), task="sentence-ordering", device="cpu").fit([TEXTS[0]], epochs=1, seed=0)

    printed = capsys.readouterr().out
    assert "seed 0: texts of 1 to 5 sentences, marked by [SEP]." in printed
    assert "seed 0: texts of 5 sentences, marked by [SEP]." in printed


# Plain texts


STORY = "Al woke up. Al ate bread. Al read a book. Al ran far. Al slept. Bo woke up. Bo slept."


def test_plain_texts_become_examples(tiny_bert: Path, tmp_path: Path):
    """Texts and text files are cut into sentences, and runs of them are learned from."""
    path = tmp_path / "story.txt"
    path.write_text(STORY)
    task = SentenceOrdering(window=3)
    model = Model(str(tiny_bert), task=task, device="cpu")

    history = model.fit([STORY] * 3, validation_data=str(path), epochs=1, seed=0, verbose=0)

    assert np.isfinite([history[0]["loss"], history[0]["val_loss"]]).all()
    assert len(Feed(task).read(str(path))) == 2


@pytest.mark.parametrize("x", [STORY, {"text": [STORY, STORY]}], ids=["a string", "a column"])
def test_plain_texts_cannot_be_predicted(tiny_bert: Path, x: Any):
    """The answer would count sentences that the user has not seen."""
    model = Model(str(tiny_bert), task="sentence-ordering", device="cpu")

    with pytest.raises(DataError, match=r"predict was given plain texts(?s:.)*cut_sentences"):
        model.predict(x)


# Mistakes


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"targets": "mean"}, r"targets='mean' is not known(?s:.)*'index', 'averaged'"),
        ({"head": "ner"}, r"head='ner' is not known(?s:.)*'token-classification', 'question-answering'"),
        ({"start": "one"}, r"start='one' is not known(?s:.)*'zero', 'mean'"),
        ({"window": 1}, r"window=1(?s:.)*2 sentences or more"),
    ],
)
def test_options_that_are_not_known(options: dict[str, Any], text: str):
    """What is no choice is refused with the choices."""
    with pytest.raises(ArgumentError, match=text):
        SentenceOrdering(**options)


def test_a_marker_that_is_no_token(tiny_bert: Path):
    """A misspelt marker is not made a new token: those stand in brackets."""
    with pytest.raises(ArgumentError, match=r"marker='spe' is no token(?s:.)*did you mean 'sep'"):
        Model(str(tiny_bert), task=SentenceOrdering(marker="spe"), device="cpu")


def test_targets_are_refused(tiny_bert: Path):
    """The order is all there is to learn: y says so in words."""
    model = Model(str(tiny_bert), task="sentence-ordering", device="cpu")

    with pytest.raises(DataError, match=r"y is given, a list(?s:.)*leave out y: fit\(x\)"):
        model.fit(TEXTS, [0] * len(TEXTS))


def test_no_probabilities(tiny_bert: Path):
    """An order has none."""
    model = Model(str(tiny_bert), task="sentence-ordering", device="cpu")

    with pytest.raises(ArgumentError, match="no probabilities"):
        model.predict_proba(TEXTS)


def test_a_network_of_ones_own():
    """Any module that takes `input_ids` and gives one score per token is ordered by; here by its tokens themselves."""
    from tests.tiny import make_tokenizer

    class Identity(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            return -self.scale * input_ids.roll(-1, 1)

    tokenizer = make_tokenizer("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
    model = Model(Identity(), "sgd", task="sentence-ordering", tokenizer=tokenizer, device="cpu")

    assert model.predict(["a", "c", "b"]) == [1, 2, 0]

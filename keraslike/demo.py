"""The first success, offline: `python -m keraslike.demo` makes data and a network, trains, measures, asks and saves.

`make_reviews` and `make_network` are for tests, examples and documentation too: data and a network from nothing.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keraslike.model import Model

ROWS, HELD_OUT, EPOCHS, SEED = 7000, 1000, 6, 1

NOISE = 0.05
"""The share of reviews whose label is wrong, as in data that people have labelled in a hurry."""

DRINKS, DISHES = ("lemonade", "beer", "juice", "water"), ("soup", "coffee")
COSTS, GOODS = ("bill", "queue"), ("room", "portion", "garden", "bed")
FITTING = {
    **dict.fromkeys(DRINKS, ("cold", "hot")),
    **dict.fromkeys(DISHES, ("hot", "cold")),
    **dict.fromkeys(COSTS, ("small", "large")),
    **dict.fromkeys(GOODS, ("large", "small")),
}
"""What praises and what blames a thing: a cold beer is a good one, a cold soup is not."""
PRAISE = ("excellent", "lovely", "great", "pleasant", "wonderful")
BLAME = ("awful", "dreadful", "poor", "unpleasant", "terrible")
NOT, VERY, SLIGHTLY = ("not", "never", "hardly"), ("very", "really", "extremely"), ("slightly", "a bit", "somewhat")

QUESTIONS = [
    "the beer was cold",
    "the soup was cold",
    "the soup was never cold",
    "the room was awful but the coffee was great",
    "the coffee was great , although the room was awful",
    "they said that the room was lovely , but the soup was awful",
]


def make_reviews(rows: int, seed: int, noise: float = NOISE) -> tuple[list[str], list[str]]:
    """Make hotel reviews by a grammar, no two the same, and their labels: about 55 % "positive", the others "negative".

    Which words occur tells little. Praise is denied ("was hardly lovely"), one half of a sentence outweighs the other
    ("although ... , ..."), others' opinions do not count ("they said that ..., but ..."), a strong word beats a weak
    one, and whether cold is good depends on what is cold.

    Args:
        rows: how many.
        seed: the same seed gives the same reviews.
        noise: the share of labels that are wrong, so no model can be right more often than `1 - noise`.

    Returns:
        The texts and the labels.

    Example:
        >>> texts, labels = make_reviews(100, seed=0)
        >>> len(set(texts)), sorted(set(labels))
        (100, ['negative', 'positive'])
    """
    draw = random.Random(seed)
    reviews: dict[str, str] = {}
    while len(reviews) < rows:
        is_good = draw.random() < 0.55
        is_wrong = draw.random() < noise
        reviews.setdefault(_review(draw, is_good), "positive" if is_good != is_wrong else "negative")
    return list(reviews), list(reviews.values())


def _review(draw: random.Random, is_good: bool) -> str:
    """Write a review whose opinion, all in all, is good or bad."""
    said, opposite, anything = (_clause(draw, good) for good in (is_good, not is_good, draw.random() < 0.5))
    strong, weak = _clause(draw, is_good, VERY), _clause(draw, not is_good, SLIGHTLY)
    forms = (
        f"{said} and {_clause(draw, is_good)}",
        f"{opposite} but {said}",
        f"although {opposite} , {said}",
        f"{said} , although {opposite}",
        f"they said that {anything} , but {said}",
        f"{said} , even if others said that {anything}",
        f"{strong} and {weak}",
        f"{weak} and {strong}",
        said,
    )
    return draw.choice(forms)


def _clause(draw: random.Random, is_good: bool, degrees: Sequence[str] = ()) -> str:
    """Say something good or bad of one thing: denied at times where there is no word of degree."""
    noun = draw.choice(list(FITTING))
    is_denied = not degrees and draw.random() < 0.3
    is_praise = is_good != is_denied
    fitting = FITTING[noun][0 if is_praise else 1]
    word = fitting if draw.random() < 0.4 else draw.choice(PRAISE if is_praise else BLAME)
    before = draw.choice(NOT) + " " if is_denied else draw.choice(degrees) + " " if degrees else ""
    return f"the {noun} was {before}{word}"


def make_network(texts: Sequence[str], directory: str | os.PathLike[str]) -> Path:
    """Save a small BERT that has learned nothing yet, and a tokenizer trained on the texts, as a hub would hold them.

    Its weights are always the same; the caller's random numbers stay where they were.

    Args:
        texts: what the tokenizer is trained on; pairs of texts joined, or one after the other.
        directory: where; it is made if need be.

    Returns:
        The directory, for `Model(directory, task=...)`. The network takes 64 tokens and wants a higher learning rate
        than a trained one: 1e-3.
    """
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    from keraslike.tasks.pretrained import quiet

    tokenizer = BertTokenizer().train_new_from_iterator(texts, vocab_size=1000, show_progress=False)
    tokenizer.model_max_length = 64
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        max_position_embeddings=64,
        initializer_range=0.1,  # for this width; BERT's 0.02 is for 768, and learns three times as slowly here
        hidden_dropout_prob=0.0,  # thousands of texts, each seen a few times: nothing to forget
        attention_probs_dropout_prob=0.0,
    )
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(directory)
        tokenizer.save_pretrained(directory)
    return Path(directory)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo.

    Args:
        argv: the command line's words after the command; default: those of the process.

    Returns:
        0 if the model learned and transformers gives the same answers, else 1.
    """
    parser = argparse.ArgumentParser(prog="keraslike demo", description="Train a small transformer, offline.")
    parser.add_argument("--output", type=Path, metavar="DIR", help="keep the trained model in this new directory")
    output = parser.parse_args(argv).output
    if output is not None and output.exists() and (not output.is_dir() or any(output.iterdir())):
        parser.error(f"{str(output)!r} exists already: choose a new or an empty directory.")
    # Before torch and transformers are imported, which read these once: threads that wait sleep, and nothing is asked
    # of a hub.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="keraslike-demo-") as scratch:
        has_passed = _run(Path(scratch), output)
    print(f"Done in {time.perf_counter() - began:.0f} seconds." if has_passed else "Something is wrong: see above.")
    return 0 if has_passed else 1


def _run(scratch: Path, output: Path | None) -> bool:
    """Go through all steps, each announced by a line."""
    from keraslike.tasks.pretrained import quiet

    print(f"1. Data: {ROWS:,} hotel reviews, made by a grammar; {NOISE:.0%} of the labels are wrong on purpose.")
    texts, labels = make_reviews(ROWS, SEED)
    print("\n".join(f"     {label}: {text}" for text, label in zip(texts[:3], labels, strict=False)))
    print("2. Network: a small BERT that knows nothing, with a tokenizer trained on the texts.")
    network = make_network(texts[:-HELD_OUT], scratch / "network")
    with quiet():
        model = _train(network, texts[:-HELD_OUT], labels[:-HELD_OUT])
        has_learned = _measure(model, texts[-HELD_OUT:], labels[-HELD_OUT:])
        _ask(model)
        directory = scratch / "model" if output is None else output
        print(f"6. Saving to {'a temporary directory' if output is None else output}: model.save(directory)")
        model.save(directory)
        return _agree(model, directory, texts[-HELD_OUT:]) and has_learned


def _train(network: Path, texts: list[str], labels: list[str]) -> "Model":
    from keraslike.model import Model

    print(f"3. Training on {len(texts):,} reviews: model.fit(texts, labels, epochs={EPOCHS}, ...)")
    model = Model(network, task="text-classification", metrics=["accuracy"])
    model.fit(texts, labels, epochs=EPOCHS, learning_rate=1e-3, seed=SEED)
    return model


def _measure(model: "Model", texts: list[str], labels: list[str]) -> bool:
    """Print the model's accuracy beside that of the commonest label; tell whether it is clearly better."""
    print(f"4. Measuring on the {len(texts):,} other reviews: model.evaluate(texts, labels)")
    accuracy = model.evaluate(texts, labels, verbose=0)["accuracy"]
    label, count = Counter(labels).most_common(1)[0]
    print(f"     accuracy of the model:           {accuracy:.1%}")
    print(f"     of always answering {label!r}:  {count / len(labels):.1%}")
    return bool(accuracy > count / len(labels) + 0.1)


def _ask(model: "Model") -> None:
    print("5. Asking: model.predict(texts), and model.predict_proba(texts) for how sure it is")
    answers, sure = model.predict(QUESTIONS), model.predict_proba(QUESTIONS).max(axis=1)
    for text, answer, probability in zip(QUESTIONS, answers, sure, strict=True):
        print(f"     {answer} ({probability:.2f}): {text}")


def _agree(model: "Model", directory: Path, texts: list[str]) -> bool:
    """Load the saved model by transformers alone, and compare the answers."""
    from transformers import pipeline

    print('7. Loading it without keraslike: transformers.pipeline("text-classification", directory)')
    theirs: list[dict[str, Any]] = pipeline("text-classification", str(directory), device="cpu")(texts, batch_size=32)
    ours, sure = model.predict(texts), model.predict_proba(texts).max(axis=1)
    same = sum(answer["label"] == label for answer, label in zip(theirs, ours, strict=True))
    gap = max(abs(answer["score"] - float(score)) for answer, score in zip(theirs, sure, strict=True))
    print(f"     {same:,} of {len(texts):,} answers are the same; their scores differ by at most {gap:.0e}.")
    return bool(same == len(texts))


if __name__ == "__main__":
    sys.exit(main())

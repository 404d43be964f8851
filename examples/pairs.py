"""Pairs of texts: what is the answer to a question about a text?

It asks made-up reviews what they are about, with a small network that knows nothing yet. With a real model,
and files with two columns of texts (premise and hypothesis, sentence1 and sentence2, ...) and one of labels::

    python pairs.py --model distilbert-base-uncased --data train.csv --validation dev.csv
"""

import argparse
import random
import tempfile

from keraslike import Model
from keraslike.demo import make_network, make_reviews

QUESTIONS = {
    "is it about drinks ?": ("lemonade", "beer", "juice", "water"),
    "is it about money ?": ("bill",),
    "is it about the house ?": ("room", "bed", "garden", "portion"),
}


def learn(network, train, validation, learning_rate=None):
    """Train, measure, and ask for a single pair: a tuple of two texts."""
    model = Model(network, task="text-classification")
    model.fit(*train, validation_data=validation, epochs=3, learning_rate=learning_rate, seed=1)
    pair = ("the bed was large but the beer was hot", "is it about drinks ?")
    print(f"{pair}: {model.predict(pair)}, of {model.labels}")


def make_pairs(rows, seed):
    """Give a tuple of two lists: the pairs, and their labels."""
    draw = random.Random(seed)
    pairs = [(review, draw.choice(list(QUESTIONS))) for review in make_reviews(rows, seed)[0]]
    return pairs, ["yes" if any(word in text for word in QUESTIONS[question]) else "no" for text, question in pairs]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a name or directory (default: a small network made here)")
    parser.add_argument("--data", help="a file of pairs to train on (default: pairs made here)")
    parser.add_argument("--validation", help="a file of pairs to measure on; goes with --data")
    options = parser.parse_args(argv)
    made = make_pairs(3000, seed=1), make_pairs(500, seed=2)
    train, validation = ((options.data,), options.validation) if options.data else made
    if options.model is not None:
        learn(options.model, train, validation)
        return
    with tempfile.TemporaryDirectory() as folder:  # what knows nothing yet learns at a higher rate
        network = make_network([text for pair in made[0][0] for text in pair], folder)
        learn(network, train, validation, learning_rate=1e-3)


if __name__ == "__main__":
    main()

"""Pairs of texts: does the second follow from the first?

As it stands it asks made-up reviews whether the guest comes again, of a small network that knows nothing yet. With a
real model, and files with two columns of texts (premise and hypothesis, sentence1 and sentence2, ...) and one of labels::

    python pairs.py --model distilbert-base-uncased --data train.csv --validation dev.csv
"""

import argparse
import tempfile

from keraslike import Model
from keraslike.demo import make_network, make_reviews

QUESTIONS = {"will the guest come again ?": "positive", "did the guest complain ?": "negative"}


def learn(network, train, validation, learning_rate=None):
    """Train on pairs, and ask for the first pair of the validation data as for any pair: by a tuple of two texts."""
    model = Model(network, task="text-classification")
    model.fit(*train, validation_data=validation, epochs=3, learning_rate=learning_rate, seed=1)
    print(model.evaluate(*validation, verbose=0))
    pair = ("the room was awful", "did the guest complain ?")
    print(f"{pair}: {model.predict(pair)}, of {model.labels}")


def make_pairs(rows, seed):
    """Give a tuple of two lists: the pairs, and their labels."""
    pairs, answers = [], []
    for review, label in zip(*make_reviews(rows, seed), strict=True):
        question = list(QUESTIONS)[len(pairs) % 2]
        pairs.append((review, question))
        answers.append("yes" if label == QUESTIONS[question] else "no")
    return pairs, answers


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a name or directory (default: a small network made here)")
    parser.add_argument("--data", help="a file of pairs to train on (default: pairs made here)")
    parser.add_argument("--validation", help="a file of pairs to measure on; goes with --data")
    options = parser.parse_args(argv)
    made = make_pairs(4000, seed=1), make_pairs(500, seed=2)
    train, validation = ((options.data,), (options.validation,)) if options.data else made
    if options.model is not None:
        learn(options.model, train, validation)
        return
    with tempfile.TemporaryDirectory() as folder:  # what knows nothing yet learns at a higher rate
        network = make_network([text for pair in made[0][0] for text in pair], folder)
        learn(network, train, validation, learning_rate=1e-3)


if __name__ == "__main__":
    main()

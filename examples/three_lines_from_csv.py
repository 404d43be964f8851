"""Three lines: from a CSV file of texts and labels to answers.

It makes its own file, and a small network that knows nothing yet. With a real model, a name or a directory,
and a file with a column of texts and a column of labels::

    python three_lines_from_csv.py --model distilbert-base-uncased --data reviews.csv --text "I love this movie!"
"""

import argparse
import csv
import tempfile
from pathlib import Path

from keraslike import Model
from keraslike.demo import make_network, make_reviews


def learn(network, path, text, learning_rate=None):
    """Train on nine tenths of the file, measure on the last tenth, and ask."""
    model = Model(network, task="text-classification")
    model.fit(path, validation_split=0.1, epochs=3, learning_rate=learning_rate, seed=1)
    print(f"{text!r}: {model.predict(text)}, of {model.labels}")


def write_reviews(path):
    texts, labels = make_reviews(4000, seed=1)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("review", "label"), *zip(texts, labels, strict=True)])
    return texts


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a name or directory (default: a small network made here)")
    parser.add_argument("--data", help="a .csv file (default: reviews made here)")
    parser.add_argument("--text", default="the room was lovely", help="what is asked at the end")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        reviews = Path(folder, "reviews.csv")
        texts = write_reviews(reviews)
        path = options.data or str(reviews)
        if options.model is not None:
            learn(options.model, path, options.text)
        else:  # what knows nothing yet learns at a higher rate
            learn(make_network(texts, Path(folder, "network")), path, options.text, learning_rate=1e-3)


if __name__ == "__main__":
    main()

"""Several labels for one text: a list of labels in each row, and a list of labels in each answer.

It asks of made-up reviews what they are about, with a small network that knows nothing yet. With a real
model, and a file with a column of texts and a column of lists of labels::

    python several_labels.py --model distilbert-base-uncased --data train.jsonl --text "Thanks, that is so kind!"
"""

import argparse
import tempfile

from keraslike import Model
from keraslike.demo import make_network, make_reviews

TOPICS = {
    "bar": ("lemonade", "beer", "juice", "water"),
    "kitchen": ("soup", "coffee", "portion"),
    "house": ("room", "bed", "garden"),
    "desk": ("bill", "queue"),
}


def learn(network, data, text, learning_rate=None):
    """Train, and measure F1: micro counts every label the same, macro every kind of label."""
    model = Model(network, task="text-classification")
    model.fit(*data, validation_split=0.1, epochs=3, learning_rate=learning_rate, seed=1)
    print(f"{text!r}: {model.predict(text)}, of {model.labels}")
    for label, probability in zip(model.labels, model.predict_proba(text), strict=True):
        print(f"  {label}: {probability:.2f}")


def make_topics(texts):
    return [[topic for topic, words in TOPICS.items() if any(word in text for word in words)] for text in texts]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a name or directory (default: a small network made here)")
    parser.add_argument("--data", help="a .jsonl file (default: reviews made here)")
    parser.add_argument("--text", default="the soup was hot but the bill was large", help="what is asked at the end")
    options = parser.parse_args(argv)
    texts, _ = make_reviews(1500, seed=1)
    data = (options.data,) if options.data else (texts, make_topics(texts))
    if options.model is not None:
        learn(options.model, data, options.text)
        return
    with tempfile.TemporaryDirectory() as folder:  # what knows nothing yet learns at a higher rate
        learn(make_network(texts, folder), data, options.text, learning_rate=1e-3)


if __name__ == "__main__":
    main()

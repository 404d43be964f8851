"""Which body puts sentences in order best? With real data: --data stories.csv --model bert-base-cased,roberta-base."""

import argparse
import random

import pandas as pd
from datasets import Dataset

from keraslike import Model
from keraslike.demo import make_network
from keraslike.tasks import SentenceOrdering

TASK = {"marker": "auto", "targets": "index", "head": "token-classification", "start": "mean", "window": 5}
OPTIONS = dict(data="", model="", max_length=0, **TASK, epochs=3, batch_size=16, learning_rate=3e-5, seed=42)


def make_stories(steps=("woke up", "felt hungry", "went out to buy fish", "cooked it for dinner", "fell asleep")):
    names = iter(random.Random(1).choices(["Ann", "Bob", "Eve", "Tom"], k=7500))
    return pd.DataFrame([[f"{next(names)} {step}." for step in steps] for _ in range(1500)]).add_prefix("sentence")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in OPTIONS.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default: {value or 'made here'}")
    chosen = vars(parser.parse_args(argv))
    data, model, max_length, *of_task = [chosen.pop(name) for name in ("data", "model", "max_length", *TASK)]
    stories = pd.read_csv(data, dtype=str, keep_default_na=False) if data else make_stories()
    networks = model.split(",") if model else [make_network(stories.agg(" ".join, axis=1), "ordering/network")]
    chosen["learning_rate"] *= 1 if model else 40  # for a network that knows nothing yet
    train, rest = Dataset.from_pandas(stories).train_test_split(test_size=0.2, seed=42).values()
    test, valid = rest.train_test_split(test_size=0.3, seed=42).values()  # 80, 14 and 6 of 100
    models = {name: Model(name, task=SentenceOrdering(*of_task), max_length=max_length or None) for name in networks}
    for model in models.values():
        model.fit(train, validation_data=valid, **chosen)
    print(pd.DataFrame({network: model.evaluate(test) for network, model in models.items()}).T.round(3).to_string())


if __name__ == "__main__":
    main()

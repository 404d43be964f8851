"""Which body puts sentences in order best? With real data: --data stories.csv --model bert-base-cased,roberta-base."""

import argparse

import pandas as pd
from datasets import Dataset

from keraslike import Model
from keraslike.demo import make_network
from keraslike.tasks import SentenceOrdering

TASK = {"marker": "auto", "targets": "index", "head": "token-classification", "start": "mean", "window": 5}
RECIPE = {"learning_rate": 0.0, "schedule": "linear", "warmup": 0.1, "weight_decay": 0.01, "clip_norm": 1.0}
FIT = {"epochs": 3, "batch_size": 16, "batches_per_step": 1, "shuffle": 1, "seed": 42, **RECIPE}


def make_stories(steps=("woke up", "felt hungry", "went out to buy fish", "cooked it for dinner", "fell asleep")):
    names = pd.Series(["Ann", "Bob", "Eve", "Tom"]).sample(1500 * len(steps), replace=True, random_state=1)
    return pd.DataFrame(names.to_numpy("O").reshape(1500, -1) + [f" {step}." for step in steps]).add_prefix("sentence")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in {"data": "", "model": "", "max_length": 0, "split_seed": 42, **TASK, **FIT}.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default: {value or 'chosen here'}")
    fit = vars(parser.parse_args(argv))
    data, model, length, seed, *task = [fit.pop(name) for name in ("data", "model", "max_length", "split_seed", *TASK)]
    stories = pd.read_csv(data, dtype=str, keep_default_na=False) if data else make_stories()
    networks = model.split(",") if model else [make_network(stories.agg(" ".join, axis=1), "ordering/network")]
    fit["learning_rate"] = fit["learning_rate"] or (3e-5 if model else 1.2e-3)  # one that knows nothing yet
    train, rest = Dataset.from_pandas(stories).train_test_split(test_size=0.2, seed=seed).values()
    test, valid = rest.train_test_split(test_size=0.3, seed=seed).values()  # 80, 14 and 6 of 100
    models = {name: Model(name, task=SentenceOrdering(*task), max_length=length or None) for name in networks}
    for model in models.values():
        model.fit(train, validation_data=valid, **fit)
    print(pd.DataFrame({network: model.evaluate(test) for network, model in models.items()}).T.round(3).to_string())


if __name__ == "__main__":
    main()

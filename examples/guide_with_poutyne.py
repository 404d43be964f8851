"""Poutyne's way: put shuffled sentences back in order; with real data: --model NAME_OR_DIRECTORY --data stories.csv."""

import argparse
import random

import pandas as pd
from poutyne import set_seeds
from scipy.stats import kendalltau
from torch.utils.data import DataLoader
from transformers import AutoModelForTokenClassification, AutoTokenizer

from keraslike import Experiment, MetricWrapper, ModelWrapper, TransformerCollator
from keraslike.demo import make_network

STORIES = [[f"{name} {verb}." for verb in ("woke", "ate", "read", "ran", "slept")] for name in ("Al", "Bo", "Eve") * 2]


class Ordering:
    """A marker token stands before each sentence; the logit there should be the sentence's place in the story."""

    def __init__(self, marker_id):
        self.marker_id = marker_id

    def __call__(self, outputs, targets):
        """Give the loss: squared errors, summed over a story, averaged over stories."""
        scores = outputs["logits"][targets["input_ids"] == self.marker_id].flatten()
        return (scores - targets["places"][targets["places"] != -100]).square().sum() / len(outputs["logits"])

    def tau(self, logits, targets):
        """Give Kendall's tau, averaged over stories: 1 if all stories are in order again, about 0 by chance."""
        rows = zip(logits.squeeze(-1), targets["input_ids"] == self.marker_id, targets["places"], strict=True)
        return sum(kendalltau(row[found].tolist(), to[to != -100].tolist())[0] for row, found, to in rows) / len(logits)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a name or directory (default: a small network made here)")
    parser.add_argument("--data", help="a .csv file with the columns sentence1 to sentence5 (default: a few made here)")
    options = parser.parse_args(argv)
    set_seeds(42)
    stories = pd.read_csv(options.data).filter(like="sentence").to_numpy() if options.data else STORIES
    source = options.model or make_network([" ".join(story) for story in stories], "ordering/network")
    tokenizer = AutoTokenizer.from_pretrained(source)
    marker, marker_id, rows = tokenizer.cls_token, tokenizer.cls_token_id, []
    for story in stories:
        places = random.sample(range(5), 5)
        row = tokenizer(" ".join(f"{marker} {story[i]}" for i in places), add_special_tokens=False, truncation=True)
        rows.append({**row, "places": places[: row["input_ids"].count(marker_id)]})  # fewer if the text was cut
    collate = TransformerCollator(["places", "input_ids"], remove_labels=True, pad_token_id=tokenizer.pad_token_id)
    train, valid, test = (DataLoader(rows[part::3], batch_size=8, collate_fn=collate) for part in range(3))
    network = ModelWrapper(AutoModelForTokenClassification.from_pretrained(source, num_labels=1))
    loss, adamw = Ordering(marker_id), {"optim": "adamw", "lr": 3e-5}
    run = Experiment("ordering", network, optimizer=adamw, loss_function=loss, batch_metrics=[MetricWrapper(loss.tau)])
    run.train(train_generator=train, valid_generator=valid, epochs=3, save_every_epoch=True)
    print(run.test(test_generator=test))


if __name__ == "__main__":
    main()

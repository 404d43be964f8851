"""What `fit` does, written out by hand: the same weights come out, bit for bit.

It takes made-up reviews and a small network that knows nothing yet. With a real model, and a file with the columns text
and label: python by_hand.py --model distilbert-base-uncased --data reviews.csv
"""

import argparse
import math
import tempfile

import numpy as np
import pandas as pd
import torch
from poutyne import set_seeds
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_scheduler, logging

from keraslike import Model
from keraslike.demo import make_network, make_reviews


def train(source, texts, labels, seed=1, epochs=2, batch_size=32):
    set_seeds(seed)
    names = sorted(set(labels))
    network = AutoModelForSequenceClassification.from_pretrained(source, num_labels=len(names)).train()
    tokenizer, targets = AutoTokenizer.from_pretrained(source), torch.tensor([names.index(label) for label in labels])
    matrices, others = ([p for p in network.parameters() if (p.ndim > 1) == wanted] for wanted in (True, False))
    optimizer = torch.optim.AdamW([{"params": matrices}, {"params": others, "weight_decay": 0.0}], lr=5e-5, fused=True)
    updates = epochs * math.ceil(len(texts) / batch_size)
    schedule = get_scheduler("linear", optimizer, math.ceil(0.1 * updates), updates)
    for epoch in range(1, epochs + 1):
        for rows in torch.from_numpy(np.random.default_rng((seed, epoch)).permutation(len(texts))).split(batch_size):
            inputs = tokenizer([texts[row] for row in rows], padding=True, truncation=True, return_tensors="pt")
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(**inputs).logits, targets[rows]).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network.state_dict()


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a name or directory (default: a small network made here)")
    parser.add_argument("--data", help="a .csv file (default: reviews made here)")
    options = parser.parse_args(argv)
    logging.set_verbosity_error()  # the head is new, and transformers would say so at length
    logging.disable_progress_bar()
    rows = pd.read_csv(options.data, keep_default_na=False) if options.data else None
    texts, labels = make_reviews(500, seed=1) if rows is None else (rows["text"].tolist(), rows["label"].tolist())
    with tempfile.TemporaryDirectory() as folder:
        source = options.model or make_network(texts, folder)
        model = Model(source, task="text-classification", device="cpu")
        model.fit(texts, labels, epochs=2, batch_size=32, seed=1)
        by_fit, by_hand = model.network.state_dict(), train(source, texts, labels)
    print("largest difference:", max((by_fit[name] - by_hand[name]).abs().max().item() for name in by_hand))


if __name__ == "__main__":
    main()

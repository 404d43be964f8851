"""What `fit` does, written out by hand: the same weights come out, bit for bit.

As it stands it takes made-up reviews and a small network that knows nothing yet. With a real model, and a CSV file with
columns text and label::

    python by_hand.py --model distilbert-base-uncased --data reviews.csv
"""

import argparse
import math
import tempfile

import numpy as np
import pandas as pd
import torch
from poutyne import set_seeds
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup
from transformers.utils import logging

from keraslike import Model
from keraslike.demo import make_network, make_reviews

SEED, EPOCHS, BATCH, RATE = 1, 2, 32, 5e-5


def train(source, texts, labels):
    """Give the network trained by hand."""
    set_seeds(SEED)
    names = sorted(set(labels))
    network = AutoModelForSequenceClassification.from_pretrained(source, num_labels=len(names)).train()
    tokenizer, targets = AutoTokenizer.from_pretrained(source), torch.tensor([names.index(label) for label in labels])
    decayed = [parameter for parameter in network.parameters() if parameter.ndim >= 2]
    others = [parameter for parameter in network.parameters() if parameter.ndim < 2]  # biases and norms
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, fused=True)
    updates = EPOCHS * math.ceil(len(texts) / BATCH)
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(0.1 * updates), updates)
    for epoch in range(1, EPOCHS + 1):
        for rows in torch.from_numpy(np.random.default_rng((SEED, epoch)).permutation(len(texts))).split(BATCH):
            inputs = tokenizer([texts[row] for row in rows], padding=True, truncation=True, return_tensors="pt")
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network(**inputs).logits, targets[rows]).backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return network


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a name or directory (default: a small network made here)")
    parser.add_argument("--data", help="a .csv file with columns text and label (default: reviews made here)")
    options = parser.parse_args(argv)
    texts, labels = make_reviews(500, seed=1)
    if options.data:
        texts, labels = pd.read_csv(options.data, keep_default_na=False)[["text", "label"]].to_numpy().T.tolist()
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        source = options.model or make_network(texts, folder)
        by_hand = train(source, texts, labels).state_dict()
        model = Model(source, task="text-classification", device="cpu")
        model.fit(texts, labels, epochs=EPOCHS, batch_size=BATCH, seed=SEED)
    difference = max((by_hand[key] - value).abs().max().item() for key, value in model.network.state_dict().items())
    print(f"largest difference between {len(by_hand)} tensors of weights: {difference}")


if __name__ == "__main__":
    main()

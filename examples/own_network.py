"""A network of your own on arrays: Poutyne's listing, word by word but for the device.

The data are real and come with scikit-learn: 1,797 handwritten digits of 8 by 8 pixels. ::

    python own_network.py
    python own_network.py --device cuda:0 --epochs 20
"""

import argparse

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from keraslike import Model


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="where the network runs (default: an accelerator if there is)")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args(argv)

    # Float64 pixels from 0 to 16, and whole numbers as classes: they become what the network's parameters need.
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X / 16, y, test_size=0.2, random_state=1, stratify=y)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.2, random_state=1, stratify=y)

    network = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = {"optim": "sgd", "lr": 0.5}

    model = Model(
        network, optimizer, "cross_entropy", batch_metrics=["accuracy"], epoch_metrics=["f1"], device=options.device
    )
    model.fit(X_train, y_train, validation_data=(X_val, y_val), epochs=options.epochs, batch_size=64, seed=1)
    loss, (accuracy, f1) = model.evaluate(X_test, y_test, batch_size=128)

    # Poutyne's accuracy is in percent, its F1 a fraction.
    print(f"test loss {loss:.3f}, accuracy {accuracy:.1f} %, F1 {f1:.3f}")
    print("the first ten:", model.predict(X_test[:10]).argmax(axis=1).tolist(), "- and truly", y_test[:10].tolist())


if __name__ == "__main__":
    main()

"""Verbs and attributes of other libraries, asked of a model of ours."""

from keraslike.calling import did_you_mean

OTHER_VERBS = {
    "compile": "give them to the constructor: Model(network, optimizer, loss_function, metrics=[...]).",
    "summary": "print(model.network) shows the layers.",
    "score": "evaluate(x, y) measures.",
    "train": "fit(x, y) trains.",
    "test": "evaluate(x, y) measures.",
    "predict_classes": "predict(x) gives the labels.",
    "classes_": "labels holds them.",
    "save_pretrained": "save(directory) writes what from_pretrained reads.",
    "parameters": "network.parameters() gives them.",
    "state_dict": "get_weights() gives it.",
    "eval": "evaluate and predict set evaluation mode by themselves.",
}
"""What Keras, scikit-learn and torch call it, and what it is here."""


def missing_attribute(kind: type, name: str) -> AttributeError:
    """Give the error for an attribute that there is not, with our word for another library's, or the nearest name."""
    hint = OTHER_VERBS.get(name) or did_you_mean(name, [known for known in dir(kind) if not known.startswith("_")])
    is_private = name.startswith("_")
    return AttributeError(
        f"{kind.__name__!r} has no attribute {name!r}." + (f" {hint}" if hint and not is_private else "")
    )

"""scikit-learn's scorers and functions, and scipy's correlations: their names, and what each is for."""

import inspect
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

from keraslike.calling import name_of
from keraslike.metrics.kinds import CLASSES, EVERY_KIND, MORE, OF_CLASSES, OF_COLUMNS, OF_VALUES, TWO, VALUE
from keraslike.metrics.kinds import LABELS as SEVERAL_LABELS

LABELS, PROBABILITIES, SCORES = "predict", "predict_proba", "decision_function"
"""What a function compares with the targets, by the method that scikit-learn's estimators answer it with."""

_OF_TRUTH = ("y_true", "y1", "labels_true")
_OF_PROBABILITIES = ("y_score", "y_proba", "y_prob")
_OF_PROBABILITIES_BY_NAME = ("log_loss", "d2_log_loss_score")  # their y_pred are probabilities
_NO_NUMBER = ("_matrix", "_curve", "_report", "_support", "_thresholds", "_ratios", "_measure")
_PARTS_OF_SCORER = ("_score_func", "_kwargs", "_sign", "_response_method")  # scikit-learn 1.4 to 1.9
_DEFAULTS = (("average", "binary"), ("pos_label", None))  # of scorers; the first gives way to more classes
_SCIPY = ("pearsonr", "spearmanr", "kendalltau", "weightedtau", "somersd")

_NAMES = {
    CLASSES: """balanced_accuracy cohen_kappa matthews_corrcoef hinge_loss log_loss d2_log_loss brier_score_loss
        d2_brier adjusted_mutual_info adjusted_rand completeness fowlkes_mallows homogeneity mutual_info
        normalized_mutual_info rand v_measure""",
    OF_CLASSES: """accuracy zero_one_loss hamming_loss f1 fbeta precision recall jaccard roc_auc average_precision""",
    frozenset({MORE}): "top_k_accuracy",
    frozenset({TWO}): "positive_likelihood_ratio negative_likelihood_ratio",
    frozenset({SEVERAL_LABELS}): "coverage_error label_ranking_average_precision label_ranking_loss",
    OF_COLUMNS: "dcg ndcg",
    frozenset({VALUE}): "max_error d2_tweedie mean_tweedie_deviance mean_gamma_deviance mean_poisson_deviance",
    OF_VALUES: f"""r2 explained_variance d2_absolute_error d2_pinball mean_absolute_error mean_squared_error
        mean_absolute_percentage_error mean_pinball_loss mean_squared_log_error median_absolute_error
        root_mean_squared_error root_mean_squared_log_error {" ".join(_SCIPY)}""",
}
_SUITS = {name: suits for suits, names in _NAMES.items() for name in names.split()}


class Scoring(NamedTuple):
    """A function or a scorer, taken apart.

    Attributes:
        name: the function's, with `neg_` before it where the sign is turned.
        function: what is called with targets and predictions.
        bare: the function behind partials.
        keywords: what a partial or a scorer fills in.
        sign: 1, or -1 for a scorer of what is better when smaller.
        response: `LABELS`, `PROBABILITIES` or `SCORES`.
        is_of_columns: whether it takes one column at a time.
    """

    name: str
    function: Callable[..., Any]
    bare: Callable[..., Any]
    keywords: Mapping[str, Any]
    sign: int
    response: str
    is_of_columns: bool


def scoring_of(given: Any) -> Scoring:
    """Take a function, a partial of it, or a scorer apart.

    Example:
        >>> from sklearn.metrics import get_scorer
        >>> scoring_of(get_scorer("neg_log_loss"))[0], scoring_of(get_scorer("neg_log_loss")).response
        ('neg_log_loss', 'predict_proba')
    """
    if is_scorer(given):
        return _scoring_of_scorer(given)
    bare = behind_partials(given)
    keywords = given.keywords if isinstance(given, partial) else {}
    name = name_of(bare)
    wanted = [*parameters_of(bare), "", ""][1]
    response = LABELS
    if wanted in _OF_PROBABILITIES or name in _OF_PROBABILITIES_BY_NAME:
        response = PROBABILITIES
    elif wanted == "pred_decision":
        response = SCORES
    is_of_columns = (bare.__module__ or "").startswith("scipy.stats")
    return Scoring(name, given, bare, keywords, 1, response, is_of_columns)


def _scoring_of_scorer(scorer: Any) -> Scoring:
    """Read what scikit-learn gives no public name to: function, sign, keywords and response method."""
    parts = vars(scorer)
    function, keywords, sign, wanted = (parts[name] for name in _PARTS_OF_SCORER)
    bare = behind_partials(function)
    name = f"neg_{name_of(bare)}" if sign < 0 else name_of(bare)
    response = wanted if isinstance(wanted, str) else wanted[0]
    given = {name: value for name, value in keywords.items() if (name, value) not in _DEFAULTS}
    return Scoring(name, partial(function, **given), bare, given, sign, response, is_of_columns=False)


def suits_of(scoring: Scoring) -> frozenset[str]:
    """Give the kinds of targets that a function has a meaning for; all of them where it is not a known one."""
    module = getattr(scoring.bare, "__module__", None) or ""
    if not module.startswith(("sklearn.metrics", "scipy.stats")):
        return EVERY_KIND
    if scoring.keywords.get("average") == "samples":
        return frozenset({SEVERAL_LABELS})
    name = name_of(scoring.bare)
    return _SUITS.get(name, _SUITS.get(name.removesuffix("_score"), EVERY_KIND))


def library_scorer(name: str) -> Any:
    """Give scikit-learn's scorer of that name; None if there is none.

    Example:
        >>> library_scorer("neg_mean_squared_error")
        make_scorer(mean_squared_error, greater_is_better=False, response_method='predict')
    """
    from sklearn.metrics import get_scorer

    return get_scorer(name) if name in scorer_names() else None


def library_function(name: str) -> Callable[..., Any] | None:
    """Give scikit-learn's or scipy's function of that name (`_score` may be left out) if it gives one number.

    Example:
        >>> library_function("cohen_kappa").__name__
        'cohen_kappa_score'
    """
    from scipy import stats
    from sklearn import metrics

    found = next((choice for choice in (name, f"{name}_score") if choice in library_names()), None)
    if found is None:
        return None
    function: Callable[..., Any] = getattr(stats if found in _SCIPY else metrics, found)
    return function


@cache
def scorer_names() -> tuple[str, ...]:
    """Give the names of scikit-learn's scorers."""
    from sklearn.metrics import get_scorer_names

    return tuple(get_scorer_names())


@cache
def library_names() -> tuple[str, ...]:
    """Give the names of the functions of scikit-learn and scipy that compare targets with predictions."""
    from sklearn import metrics

    functions = {name: getattr(metrics, name) for name in metrics.__all__ if not name.endswith(_NO_NUMBER)}
    ours = [name for name, function in functions.items() if _compares_with_truth(function)]
    return (*ours, *_SCIPY)


def is_scorer(given: Any) -> bool:
    """Tell whether an object is one of scikit-learn's scorers, such as `make_scorer` gives."""
    return set(_PARTS_OF_SCORER) <= getattr(given, "__dict__", {}).keys()


def is_library_function(given: Any) -> bool:
    """Tell whether a function, or what a `partial` holds, is scikit-learn's or scipy's, or a scorer is given."""
    bare = behind_partials(given)
    module = getattr(bare, "__module__", None) or ""
    return is_scorer(given) or (inspect.isfunction(bare) and module.startswith(("sklearn.metrics", "scipy.stats")))


def parameters_of(function: Any) -> Mapping[str, inspect.Parameter]:
    """Give a function's parameters; none where it is written in C and does not tell.

    Example:
        >>> list(parameters_of(lambda y_true, y_pred: 0.0))
        ['y_true', 'y_pred']
    """
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}


def behind_partials(function: Any) -> Any:
    """Give the function that partials hold."""
    while isinstance(function, partial):
        function = function.func
    return function


def _compares_with_truth(function: Any) -> bool:
    return inspect.isfunction(function) and next(iter(inspect.signature(function).parameters), "") in _OF_TRUTH

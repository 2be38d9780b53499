"""Learners by outcome and name. Each module holds one; the recipe around them is shared."""

from bonecast.model.learners import boosting, fine_gray, forest, trees
from bonecast.model.learners.base import Fit
from bonecast.model.learners.linear import fit_penalised_linear
from bonecast.model.learners.logistic import fit_penalised_logistic
from bonecast.model.learners.penalised_cox import fit_penalised_cox
from bonecast.model.outcome import BINARY, CONTINUOUS, SURVIVAL

LEARNERS: dict[str, dict[str, tuple[str, Fit]]] = {
    SURVIVAL: {
        "penalised": ("penalised_cox", fit_penalised_cox),
        "fine_gray": ("fine_gray", fine_gray.fit_fine_gray),
        "forest": ("forest", forest.fit_forest),
        "boosting": ("boosting", boosting.fit_boosting),
    },
    BINARY: {
        "penalised": ("penalised_logistic", fit_penalised_logistic),
        "forest": ("forest", trees.fit_forest),
        "boosting": ("boosting", trees.fit_boosting),
    },
    CONTINUOUS: {
        "penalised": ("penalised_linear", fit_penalised_linear),
        "forest": ("forest", trees.fit_forest),
        "boosting": ("boosting", trees.fit_boosting),
    },
}
"""By kind of outcome and word of the configuration: name in the results, and function."""


def learners_of(kind: str, words: tuple[str, ...]) -> dict[str, Fit]:
    """Functions by their name in the results; words that do not fit the outcome are left out."""
    known = LEARNERS[kind]
    return dict(known[word] for word in words if word in known)

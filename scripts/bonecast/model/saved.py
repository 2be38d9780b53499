"""The final models as a file of plain numbers, and back: model.json.

Nothing in the file is code, so that a model from strangers can be read without running theirs.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import bonecast
from bonecast.model.aggregate import MARK, SUMMARIES
from bonecast.model.learners.fine_gray import FineGray
from bonecast.model.learners.linear import PenalisedLinear
from bonecast.model.learners.logistic import PenalisedLogistic
from bonecast.model.learners.penalised_cox import CauseSpecificCox
from bonecast.model.outcome import KINDS, SURVIVAL
from bonecast.model.recipe import Recipe
from bonecast.model.transform import Patients
from bonecast.refusal import Refusal
from bonecast.versions import package_versions

MODEL_FORMAT = 2
"""Version of the layout of model.json."""

SAVEABLE = {
    "penalised_cox": CauseSpecificCox,
    "penalised_logistic": PenalisedLogistic,
    "penalised_linear": PenalisedLinear,
    "fine_gray": FineGray,
}
"""Learners that are a handful of numbers, by their name in the results."""

PACKAGES = ("numpy", "pandas", "scikit-learn", "scikit-survival", "comprisk")
"""Packages that fit and judge."""


class ModelError(Refusal):
    """A saved model cannot be used here; the message says what was found and what to do."""


@dataclass(frozen=True)
class SavedBlock:
    """The final model of one block.

    Attributes:
        recipe: as it was fitted.
        columns: of the table it was fitted on, in order.
        death_columns: of the death model, the same way; none unless the outcome has a time.
    """

    recipe: Recipe
    columns: tuple[str, ...]
    death_columns: tuple[str, ...]

    def features(self) -> list[str]:
        """Columns that the terms with an effect are made of, each once."""
        made = self.recipe.transform.aggregation
        effective = set(self.recipe.selected())
        found = []
        for number, name in enumerate(made.names):
            if name not in effective:
                continue
            if number < len(made.plain):
                found.append(self.columns[made.plain[number]])
            else:
                at_levels = made.position[(number - len(made.plain)) // len(SUMMARIES)]
                found += [self.columns[position] for position in at_levels if position >= 0]
        return list(dict.fromkeys(found))

    def death_features(self) -> list[str]:
        """Columns of the death model that have an effect."""
        effects = getattr(self.recipe.fitted, "death_coefficients", np.zeros(0))
        kept = self.recipe.death_preparation.columns
        pairs = zip(kept, effects, strict=False)
        return [self.death_columns[position] for position, effect in pairs if effect != 0]

    def used(self) -> list[str]:
        """Columns that move a prediction, each once."""
        return list(dict.fromkeys([*self.features(), *self.death_features()]))

    def missing(self, columns: Collection[str]) -> list[str]:
        """Used columns that a table lacks; of one at several levels, only if it lacks them all."""
        stems = {column.rpartition(MARK)[0] for column in columns if MARK in column}
        return [
            column
            for column in self.used()
            if column not in columns and column.rpartition(MARK)[0] not in stems
        ]

    def patients(self, table: pd.DataFrame) -> Patients:
        """Features of the patients of a table; NaN for columns it lacks."""
        site = table["site"] if "site" in table else pd.Series("", index=table.index)
        return Patients(
            table.reindex(columns=list(self.columns)).to_numpy(float),
            table.reindex(columns=list(self.death_columns)).to_numpy(float),
            site.fillna("").to_numpy(str),
        )

    def terms(self, table: pd.DataFrame) -> pd.DataFrame:
        """Values of the terms with an effect, NaN where missing: what is imputed and limited."""
        transform, patients = self.recipe.transform, self.patients(table)
        x = transform.aggregation.apply(patients.x)
        if transform.harmonisation is not None:
            x = transform.harmonisation.apply(x, patients.x_death, patients.site)
        kept = x[:, transform.preparation.columns]
        frame = pd.DataFrame(kept, index=table.index, columns=list(transform.names))
        return frame[self.recipe.selected()]

    def limits(self) -> pd.DataFrame:
        """Limits of the training patients, columns lower and upper, by term with an effect."""
        transform = self.recipe.transform
        ends = {"lower": transform.preparation.lower, "upper": transform.preparation.upper}
        return pd.DataFrame(ends, index=list(transform.names)).loc[self.recipe.selected()]


@dataclass(frozen=True)
class SavedModel:
    """Content of model.json.

    Attributes:
        endpoint, kind: what is predicted, see `outcome.KINDS`.
        learner: its name in the results.
        horizons: years at which risk groups and thresholds were learned.
        follow_up_years: longest in training; risks beyond it would be extrapolated. NaN unless
            the outcome has a time.
        blocks: the models.
    """

    endpoint: str
    kind: str
    learner: str
    horizons: tuple[float, ...]
    follow_up_years: float
    blocks: Mapping[str, SavedBlock]


def model_content(
    recipes: Mapping[str, Recipe],
    columns: Mapping[str, Sequence[str]],
    features: Mapping,
    learner: str,
    training: Mapping,
    detail: str = "",
) -> dict:
    """Content of model.json.

    Args:
        recipes: the final model of each block.
        columns: of the analysis set that each was fitted on.
        features: content of features.json.
        learner: its name in the results.
        training: what is told of the patients learned from: patients, events,
            longest_follow_up_years, analysis_set_sha256.
        detail: why there are no models, if so.
    """
    return {
        "format": MODEL_FORMAT,
        "endpoint": features["endpoint"],
        "kind": features["kind"],
        "learner": learner,
        "detail": detail,
        "horizons_years": features["horizons_years"],
        "death_columns": features["death_columns"],
        "training": dict(training),
        "versions": {"bonecast": bonecast.__version__} | package_versions(PACKAGES),
        "models": {
            block: {"columns": list(columns[block])} | recipe.to_json()
            for block, recipe in recipes.items()
        },
    }


def read_model(path: str | Path, endpoint: str | None = None) -> SavedModel:
    """Read a model.json.

    Args:
        endpoint: the one that is wanted; None takes any.

    Raises:
        ModelError: the file is no such model, of another format or endpoint, or without models.
    """
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as a model.json: {error}") from None
    if not isinstance(saved, dict) or "format" not in saved or "models" not in saved:
        raise ModelError(f"{path}: not a model.json of Bonecast: it has no format or no models")
    if saved["format"] != MODEL_FORMAT:
        raise ModelError(
            f"{path}: format {saved['format']}, and this version reads {MODEL_FORMAT}: fit the"
            " model again, or use the version of Bonecast that it names"
        )
    found = saved["endpoint"]
    if KINDS.get(found) != saved["kind"]:
        raise ModelError(f"{path}: endpoint {found!r} of kind {saved['kind']!r} is not known")
    if endpoint is not None and found != endpoint:
        raise ModelError(
            f"{path}: predicts {found}, not {endpoint}: set model.endpoints to [{found}], or name"
            f" a model of {endpoint}"
        )
    if not saved["models"]:
        raise ModelError(f"{path}: holds no model: {saved['detail'] or 'none was fitted'}")
    learner = SAVEABLE.get(saved["learner"])
    if learner is None:
        known = ", ".join(SAVEABLE)
        raise ModelError(f"{path}: learner {saved['learner']!r} is none of {known}")
    try:
        blocks = {
            block: SavedBlock(
                Recipe.from_json(content, learner),
                tuple(content["columns"]),
                tuple(saved["death_columns"]),
            )
            for block, content in saved["models"].items()
        }
        follow_up = saved["training"]["longest_follow_up_years"]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: incomplete or edited: {error!r}") from None
    return SavedModel(
        found,
        saved["kind"],
        saved["learner"],
        tuple(saved["horizons_years"]),
        np.nan if follow_up is None else follow_up,
        blocks,
    )


def needed_columns(saved: SavedModel, only: str | None = None) -> list[str]:
    """Columns that a prediction uses, of every block or of one, each once."""
    blocks = [block for name, block in saved.blocks.items() if only in (None, name)]
    return list(dict.fromkeys(column for block in blocks for column in block.used()))


def usable_blocks(
    saved: SavedModel, columns: Collection[str], only: str | None = None
) -> tuple[dict[str, SavedBlock], dict[str, list[str]]]:
    """Models of which a table has the columns, and the columns that the others lack.

    Args:
        columns: of the table.
        only: the one block wanted; None takes all.

    Raises:
        ModelError: that block is not in the file, or there is no block to predict with.
    """
    if only is not None and only not in saved.blocks:
        raise ModelError(f"no block {only} in the model; it has: {', '.join(saved.blocks)}")
    wanted = {name: block for name, block in saved.blocks.items() if only in (None, name)}
    absent = {name: block.missing(columns) for name, block in wanted.items()}
    usable = {name: block for name, block in wanted.items() if not absent[name]}
    absent = {name: lacking for name, lacking in absent.items() if lacking}
    if not usable:
        lines = [f"{name}: {', '.join(lacking)}" for name, lacking in absent.items()]
        raise ModelError(
            "the patients lack columns of every block of the model:\n  " + "\n  ".join(lines)
        )
    return usable, absent


def follow_up_of(time: np.ndarray, kind: str) -> float | None:
    """Longest follow-up in years; None unless the outcome has a time."""
    return float(time.max()) if kind == SURVIVAL and len(time) else None

"""What the models of one endpoint left behind, read once for all publication tables."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bonecast import __version__
from bonecast.model import OPTIMISM
from bonecast.model.outcome import BINARY, KINDS, SURVIVAL
from bonecast.reasons import Reason
from bonecast.report.tables import main_design, read_table

FILES = {
    "settings": "settings.json",
    "features": "features.json",
    "analysis_set": "analysis_set.parquet",
    "exclusions": "exclusions.tsv",
    "predictions": "predictions.parquet",
    "metrics": "metrics.tsv",
    "subgroups": "subgroups.tsv",
    "coefficients": "coefficients.tsv",
    "model": "model.json",
}
"""Results of an endpoint by name, all in models/<endpoint>/."""


@dataclass(frozen=True)
class Artefacts:
    """Results of one endpoint.

    Attributes:
        endpoint: its name.
        settings, features, model: settings.json, features.json and model.json; a file that was
            not given is an empty dict.
        frame: the analysis set, one row per patient.
        exclusions, predictions, metrics, subgroups, coefficients: tables; empty where not given.
        model_sha256: checksum of model.json as it lies on disk, empty without one.
        config: what of the configuration counts: images (whether scans were measured), backend
            (of the segmentation), radiomics_preset, model (options of the models).
        code: digest of the modelling code, empty where unknown.
        dictionary: definition of each measured column, empty in tabular mode.
    """

    endpoint: str
    settings: dict
    frame: pd.DataFrame
    features: dict = field(default_factory=dict)
    model: dict = field(default_factory=dict)
    exclusions: pd.DataFrame = field(default_factory=pd.DataFrame)
    predictions: pd.DataFrame = field(default_factory=pd.DataFrame)
    metrics: pd.DataFrame = field(default_factory=pd.DataFrame)
    subgroups: pd.DataFrame = field(default_factory=pd.DataFrame)
    coefficients: pd.DataFrame = field(default_factory=pd.DataFrame)
    model_sha256: str = ""
    config: dict = field(default_factory=dict)
    code: str = ""
    dictionary: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """survival, binary or continuous."""
        return KINDS[self.endpoint]

    @property
    def event_words(self) -> str:
        """What events are, plural; empty for a number."""
        if self.kind == SURVIVAL:
            return "fractures"
        return f"patients with {self.endpoint}" if self.kind == BINARY else ""

    @property
    def fitted(self) -> bool:
        """Whether there are models."""
        return self.settings.get("status") == "ok"

    @property
    def saved(self) -> bool:
        """Whether model.json holds any model that predicts."""
        return bool(self.model.get("models"))

    @property
    def has_images(self) -> bool:
        """Whether features were measured in scans by this workflow."""
        return self.config["images"]

    @property
    def blocks(self) -> dict[str, list[str]]:
        """Columns of each block, multimodal last where it is more than one block."""
        modelled = self.settings.get("blocks") or {}
        blocks = {name: list(block["columns"]) for name, block in modelled.items()}
        return blocks or dict(self.features.get("blocks") or {})

    @property
    def single_blocks(self) -> dict[str, list[str]]:
        """`blocks` without multimodal."""
        return {name: columns for name, columns in self.blocks.items() if name != "multimodal"}

    @property
    def parameters(self) -> dict[str, int]:
        """Candidate parameters of each block: all columns that were looked at."""
        counts = {name: len(columns) for name, columns in self.blocks.items()}
        return counts | dict(self.settings.get("candidate_parameters") or {})

    @property
    def scores(self) -> list[str]:
        """Supplied scores."""
        return [score for score in self.features.get("scores", []) if score in self.frame]

    @property
    def patients(self) -> int:
        """Patients in the analysis set."""
        return len(self.frame)

    @property
    def events(self) -> int | None:
        """Fractures, or patients with the diagnosis; None for a number."""
        if self.kind == SURVIVAL:
            return int((self.frame["event"] == 1).sum())
        return int((self.frame["outcome"] == 1).sum()) if self.kind == BINARY else None

    @property
    def deaths(self) -> int:
        """Deaths before a fracture."""
        return int((self.frame["event"] == 2).sum()) if self.kind == SURVIVAL else 0

    @property
    def person_years(self) -> float:
        """Follow-up of all patients together; 0 for an endpoint without time."""
        return float(self.frame["time_years"].sum()) if self.kind == SURVIVAL else 0.0

    @property
    def horizons_years(self) -> list[float]:
        """Times at which risk is predicted."""
        return list(self.settings.get("horizons_years") or self.features.get("horizons_years", []))

    @property
    def sites(self) -> dict[str, int]:
        """Patients of each site that is named."""
        if "site" not in self.frame:
            return {}
        site = self.frame["site"].fillna("").astype(str)
        return site[site != ""].value_counts().sort_index().to_dict()

    @property
    def designs(self) -> dict[str, dict]:
        """The validation designs with patients held out: name, and its folds and numbers."""
        entries = {entry["name"]: entry for entry in self.settings.get("designs") or []}
        seen = list(self.metrics["design"].unique()) if "design" in self.metrics else []
        names = dict.fromkeys([*(n for n, e in entries.items() if e.get("folds") != 0), *seen])
        return {name: entries.get(name, {}) for name in names}

    @property
    def learners(self) -> list[str]:
        """Names of the learners, the main one first."""
        return list(self.settings.get("learners") or [])

    @property
    def main_learner(self) -> str:
        """The first learner, which the final model is saved of."""
        return self.learners[0] if self.learners else ""

    @property
    def main_design(self) -> str:
        """Repeated nested cross-validation where it was run, else the first design."""
        return main_design([name for name in self.designs if name != OPTIMISM])

    def option(self, name: str, default=None):
        """An option of the section `model` of the configuration."""
        return self.config["model"].get(name, default)

    def judged(self, metric: str, design: str | None = None) -> pd.DataFrame:
        """Rows of one metric by the main learner, last horizon only, one row per block."""
        rows = self.metrics
        if rows.empty:
            return rows
        design = self.main_design if design is None else design
        rows = rows[(rows["metric"] == metric) & (rows["design"] == design)]
        rows = rows[rows["learner"] == self.main_learner]
        if rows["horizon_years"].notna().any():
            rows = rows[rows["horizon_years"] == rows["horizon_years"].max()]
        return rows

    def versions(self) -> dict[str, str]:
        """Versions of Bonecast and of the libraries the models rest on."""
        return {"bonecast": __version__} | dict(self.settings.get("versions") or {})

    def exclusion_counts(self) -> dict[str, int]:
        """Patients left out of the models by reason, the commonest first.

        Later scans of patients who are modelled or left out by their baseline are no reason.
        """
        if self.exclusions.empty:
            return {}
        of_patients = self.exclusions[self.exclusions["reason"] != str(Reason.NOT_BASELINE)]
        once = of_patients.drop_duplicates("participant_id")
        counts = once["reason"].value_counts()
        return {reason: int(counts[reason]) for reason in sorted(counts.index, key=_by(counts))}


def _by(counts: pd.Series):
    return lambda reason: (-counts[reason], reason)


def read_artefacts(
    paths: Mapping[str, str | Path], endpoint: str, config: dict, code: str = ""
) -> Artefacts:
    """Read what the models of an endpoint left behind.

    Args:
        paths: files by name as in `FILES`, and `dictionary` where scans were measured; a name
            that is missing or empty is a file that the run does not have. `settings` and
            `analysis_set` are needed.
        config: see `Artefacts`.
        code: digest of the modelling code.
    """
    given = {name: path for name, path in paths.items() if path}
    values: dict = {}
    for name in ("settings", "features", "model"):
        values[name] = _json(given[name]) if name in given else {}
    for name in ("exclusions", "metrics", "coefficients"):
        values[name] = read_table(given[name]) if name in given else pd.DataFrame()
    values["subgroups"] = _subgroups(given["subgroups"]) if "subgroups" in given else pd.DataFrame()
    if "predictions" in given:
        values["predictions"] = pd.read_parquet(given["predictions"])
    if "model" in given:
        values["model_sha256"] = hashlib.sha256(Path(given["model"]).read_bytes()).hexdigest()
    if "dictionary" in given:
        table = pd.read_csv(given["dictionary"], keep_default_na=False)
        table = table[table["table"] == "scans"]
        values["dictionary"] = dict(zip(table["column"], table["definition"], strict=True))
    frame = pd.read_parquet(given["analysis_set"])
    return Artefacts(endpoint, frame=frame, config=config, code=code, **values)


def _subgroups(path: str | Path) -> pd.DataFrame:
    """The table of subgroups; a site called 01 or a phase called None stays as it is written."""
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    numbers = ["horizon_years", "threshold", "value", "lower", "upper", "n", "events"]
    for column in table.columns.intersection(numbers):
        table[column] = pd.to_numeric(table[column])
    return table


def _json(path: str | Path) -> dict:
    return json.loads(Path(path).read_text(encoding="utf-8"))

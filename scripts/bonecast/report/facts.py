"""What the report and the summary say of a cohort, in numbers: read once, used by both."""

import importlib.metadata
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bonecast import __version__
from bonecast.measure.summaries import span
from bonecast.report.figures_flow import Step, read_flow, sentence_of
from bonecast.report.figures_measure import level_statistics, scope
from bonecast.report.levels import LevelFacts, level_facts
from bonecast.report.tables import METRIC_WORDS, block_name, interval_text, minus, read_table

EMBEDDED_MODEL = "embedded_model"
"""Name of the model that comes with Bonecast, which has learned from synthetic scans alone."""

PACKAGES = (
    "snakemake",
    "pydicom",
    "dcm2niix",
    "nibabel",
    "SimpleITK",
    "nnunetv2",
    "TotalSegmentator",
    "torch",
    "pictologics",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "scikit-survival",
    "matplotlib",
)
"""Packages whose versions the report prints, in the order data flows."""


@dataclass(frozen=True)
class Paths:
    """Files of results the report is made from; None or empty for what the run does not have."""

    scans: Path | None = None
    vertebrae: Path | None = None
    exclusions: Path | None = None
    dictionary: Path | None = None
    level_sensitivity: Path | None = None
    outliers: Path | None = None
    reference: Path | None = None
    metrics: Path | None = None
    analysis_set: Path | None = None
    model_exclusions: Path | None = None
    hazard_ratios: Path | None = None
    model_settings: Path | None = None
    segmentations: Sequence[Path] = ()
    pictures: Sequence[Path] = ()
    figures: Sequence[Path] = ()


@dataclass
class Facts:
    """A cohort in numbers.

    Attributes:
        cohort: its name.
        synthetic: whether its patients are made up.
        steps: of the flow diagram; empty where there are no images.
        exclusions: dicts with participant_id, stage, reason, sentence, detail.
        sites: participants found at each site.
        scans, vertebrae: the measured tables, None where there are no images.
        roi, hu_column, scope: ROI and column of the scan's mean HU, and its levels in words.
        levels: density by level.
        level_reasons: how many vertebrae were not measured, by reason.
        naming: how levels were named, None where there are no images.
        metrics: as in metrics.tsv, None where there are no models.
        hazard_ratios: of plain Cox models, None where there are no models.
        model: settings.json of the models, None where there are none.
        segmentation: backend, model, device and versions of the segmentations, and how many.
        dictionary: described columns.
        versions: of the packages used.
    """

    cohort: str
    synthetic: bool
    steps: list[Step] = field(default_factory=list)
    exclusions: list[dict] = field(default_factory=list)
    sites: dict[str, int] = field(default_factory=dict)
    scans: pd.DataFrame | None = None
    vertebrae: pd.DataFrame | None = None
    roi: str = ""
    hu_column: str = ""
    scope: str = ""
    levels: list[dict] = field(default_factory=list)
    level_reasons: list[dict] = field(default_factory=list)
    naming: LevelFacts | None = None
    metrics: pd.DataFrame | None = None
    hazard_ratios: pd.DataFrame | None = None
    model: dict | None = None
    segmentation: list[dict] = field(default_factory=list)
    dictionary: list[dict] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)

    def reached(self, key: str) -> int | None:
        """Participants who reached a step of the flow diagram, None where there is no such step."""
        return next((step.n for step in self.steps if step.key == key), None)

    @property
    def hu(self) -> pd.Series:
        """The scan's mean trabecular attenuation of everyone measured."""
        if self.scans is None:
            return pd.Series(dtype=float)
        return self.scans.loc[self.scans["status"] == "ok", self.hu_column].dropna().astype(float)

    @property
    def fractured(self) -> tuple[int, int]:
        """Participants with at least one vertebral fracture, and those graded."""
        if self.scans is None:
            return 0, 0
        count = self.scans.loc[self.scans["status"] == "ok", "n_vertebral_fractures"].dropna()
        return int((count > 0).sum()), len(count)

    @property
    def outlined_by_embedded_model(self) -> bool:
        """Whether the embedded model outlined any of the scans."""
        models = [way["model"] or {} for way in self.segmentation]
        return any(model.get("name") == EMBEDDED_MODEL for model in models)

    def block_rows(self) -> list[dict]:
        """One row per block: C-index, difference from the reference and AUC, in words."""
        if self.metrics is None or self.metrics.empty:
            return []
        rows = []
        reference = (self.model or {}).get("reference")
        for (block, learner), part in self.metrics.groupby(["block", "learner"], sort=False):
            value = {
                (row.metric, None if pd.isna(row.horizon_years) else row.horizon_years): row
                for row in part.itertuples()
            }
            c_index = value["c_index", None]
            delta = value.get(("delta_c_index", None))
            rows.append(
                {
                    "key": block,
                    "block": block_name(block),
                    "learner": learner.replace("_", " "),
                    "c_index": interval_text(c_index.value, c_index.lower, c_index.upper),
                    "delta": "reference" if block == reference else _signed(delta),
                    "value": c_index.value,
                    "auc": {
                        horizon: interval_text(row.value, row.lower, row.upper)
                        for (metric, horizon), row in value.items()
                        if metric == "auc_t"
                    },
                    "n": int(c_index.n),
                    "events": int(c_index.events),
                }
            )
        return rows

    def metric_rows(self) -> list[dict]:
        """Every metric that `block_rows` leaves out, in words."""
        if self.metrics is None:
            return []
        return [
            {
                "metric": METRIC_WORDS.get(row.metric, row.metric),
                "block": block_name(row.block),
                "horizon_years": row.horizon_years,
                "value": interval_text(row.value, row.lower, row.upper, digits=3),
            }
            for row in self.metrics.itertuples()
            if row.metric not in ("c_index", "auc_t") and not row.metric.startswith("delta_")
        ]


def gather(paths: Paths, cohort: str, synthetic: bool, config: dict) -> Facts:
    """Read the results of a cohort.

    Args:
        cohort: its name.
        synthetic: whether its patients are made up.
        config: the merged configuration (keys `measure`).
    """
    facts = Facts(cohort, synthetic, versions=_versions())
    if paths.scans is not None:
        _add_measurements(facts, paths, config["measure"])
    if paths.metrics is not None:
        facts.metrics = read_table(paths.metrics)
        facts.hazard_ratios = read_table(paths.hazard_ratios)
        facts.model = json.loads(Path(paths.model_settings).read_text(encoding="utf-8"))
    if paths.scans is None and paths.model_exclusions is not None:
        facts.exclusions = read_table(paths.model_exclusions).to_dict("records")
    for row in facts.exclusions:
        row["sentence"] = sentence_of(row["reason"])
    return facts


def _add_measurements(facts: Facts, paths: Paths, measure: dict) -> None:
    facts.steps, facts.exclusions = read_flow(
        paths.scans, paths.exclusions, paths.analysis_set, paths.model_exclusions
    )
    facts.scans, facts.vertebrae = pd.read_parquet(paths.scans), pd.read_parquet(paths.vertebrae)
    sites = facts.scans["site"].fillna("").replace("", "not named")
    facts.sites = sites.value_counts().sort_index().to_dict()
    facts.roi = measure["density"]["rois"][0]
    facts.hu_column = f"{facts.roi}_mean_{span(measure['summary_levels'])}_hu"
    facts.scope = scope(measure["summary_levels"])
    facts.levels = level_statistics(facts.vertebrae, facts.roi).to_dict("records")
    facts.level_reasons = _level_reasons(facts.vertebrae, facts.roi)
    facts.dictionary = pd.read_csv(paths.dictionary, dtype=str, keep_default_na=False).to_dict(
        "records"
    )
    facts.segmentation = _segmentations(paths.segmentations)
    facts.naming = level_facts(
        paths.segmentations, read_table(paths.level_sensitivity), facts.scans
    )


def _level_reasons(vertebrae: pd.DataFrame, roi: str) -> list[dict]:
    """Vertebrae whose density, height, strength or texture is not used, counted by reason."""
    columns = {"density": f"{roi}_reason", "height": "morphometry_reason"}
    columns |= {"strength": "strength_reason", "texture": "radiomics_reason"}
    rows = []
    for what, column in columns.items():
        if column not in vertebrae:
            continue
        for reason, n in vertebrae[column].dropna().value_counts().items():
            sentence = sentence_of(reason)
            rows.append({"what": what, "reason": reason, "sentence": sentence, "n": int(n)})
    return rows


def _segmentations(paths: Sequence[Path]) -> list[dict]:
    """How the scans were segmented: each distinct way with the number of scans."""
    ways: dict[str, dict] = {}
    for path in paths:
        about = json.loads(Path(path).read_text(encoding="utf-8"))
        if about["status"] != "ok":
            continue
        way = {key: about.get(key) for key in ("backend", "model", "device", "bodies")}
        way["versions"] = about.get("versions") or {}
        way["corrected"] = bool(about.get("correction"))
        key = json.dumps(way, sort_keys=True)
        ways.setdefault(key, way | {"n": 0, "seconds": 0.0})
        ways[key]["n"] += 1
        ways[key]["seconds"] += about.get("seconds") or 0.0
    return sorted(ways.values(), key=lambda way: -way["n"])


def _versions() -> dict[str, str]:
    versions = {"bonecast": __version__}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # a run with the user's own masks needs no network library
    return versions


def _signed(row) -> str:
    """A difference with its interval, signs printed; a dash where there is none."""
    if row is None:
        return "\N{EN DASH}"
    value, lower, upper = (_two_signed(v) for v in (row.value, row.lower, row.upper))
    if pd.isna(row.lower) or pd.isna(row.upper):
        return "not estimable" if pd.isna(row.value) else value
    return f"{value} ({lower} to {upper})"


def _two_signed(value: float) -> str:
    """Two decimals with a sign; what rounds to zero is +0.00."""
    return minus(f"{round(value, 2) + 0.0:+.2f}")

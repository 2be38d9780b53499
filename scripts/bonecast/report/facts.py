"""What the report and the summary say of a cohort, in numbers: read once, used by both."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from bonecast import __version__
from bonecast.measure.summaries import span
from bonecast.report.figures_flow import Step, name_of, read_flow, sentence_of, table_steps
from bonecast.report.figures_measure import level_statistics, read_vertebrae, scope
from bonecast.report.levels import LevelFacts, level_facts
from bonecast.report.model_facts import ModelFacts, read_models
from bonecast.report.tables import counted, read_table
from bonecast.sessions import baseline_rows
from bonecast.versions import package_versions

EMBEDDED_MODEL = "embedded_model"
"""Name of the model that comes with Bonecast, which has learned from synthetic scans alone."""


@dataclass(frozen=True)
class Paths:
    """Files of results the report is made from; None or empty for what the run does not have.

    `ct` are the records of everyone's conversion (ct.json); `models` are the settings.json of every
    endpoint, its tables beside it; `analysis_set` and `model_exclusions` are of the first;
    `benchmarks` is the folder of what each job took.
    """

    scans: Path | None = None
    vertebrae: Path | None = None
    exclusions: Path | None = None
    ledger: Path | None = None
    dictionary: Path | None = None
    level_sensitivity: Path | None = None
    outliers: Path | None = None
    reference: Path | None = None
    analysis_set: Path | None = None
    model_exclusions: Path | None = None
    models: Sequence[Path] = ()
    segmentations: Sequence[Path] = ()
    ct: Sequence[Path] = ()
    pictures: Sequence[Path] = ()
    figures: Sequence[Path] = ()
    benchmarks: Path | None = None


@dataclass
class Facts:
    """A cohort in numbers.

    Attributes:
        cohort: its name.
        synthetic: whether its patients are made up.
        steps: of the flow diagram; empty where there are no images.
        exclusions: dicts with scan (its name), stage, reason, sentence, detail.
        ledger: dicts with unit, fate, reason, n, sentence and remedy.
        sites: participants found at each site, that of the baseline scan.
        all_scans: the table of scans, None where there are no images.
        scans: the same of baseline scans.
        roi, hu_column, scope: ROI and column of the scan's mean HU, and its levels in words.
        levels: density by level.
        level_reasons: how many vertebrae were not measured, by reason.
        naming: how levels were named, None where there are no images.
        models: those of every endpoint, the first being told of first.
        segmentation: backend, model, device and versions of the segmentations, and how many.
        dictionary: described columns.
        versions: of the packages used.
        named_by_header: participants whose id is what their DICOM header calls them.
    """

    cohort: str
    synthetic: bool
    steps: list[Step] = field(default_factory=list)
    exclusions: list[dict] = field(default_factory=list)
    ledger: list[dict] = field(default_factory=list)
    sites: dict[str, int] = field(default_factory=dict)
    all_scans: pd.DataFrame | None = None
    scans: pd.DataFrame | None = None
    roi: str = ""
    hu_column: str = ""
    scope: str = ""
    levels: list[dict] = field(default_factory=list)
    level_reasons: list[dict] = field(default_factory=list)
    naming: LevelFacts | None = None
    models: list[ModelFacts] = field(default_factory=list)
    segmentation: list[dict] = field(default_factory=list)
    dictionary: list[dict] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    named_by_header: int = 0

    @property
    def has_scans(self) -> bool:
        """Whether there are scans, and not only a table of features and outcome."""
        return self.scans is not None

    @property
    def n_participants(self) -> int:
        """Participants found; fewer than scans where some have several."""
        return 0 if self.scans is None else len(self.scans)

    @property
    def has_sessions(self) -> bool:
        """Whether any participant has several scans."""
        return self.all_scans is not None and len(self.all_scans) > self.n_participants

    def reached(self, key: str) -> int | None:
        """Participants, or scans where some have several, that reached a step of the flow diagram.

        None where there is no such step.
        """
        return next((step.n for step in self.steps if step.key == key), None)

    def named_by_header_words(self) -> str:
        """What the reader is told of ids that are no pseudonyms."""
        n = self.named_by_header
        them = "it" if n == 1 else "them"
        return (
            f"{counted(n, 'participant')} called what the DICOM header calls {them}: use pseudonyms"
        )

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


def gather(paths: Paths, cohort: str, synthetic: bool, config: dict) -> Facts:
    """Read the results of a cohort.

    Args:
        cohort: its name.
        synthetic: whether its patients are made up.
        config: the merged configuration (keys `measure`).
    """
    facts = Facts(cohort, synthetic, versions={"bonecast": __version__} | package_versions())
    if paths.scans is not None:
        _add_measurements(facts, paths, config["measure"])
    facts.models = read_models(paths.models)
    if paths.scans is None and paths.model_exclusions is not None:
        facts.exclusions = read_table(paths.model_exclusions).to_dict("records")
        facts.steps = table_steps(pd.read_parquet(paths.analysis_set), facts.exclusions)
    for row in facts.exclusions:
        row["sentence"] = sentence_of(row["reason"])
        row["scan"] = name_of(row)
    return facts


def _add_measurements(facts: Facts, paths: Paths, measure: dict) -> None:
    facts.steps, facts.exclusions = read_flow(
        *(paths.scans, paths.exclusions, paths.ledger),
        *(paths.analysis_set, paths.model_exclusions),
    )
    facts.all_scans = pd.read_parquet(paths.scans)
    facts.scans = baseline_rows(facts.all_scans)
    facts.ledger = read_table(paths.ledger).to_dict("records")
    sites = facts.scans["site"].fillna("").replace("", "not named")
    facts.sites = sites.value_counts().sort_index().to_dict()
    facts.roi = measure["density"]["rois"][0]
    facts.hu_column = f"{facts.roi}_mean_{span(measure['summary_levels'])}_hu"
    facts.scope = scope(measure["summary_levels"])
    told = ("level", f"{facts.roi}_mean_hu", f"{facts.roi}_included")
    vertebrae = read_vertebrae(paths.vertebrae, (*told, *_reason_columns(facts.roi).values()))
    facts.levels = level_statistics(vertebrae, facts.roi).to_dict("records")
    facts.level_reasons = _level_reasons(vertebrae, facts.roi)
    facts.dictionary = pd.read_csv(paths.dictionary, dtype=str, keep_default_na=False).to_dict(
        "records"
    )
    facts.segmentation = _segmentations(paths.segmentations)
    facts.named_by_header = sum(
        bool(json.loads(Path(path).read_text(encoding="utf-8")).get("id_in_header"))
        for path in paths.ct
    )
    facts.naming = level_facts(
        paths.segmentations, read_table(paths.level_sensitivity), facts.all_scans
    )


def _reason_columns(roi: str) -> dict[str, str]:
    """Where the table of vertebrae says why density, height, strength or texture is not used."""
    columns = {"density": f"{roi}_reason", "height": "morphometry_reason"}
    return columns | {"strength": "strength_reason", "texture": "radiomics_reason"}


def _level_reasons(vertebrae: pd.DataFrame, roi: str) -> list[dict]:
    """Vertebrae whose density, height, strength or texture is not used, counted by reason."""
    rows = []
    for what, column in _reason_columns(roi).items():
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

"""A small tree of results, made up, with participants left out at every stage."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bonecast.dicom.table import COLUMNS
from bonecast.images import Volume
from bonecast.levels import VERSE_CODES
from bonecast.measure.collect import FAMILIES, ParticipantFiles, collect
from bonecast.measure.ledger import write_ledger
from bonecast.report.qc import draw_qc
from bonecast.report.qc_page import draw_exclusion_card, write_png

LEFT_OUT = {
    "D037": ("ingest", "empty_folder", "0 files"),
    "D038": ("convert", "corrupt_pixels", "slice 12 of 80"),
    "D039": ("ingest", "no_axial_ct", "1 series, a localizer"),
    "D040": ("segment", "levels_not_anchored", "3 vertebrae"),
}
TO_LOOK_AT = {
    "D005": {"level_state": "six_lumbar", "level_ambiguous": True, "level_detail": "T11 has ribs."},
    "D006": {"level_state": "four_lumbar", "level_ambiguous": False, "level_shift": -1},
    "D007": {"level_scan_flags": ["islands_dropped"]},
}
N = 40
LEVELS = ("T11", "T12", "L1", "L2", "L3", "L4", "L5")
BLOCKS = ("clinical", "hu", "radiomics", "multimodal")
SETTINGS = {
    "rois": ["hu_vol", "hu_circle200"],
    "summary_levels": ["L1", "L2", "L3", "L4"],
    "min_levels": 2,
    "level_shift": 0,
    "level_shift_scans": "ambiguous",
}


@dataclass(frozen=True)
class Results:
    """Folder of one cohort's results and who is in it."""

    folder: Path
    participants: list[str]

    def path(self, name: str) -> Path:
        return self.folder / name

    @property
    def pictures(self) -> list[Path]:
        return [self.folder / "participants" / p / "qc.png" for p in self.participants]

    @property
    def segmentations(self) -> list[Path]:
        return [self.folder / "participants" / p / "segmentation.json" for p in self.participants]


def _write_tsv(path, rows, columns):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


COMPOSITION = ["level", "region", "area_cm2", "density_hu", "method", "included", "reason"]


def _composition(rng, age_years, tissue):
    """Muscle and fat at L3; without masks of tissue back muscle and subcutaneous fat alone."""
    muscle = 60 - 0.4 * age_years + rng.normal(0, 4)
    regions = {"back_muscles": (None, muscle), "sat": (rng.normal(180, 40), -100)}
    if tissue:
        regions["back_muscles"] = (45, muscle)
        regions |= {"muscle": (rng.normal(130, 20), muscle), "vat": (rng.normal(150, 40), -95)}
    method = "masks" if tissue else "derived"
    return [
        dict(zip(COMPOSITION, ("L3", name, area, hu, method, "true", ""), strict=True))
        for name, (area, hu) in regions.items()
    ]


TEXTURE = ["level", "included", "reason", "rad_stat_var_ect3", "rad_cm_joint_entr_tu9b"]


def _participant(folder, name, site, rng, people) -> ParticipantFiles:
    home = folder / "participants" / name
    home.mkdir(parents=True)
    status = {"participant_id": name, "status": "ok", "backend": "nnunet", "device": "cpu"}
    status |= {"model": {"name": "embedded"}, "versions": {"nnunetv2": "2.8.1"}, "seconds": 3.0}
    named = {"level_confidence": 0.94, "flags": []}
    levels = {level: {"code": VERSE_CODES[level], **named} for level in LEVELS}
    status |= {"levels": levels, "flags": [], "level_state": "normal", "level_detail": ""}
    status |= {"level_ambiguous": False, "level_shift": None, "level_scan_flags": []}
    status |= {"left_right": "not_checked"}
    if name in TO_LOOK_AT:
        status |= TO_LOOK_AT[name]
    ct = {"status": "ok", "acquisition": {"kvp": 120.0, "kernel": "B40f"}}
    density, shapes, strength, texture, composition = [], [], [], [], []
    calibration = {"calibration_method": "table", "vbmd_standard": "k2hpo4", "r2": 0.999}
    calibration |= {"contrast_phase": "other" if people["number"] % 5 == 0 else "none"}
    calibration |= {"drift_hu_per_year": -3.0, "drift_beyond_limit": site == "b"}
    if name in LEFT_OUT:
        stage, reason, detail = LEFT_OUT[name]
        status = {"participant_id": name, "status": "excluded", "stage": stage, "reason": reason}
        status |= {"detail": detail}
        ct = {"status": "excluded"}
        calibration = {"calibration_method": "none", "reason": "scan_excluded"}
        write_png(draw_exclusion_card(name, "Left out."), home / "qc.png")
    else:
        bone = 330 - 2.6 * people["age_years"] + rng.normal(0, 20)
        people["hu"] = bone
        for i, level in enumerate(LEVELS):
            hu = bone - 4 * i + rng.normal(0, 5)
            grade = int(rng.random() < 0.06) * 2
            for roi, shift in (("hu_vol", 0), ("hu_circle200", 8)):
                values = {"mean_hu": hu + shift, "median_hu": hu, "sd_hu": 30, "n_voxels": 4000}
                values |= {"mean_vbmd_mgcc": 0.8 * (hu + shift), "vbmd_standard": "k2hpo4"}
                values |= {"calibration_method": "table"}
                density.append(
                    {"level": level, "roi": roi, "included": "true", "reason": "", **values}
                )
            shapes.append(
                {
                    "level": level,
                    "anterior_mm": 26 * (0.7 if grade else 1),
                    "posterior_mm": 27,
                    "wedge_ratio": 0.7 if grade else 0.96,
                    "genant_grade": grade,
                    "genant_type": "wedge" if grade else "none",
                    "included": "true",
                    "reason": "",
                }
            )
            row = {"level": level, "included": "true", "reason": ""}
            strength.append(row | {"ea_min_kn": 3 * hu, "strength_index": 0.02 * hu})
            texture.append(row | {"rad_stat_var_ect3": 900 + hu, "rad_cm_joint_entr_tu9b": 5.0})
        composition = _composition(rng, people["age_years"], tissue=site == "a")
        Image.new("RGB", (90, 60), (40, 90, 120)).save(home / "composition.png")
        if site == "a" or people["number"] < 9:
            write_png(_picture(name), home / "qc.png")
        else:
            write_png(draw_exclusion_card(name, "Stands for a picture."), home / "qc.png")
    _write_tsv(home / "density.tsv", density, list(density[0]) if density else ["level", "roi"])
    _write_tsv(home / "morphometry.tsv", shapes, list(shapes[0]) if shapes else ["level"])
    _write_tsv(home / "composition.tsv", composition, COMPOSITION)
    _write_tsv(home / "radiomics.tsv", texture, TEXTURE)
    _write_tsv(home / "strength.tsv", strength, list(strength[0]) if strength else ["level"])
    (home / "calibration.json").write_text(json.dumps(calibration))
    (home / "segmentation.json").write_text(json.dumps(status))
    (home / "ct.json").write_text(json.dumps(ct))
    stage, reason, _ = LEFT_OUT.get(name, ("", "", ""))
    series = [
        {"series": "S01", "chosen": "false", "reason": "localizer", "files": "0"},
        {"series": "S02", "chosen": "true", "files": "1-40", "copies": 2},
    ]
    if stage == "ingest":
        series = [{"chosen": "false", "reason": reason}]
    _write_tsv(home / "series.tsv", series, COLUMNS)
    return ParticipantFiles(
        name,
        site,
        *(home / f"{stem}.json" for stem in ("ct", "segmentation")),
        {stem: home / f"{stem}.tsv" for stem in FAMILIES},
        home / "calibration.json",
    )


def _picture(name):
    """Blocks for vertebrae on a grid of 3 mm."""
    codes = np.zeros((60, 60, 90), np.uint8)
    for i, level in enumerate(reversed(LEVELS)):
        codes[24:38, 26:37, 8 + 11 * i : 17 + 11 * i] = VERSE_CODES[level]
    ct = Volume(np.where(codes > 0, 250, 40).astype(np.int16), np.diag([3.0, 3.0, 3.0, 1.0]))
    return draw_qc(ct, ct.like(codes), ct.like(codes), name)


def _models(folder, people, rng):
    """Predictions, metrics and analysis set of people with known hazards."""
    folder.mkdir(parents=True)
    frame = pd.DataFrame(people)
    hazard = np.exp(-(frame["hu"] - frame["hu"].mean()) / 40)
    time = rng.exponential(4 / hazard)
    death, stop = rng.exponential(18, len(frame)), rng.uniform(2, 6, len(frame))
    frame["time_years"] = np.minimum(np.minimum(time, death), stop).round(3)
    frame["event"] = np.where(time <= np.minimum(death, stop), 1, np.where(death <= stop, 2, 0))
    kept = frame.iloc[:-1]
    columns = ["participant_id", "site", "time_years", "event", "age_years", "sex"]
    kept[columns].to_parquet(folder / "analysis_set.parquet", index=False)
    shared = {"endpoint": "fracture", "design": "repeated_nested_cv", "learner": "penalised_cox"}
    predictions, metrics = [], []
    for i, block in enumerate(BLOCKS):
        for repeat in range(2):
            noise = rng.normal(0, 1.2 - 0.3 * i, len(kept))
            lp = np.log(hazard.iloc[:-1]) + noise
            for horizon in (1.0, 3.0):
                risk = 1 - np.exp(-horizon / 5 * np.exp(lp))
                part = kept[["participant_id", "time_years", "event"]].assign(
                    block=block,
                    repeat=repeat,
                    fold=np.arange(len(kept)) % 5,
                    horizon_years=horizon,
                    lp=lp,
                    predicted=risk,
                    threshold=0.1,
                    risk_group=np.searchsorted(np.quantile(risk, [1 / 3, 2 / 3]), risk),
                    outcome=np.nan,
                    **shared,
                )
                predictions.append(part)
        for metric, horizon in (("c_index", ""), ("auc_t", 1.0), ("auc_t", 3.0), ("brier", 3.0)):
            value = 0.6 + 0.05 * i
            row = {"block": block, "metric": metric, "horizon_years": horizon, "value": value}
            row["threshold"] = ""
            row |= {"lower": value - 0.1, "upper": value + 0.1, "n": len(kept), "events": 14}
            metrics.append({**shared, **row, "reference": ""})
    delta = {"block": "multimodal", "metric": "delta_c_index", "horizon_years": "", "value": 0.15}
    delta |= {
        "threshold": "",
        "lower": 0.02,
        "upper": 0.27,
        "n": len(kept),
        "events": 14,
        "reference": "clinical",
    }
    metrics.append({**shared, **delta})
    pd.concat(predictions).to_parquet(folder / "predictions.parquet", index=False)
    _write_tsv(folder / "metrics.tsv", metrics, list(metrics[0]))
    last = frame.iloc[-1]["participant_id"]
    excluded = [
        {"participant_id": name, "stage": "model", "reason": "scan_excluded", "detail": "ingest"}
        for name in LEFT_OUT
    ]
    excluded += [
        {"participant_id": last, "stage": "model", "reason": "no_outcome", "detail": "event empty"},
        {"participant_id": "X999", "stage": "model", "reason": "no_scan", "detail": ""},
    ]
    _write_tsv(folder / "exclusions.tsv", excluded, list(excluded[0]))
    ratios = [
        {
            "endpoint": "fracture",
            "model": "univariable age_years",
            "term": "age_years",
            "unit": unit,
            "hr": hr,
            "lower": hr - 0.02,
            "upper": hr + 0.02,
            "p_value": 0.0004,
            "n": len(kept),
            "events": 14,
            "detail": "",
        }
        for unit, hr in (("1", 1.05), ("sd", 1.6))
    ]
    _write_tsv(folder / "hazard_ratios.tsv", ratios, list(ratios[0]))
    facts = {
        "status": "ok",
        "detail": "",
        "endpoint": "fracture",
        "estimand": "time to first fracture with death as competing event; time zero is the scan",
        "cohort": {
            "patients": len(kept),
            "fractures": int((kept["event"] == 1).sum()),
            "deaths": int((kept["event"] == 2).sum()),
            "censored": int((kept["event"] == 0).sum()),
            "person_years": float(kept["time_years"].sum()),
            "longest_follow_up_years": float(kept["time_years"].max()),
        },
        "design": {
            "folds": 5,
            "repeats": 2,
            "inner_folds": 4,
            "stratified_by": "event type",
            "seed": 1,
            "bootstrap": 200,
        },
        "reference": "clinical",
        "kind": "survival",
        "designs": [{"name": "repeated_nested_cv", "folds": 5, "repeats": 2}],
        "learners": ["penalised_cox"],
        "horizons_years": [1.0, 3.0],
        "warnings": [],
        "blocks": {block: {"columns": ["age_years", "sex_male"]} for block in BLOCKS},
        "definitions": {"c_index": "Wolbers' concordance", "intervals": "percentile bootstrap"},
        "versions": {"scikit-survival": "0.28.0"},
    }
    (folder / "settings.json").write_text(json.dumps(facts))


@pytest.fixture(scope="session")
def results(tmp_path_factory) -> Results:
    """Forty participants at two sites, four of them left out, one without outcome."""
    folder = tmp_path_factory.mktemp("results") / "tiny"
    rng = np.random.default_rng(7)
    files, people = [], []
    for number in range(1, N + 1):
        name, site = f"D{number:03d}", "ab"[number % 2]
        person = {"participant_id": name, "site": site, "number": number}
        person |= {"age_years": float(rng.integers(52, 88)), "sex": "FM"[int(rng.random() < 0.4)]}
        files.append(_participant(folder, name, site, rng, person))
        if name not in LEFT_OUT:
            people.append(person)
    tables = folder / "tables"
    tables.mkdir()
    collect(files, SETTINGS, tables)
    write_ledger(
        [one.ct.with_name("series.tsv") for one in files],
        *(tables / f"{name}" for name in ("scans.parquet", "exclusions.tsv", "vertebrae.parquet")),
        "hu_vol",
        *(tables / f"{name}.tsv" for name in ("series", "ledger")),
    )
    _models(folder / "models" / "fracture", people, rng)
    return Results(folder, [file.participant_id for file in files])


@pytest.fixture
def outputs(tmp_path):
    """Paths of the four files of a figure."""
    return {kind: str(tmp_path / f"figure.{kind}") for kind in ("pdf", "svg", "png", "csv")}

"""A made-up cohort is one that could have been measured."""

import importlib
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bonecast.measure.collect import FAMILIES, ParticipantFiles, collect
from bonecast.measure.ledger import read_series

BENCHMARKS = Path(__file__).resolve().parent
TABLES = {
    "density": [
        "level\troi\tmean_hu\tsd_hu\tn_voxels\tincluded\treason\treasons",
        "L1\thu_vol\t151.5\t30.25\t5000\ttrue\t\t100% used",
        "L2\thu_vol\t\t\t\tfalse\ttoo_small\ttoo_small",
    ],
    "morphometry": ["level\tanterior_mm\tincluded\treason", "L1\t25.5\ttrue\t"],
    "strength": ["level"],
    "composition": ["level\tregion\tmethod\tincluded", "L1\tmuscle\tmasks\ttrue"],
    "radiomics": ["level\tincluded\treason\trad_stat_mean_q4le", "L1\ttrue\t\t150.5"],
}
SETTINGS = {
    "rois": ["hu_vol"],
    "summary_levels": ["L1", "L2", "L3", "L4"],
    "min_levels": 2,
    "level_shift": 0,
    "level_shift_scans": "ambiguous",
}


@pytest.fixture(scope="module")
def fabricated():
    """The module beside this file."""
    sys.path.insert(0, str(BENCHMARKS))
    yield importlib.import_module("fabricated")
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def seeds(fabricated, tmp_path):
    """A scan of two levels that was measured, and one that was left out."""
    found = []
    for status in ("ok", "excluded"):
        home = tmp_path / status
        home.mkdir()
        about = {"status": status, "stage": "segment"}
        if status == "ok":
            facts = {"n_voxels": 900, "n_body_voxels": 500, "flags": [], "level_confidence": 0.9}
            about["levels"] = {"L1": facts, "L2": facts}
        for name, content in (
            ("ct", {"status": status, "acquisition": {"kvp": 120.0}}),
            ("segmentation", about),
            ("calibration", {"kvp": 120.0}),
        ):
            (home / f"{name}.json").write_text(json.dumps(content))
        for name, lines in TABLES.items():
            shown = lines if status == "ok" else lines[:1]
            (home / f"{name}.tsv").write_text("\n".join(shown) + "\n")
        series = ["series\tchosen\treason\tfiles\tcopies", "S01\tfalse\tlocalizer\t0\t0"]
        (home / "series.tsv").write_text("\n".join(series) + "\n")
        for name in fabricated.PICTURES:
            (home / name).write_bytes(b"picture")
        found.append(fabricated.read_seed(home, features=3))
    return found


def test_a_made_up_cohort_is_collected(fabricated, seeds, tmp_path):
    n = 60
    folder = tmp_path / "large" / "participants"
    rows = fabricated.fabricate(seeds, folder, n)
    homes = [folder / "_ses-".join(filter(None, list(row.values())[:2])) for row in rows]
    assert sorted(homes) == sorted(folder.iterdir()) and len(rows) == n
    files = [
        ParticipantFiles(
            row["participant_id"],
            row["site"],
            home / "ct.json",
            home / "segmentation.json",
            {name: home / f"{name}.tsv" for name in FAMILIES},
            home / "calibration.json",
            session_id=row["session_id"],
        )
        for row, home in zip(rows, homes, strict=True)
    ]
    found = collect(files, SETTINGS, tmp_path)
    assert (found.scans, found.vertebrae, found.exclusions) == (n, (n - 3) * 17, 3)
    table = pq.read_table(tmp_path / "vertebrae.parquet").to_pandas()
    hu = table["hu_vol_mean_hu"].dropna()
    # Half the levels are like L1, smaller by less than a tenth and no two the same.
    assert len(hu) == (n - 3) * 9 and hu.nunique() == len(hu)
    assert hu.between(151.5 * 0.93 * 0.97, 151.5).all()
    assert set(table["muscle_method"]) == {"masks"}
    assert set(table["hu_vol_reasons"]) == {"100% used", "too_small"}
    assert [name for name in table if name.startswith("rad_")] == [
        "rad_stat_mean_q4le",
        "rad_log_sigma_1_mm_stat_mean_q4le",
        "rad_log_sigma_3_mm_stat_mean_q4le",
    ]
    assert all((home / "qc.png").samefile(homes[0] / "qc.png") for home in homes[1:19])
    series = list(read_series(rows[:1], [homes[0] / "series.tsv"]))
    assert [row["series"] for row in series] == [f"S{i:02d}" for i in range(1, 21)]


def test_everyone_of_the_cohort_has_an_outcome(fabricated):
    rows = list(fabricated.scans_of_cohort(25))
    people = {row["participant_id"] for row in rows}
    assert len(rows) == 25 and 20 <= len(people) < 25
    assert {row["participant_id"] for row in fabricated.clinical_rows(rows)} == people

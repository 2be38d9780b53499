"""Results of a large cohort made up from those of a few scans that were measured.

Every scan gets the files of one of the few, with 17 levels, other numbers and a name of its own;
pictures are links to theirs. One scan in twenty was left out, one participant in ten has a second
session, one scan in twenty has something to be checked.
"""

import copy
import csv
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LEVELS = (*(f"T{number}" for number in range(1, 13)), *(f"L{number}" for number in range(1, 6)))
TABLES = ("density", "morphometry", "strength", "composition", "radiomics")
PICTURES = ("qc.png", "composition.png")
MASKS = ("vertebrae", "bodies", "tissue")
"""Not read by the steps over a cohort, nor is the CT: empty files."""
FILTERS = ("log_sigma_1_mm", "log_sigma_3_mm", "wavelet_lll")
"""Filters whose features are added to those measured, until a row of vertebrae is wide enough."""
RULES = ("ingest_scan", "label_vertebrae", "measure_scan")
"""Jobs of a scan, of which the report tells what they took."""
LEFT_OUT = (
    ("ingest", "no_axial_ct", "series found: 1 localizer"),
    ("ingest", "empty_folder", "0 files"),
    ("convert", "not_hu", "median 1043 in the body"),
    ("segment", "no_vertebra", "0 of the levels asked for"),
)
SITES = "ABCD"
SERIES = 20
"""Of each scan: what a hospital's archive has of one examination."""


@dataclass(frozen=True)
class Template:
    """A file in which some numbers are left open: `text` is filled with as many as `values`."""

    text: str
    values: np.ndarray

    def filled(self, random: np.random.Generator, size: float) -> str:
        """The file with every number made smaller, by up to a tenth, none by more than 3 %
        beyond `size`: a value stays where it can be."""
        factors = size * random.uniform(0.97, 1, len(self.values))
        return self.text % tuple(self.values * factors)


@dataclass(frozen=True)
class Seed:
    """What was measured in one scan: templates of tables, contents of JSON files, its folder."""

    folder: Path
    tables: dict[str, Template]
    series: str
    facts: dict[str, dict]

    @property
    def is_measured(self) -> bool:
        return self.facts["segmentation"]["status"] == "ok"


def read_seed(folder: Path, features: int) -> Seed:
    """Read the results of a scan.

    Args:
        folder: participants/<name> of a run with radiomics.
        features: columns of radiomics wanted.
    """
    facts = {
        name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("ct", "segmentation", "calibration")
    }
    levels = facts["segmentation"].get("levels") or {}
    whole = [name for name in LEVELS if not levels.get(name, {}).get("touches_border", True)]
    source = _nearest(whole) if levels else {}
    if levels:
        made = {level: dict(levels[other]) for level, other in source.items()}
        facts["segmentation"]["levels"] = made
    tables = {name: _template(folder / f"{name}.tsv", features, source) for name in TABLES}
    return Seed(folder, tables, _many_series(folder / "series.tsv"), facts)


def _many_series(path: Path) -> str:
    """A table of SERIES series: those that were not chosen several times."""
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    column = head.split("\t").index("chosen")
    others = [row for row in rows if row.split("\t")[column] != "true"]
    added = [others[number % len(others)] for number in range(SERIES - len(rows))]
    numbered = (f"S{n:02d}\t{row.partition('\t')[2]}" for n, row in enumerate([*rows, *added], 1))
    return "\n".join([head, *numbered]) + "\n"


def _nearest(whole: list[str]) -> dict[str, str]:
    """For each of LEVELS that of `whole` which is nearest."""
    places = {name: LEVELS.index(name) for name in whole}
    return {
        level: min(whole, key=lambda name: abs(places[name] - place))
        for place, level in enumerate(LEVELS)
    }


def _template(path: Path, features: int, source: dict[str, str]) -> Template:
    """A table with rows for LEVELS, each with the numbers of the level in `source`."""
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream, delimiter="\t")
    if path.stem == "radiomics":
        measured = [name for name in header if name.startswith("rad_")]
        added = [name.replace("rad_", f"rad_{f}_", 1) for f in FILTERS for name in measured]
        added = [name for name in added if "_stat_" in name][: max(0, features - len(measured))]
        places = [header.index("rad_stat_" + name.partition("_stat_")[2]) for name in added]
        header = header + added
        rows = [row + [row[place] for place in places] for row in rows]
    of_level: dict[str, list[list[str]]] = {}
    for row in rows:
        of_level.setdefault(row[0], []).append(row)
    lines, values = ["\t".join(header)], []
    for level, other in source.items():
        for row in of_level.get(other, ()):
            cells = [level]
            for cell in row[1:]:
                if "." in cell and _is_number(cell):
                    values.append(float(cell))
                    cells.append("%.9g")
                else:
                    cells.append(cell.replace("%", "%%"))
            lines.append("\t".join(cells))
    return Template("\n".join(lines) + "\n", np.array(values))


def _is_number(cell: str) -> bool:
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def scans_of_cohort(n: int) -> Iterator[dict]:
    """Rows of participants.tsv: every tenth participant has two of the `n` scans."""
    made = number = 0
    while made < n:
        row = {"participant_id": f"p{number:06d}", "session_id": "", "days": ""}
        row |= {"site": SITES[number % len(SITES)], "sex": "FM"[number % 2]}
        visits = [("1", "0"), ("2", "365")] if number % 10 == 0 and made + 2 <= n else [("", "")]
        for session, days in visits:
            yield row | {"session_id": session, "days": days}
        made += len(visits)
        number += 1


def fabricate(seeds: list[Seed], folder: Path, n: int, seed: int = 20260101) -> list[dict]:
    """Write the results of `n` scans into `folder`/<scan>, and return the rows of the cohort."""
    random = np.random.default_rng(seed)
    measured = [one for one in seeds if one.is_measured]
    lost = next(one for one in seeds if not one.is_measured)
    rows = list(scans_of_cohort(n))
    pictures = {one.folder: folder.parent / "pictures" / one.folder.name for one in seeds}
    for source, place in pictures.items():
        place.mkdir(parents=True)
        for name in PICTURES:
            shutil.copyfile(source / name, place / name)
    for number, row in enumerate(rows):
        name = "_ses-".join(filter(None, (row["participant_id"], row["session_id"])))
        home = folder / name
        home.mkdir(parents=True)
        is_lost = number % 20 == 19
        source = lost if is_lost else measured[number % len(measured)]
        _write(source, home, number, random)
        for name in PICTURES:
            os.link(pictures[source.folder] / name, home / name)
    for place in pictures.values():
        for name in PICTURES:
            # Made after all they were made from: links share one date.
            (place / name).touch()
    return rows


def _write(source: Seed, home: Path, number: int, random: np.random.Generator) -> None:
    size = random.uniform(0.93, 1)
    facts = copy.deepcopy(source.facts)
    facts["ct"]["participant_id"] = facts["segmentation"]["participant_id"] = home.name
    if source.is_measured:
        # One in a thousand is an earlier scan once more.
        digest = number - 1 if number % 1000 == 999 else number
        facts["ct"]["volume_digest"] = f"{digest:032x}"
        facts["ct"]["acquisition"]["patient_age_years"] = float(random.integers(50, 90))
        for level, about in facts["segmentation"]["levels"].items():
            odd = 0.4 if random.random() < 0.0005 else 1
            about["n_body_voxels"] = int(about["n_body_voxels"] * size**3 * odd)
            if number % 20 == 7 and level == "L3":
                about["level_confidence"] = 0.3
    else:
        why = dict(zip(("stage", "reason", "detail"), LEFT_OUT[number // 20 % 4], strict=True))
        facts["segmentation"] |= why
        if why["stage"] != "segment":
            facts["ct"] |= why
    # In the order of the rules: Snakemake compares dates.
    (home / "series.tsv").write_text(source.series, encoding="utf-8")
    (home / "ct.nii.gz").touch()
    _write_json(facts["ct"], home / "ct.json")
    for name in MASKS:
        (home / f"{name}.nii.gz").touch()
    _write_json(facts["segmentation"], home / "segmentation.json")
    for name, template in source.tables.items():
        (home / f"{name}.tsv").write_text(template.filled(random, size), encoding="utf-8")
    _write_json(facts["calibration"], home / "calibration.json")
    _write_benchmarks(home.parents[1] / "benchmarks" / "participants" / home.name, random)


def _write_json(content: dict, path: Path) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _write_benchmarks(home: Path, random: np.random.Generator) -> None:
    """What the jobs of a scan took, as Snakemake writes it."""
    home.mkdir(parents=True)
    for rule in RULES:
        seconds, mb = random.uniform(1, 10), random.uniform(100, 900)
        row = {"s": f"{seconds:.4f}", "max_rss": f"{mb:.2f}", "cpu_time": f"{seconds:.2f}"}
        text = "\t".join(row) + "\n" + "\t".join(row.values()) + "\n"
        (home / f"{rule}.tsv").write_text(text, encoding="utf-8")


def clinical_rows(rows: list[dict], seed: int = 20260101) -> list[dict]:
    """A clinical table of these participants, with an outcome for each."""
    random = np.random.default_rng(seed)
    people = {row["participant_id"]: row["sex"] for row in rows}
    return [
        {
            "participant_id": name,
            "age_years": int(random.integers(50, 90)),
            "sex": sex,
            "bmi": round(float(random.normal(26, 4)), 1),
            "time_years": round(float(random.exponential(4)) + 0.01, 2),
            "event": int(random.choice([0, 1, 2], p=[0.8, 0.12, 0.08])),
        }
        for name, sex in people.items()
    ]

"""docs/ingest.md says what is so: its columns, its weights, and its example, made again."""

import csv
import re

import pytest
import yaml

from bonecast.dicom.scoring import WEIGHTS, Settings
from bonecast.dicom.select import select_series
from bonecast.dicom.table import COLUMNS, write_series

SHOWN = ("series", "description_class", "spacing_mm", "kernel", "contrast", "extent_mm")
SHOWN += ("score", "reason", "detail")


@pytest.fixture(scope="module")
def page(repo) -> str:
    return (repo / "docs" / "ingest.md").read_text(encoding="utf-8")


@pytest.fixture
def export(ct, tmp_path):
    """What a scanner sends of one examination of an abdomen."""
    thin = {"slices": 60, "spacing_mm": 1.0, "SliceThickness": 1}
    thick = {"slices": 12, "spacing_mm": 5.0, "SliceThickness": 5}
    short = {"slices": 15, "spacing_mm": 2.0, "SliceThickness": 2}
    contrast = {"ContrastBolusAgent": "Iomeprol"}
    coronal = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1], "step_mm": (0, 1, 0)}
    for number, elements in enumerate(
        (
            {"slices": 1, "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]} | coronal,
            short | {"SeriesDescription": "nativ"},
            thick | contrast,
            thin | contrast,
            thin | contrast | {"ConvolutionKernel": "Bl57"},
            thick | contrast | coronal | {"ImageType": ["DERIVED", "SECONDARY", "MPR"]},
            {"slices": 1, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        ),
        start=1,
    ):
        uid = f"1.2.826.0.1.3680043.8.498.{number}"
        elements = {"SeriesDescription": None, "SeriesInstanceUID": uid} | elements
        ct.write(tmp_path / "in" / str(number), SeriesNumber=number, **elements)
    return tmp_path / "in"


def rendered(ct, export, path, override: str = "") -> list[str]:
    """The example's table as lines of Markdown."""
    index, _ = ct.decide(export)
    write_series(index, select_series(index, Settings(), override), path)
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return ["| " + " | ".join(row[name] for name in SHOWN) + " |" for row in rows]


def test_example(ct, export, page, tmp_path):
    lines = rendered(ct, export, tmp_path / "series.tsv")
    assert len(lines) == 7
    text = "\n".join(re.sub(" +", " ", line) for line in page.splitlines())
    expected = "\n".join(re.sub(" +", " ", line) for line in lines)
    assert expected in text, f"put this into docs/ingest.md:\n{expected}"


def test_example_with_a_named_series(ct, export, page, tmp_path):
    line = rendered(ct, export, tmp_path / "series.tsv", "S02")[1]
    assert f"`{line.rsplit(' | ', 1)[1].removesuffix(' |')}`" in page


def test_columns(page):
    described = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)
    names = [name for cell in described for name in re.findall(r"`(\w+)`", cell)]
    assert [name for name in names if name in COLUMNS] == list(COLUMNS)


def test_weights(page, repo):
    weights = yaml.safe_load((repo / "config.yaml").read_text(encoding="utf-8"))
    for name, weight in weights["ingest"]["weights"].items():
        assert f"| {name} | {weight} |" in page
    assert list(weights["ingest"]["weights"]) == list(WEIGHTS)

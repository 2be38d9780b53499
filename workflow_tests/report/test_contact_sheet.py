"""The contact sheet: pages, order, who is where."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bonecast.report import contact_sheet
from bonecast.report.contact_sheet import ACROSS, DOWN, draw_contact_sheet
from bonecast.report.qc_page import write_png

PER_PAGE = ACROSS * DOWN


@pytest.fixture
def sheet(tmp_path):
    """A function that makes a cohort of n and draws its sheet; returns rows of the CSV."""

    def draw(n, flags=(), excluded=(), outliers=(), corrected=()):
        pictures, segmentations = [], []
        for number in range(n):
            name = f"p{number:03d}"
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            write_png(np.full((60, 50, 3), 40 + number % 100, np.uint8), folder / "qc.png")
            about = {"participant_id": name, "status": "ok", "levels": {}, "flags": []}
            if number in flags:
                about["flags"] = ["The sacrum is far."]
            if number in excluded:
                about = {"participant_id": name, "status": "excluded", "reason": "no_vertebra"}
            if number in corrected:
                about["correction"] = {"edited": ["L1"]}
            (folder / "segmentation.json").write_text(json.dumps(about))
            pictures.append(folder / "qc.png")
            segmentations.append(folder / "segmentation.json")
        table = "participant_id\tlevel\tquantity\trobust_z\n"
        table += "".join(f"p{number:03d}\tL2\tvolume\t-7.25\n" for number in outliers)
        (tmp_path / "outliers.tsv").write_text(table)
        outputs = {kind: str(tmp_path / f"sheet.{kind}") for kind in ("pdf", "svg", "png", "csv")}
        draw_contact_sheet(pictures, segmentations, tmp_path / "outliers.tsv", outputs)
        with Path(outputs["csv"]).open(newline="") as stream:
            return list(csv.DictReader(stream))

    return draw


def test_everyone_is_on_the_sheet_and_those_to_be_checked_come_first(sheet):
    rows = sheet(30, flags=[11], excluded=[2, 5], outliers=[20], corrected=[5, 7])
    names = [row["participant_id"] for row in rows]
    assert sorted(names) == [f"p{number:03d}" for number in range(30)]
    # p005: its correction could not be used, so it is left out and to be checked.
    assert names[:3] == ["p011", "p020", "p005"]
    assert names[-1] == "p002"
    assert names[3:-1] == sorted(names[3:-1])
    by_name = {row["participant_id"]: row for row in rows}
    assert by_name["p011"]["checks"] == "The sacrum is far."
    assert "L2 volume -7.2" in by_name["p020"]["checks"]
    assert by_name["p007"]["corrected"] == "true"
    assert by_name["p007"]["picture"] == "participants/p007/qc.png"


def test_a_large_cohort_is_cut_into_pages(sheet, tmp_path):
    rows = sheet(2 * PER_PAGE + 3)
    assert [int(row["page"]) for row in rows] == [1] * PER_PAGE + [2] * PER_PAGE + [3] * 3
    assert [row["place"] for row in rows[-3:]] == ["1", "2", "3"]
    pdf = (tmp_path / "sheet.pdf").read_bytes()
    assert b"/Count 3" in pdf
    with Image.open(tmp_path / "sheet.png") as page:
        assert page.width < 2400 and page.height < 2400


def test_of_more_scans_than_there_are_pages_for_some_are_drawn_and_all_listed(
    sheet, tmp_path, monkeypatch
):
    monkeypatch.setattr(contact_sheet, "MAX_PAGES", 1)
    flags, far = range(1, 40), [7, 30]
    rows = sheet(100, flags=flags, outliers=far)
    assert [row["page"] for row in rows] == ["1"] * PER_PAGE + [""] * (100 - PER_PAGE)
    assert sorted(row["participant_id"] for row in rows) == [f"p{n:03d}" for n in range(100)]
    drawn = [int(row["participant_id"][1:]) for row in rows[:PER_PAGE]]
    # Half to be checked, those with two remarks surely; then others at even steps.
    assert [n for n in drawn if n in flags] == drawn[: PER_PAGE // 2] and set(far) <= set(drawn)
    others = drawn[PER_PAGE // 2 :]
    assert others[0] == 0 and set(np.diff(others[1:])) == {5}
    assert b"/Count 1" in (tmp_path / "sheet.pdf").read_bytes()


def test_the_same_pictures_give_the_same_files_without_a_date(sheet, tmp_path):
    sheet(PER_PAGE + 1, outliers=[3])
    first = [(tmp_path / f"sheet.{kind}").read_bytes() for kind in ("pdf", "svg", "png", "csv")]
    sheet(PER_PAGE + 1, outliers=[3])
    assert first == [
        (tmp_path / f"sheet.{kind}").read_bytes() for kind in ("pdf", "svg", "png", "csv")
    ]
    assert b"Date" not in first[0] and str(tmp_path).encode() not in first[0]


def test_an_empty_cohort_gives_an_empty_page(sheet):
    assert sheet(0) == []

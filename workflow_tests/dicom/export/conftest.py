"""Exports of several made-up patients, and what the target makes of them."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pytest

from bonecast.dicom.export.build import build_participants
from bonecast.dicom.listing import list_files

LOCALIZER = {
    "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
    "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
}


@dataclass
class Export:
    """An export and its private folder."""

    root: Path
    home: Path
    ct: object
    count: int = 0

    def add(self, folder: str = ".", slices: int = 3, **elements) -> list[Path]:
        """Write a small series; `elements` go over those of the test helpers."""
        self.count += 1
        number = elements.pop("number", self.count)
        return self.ct.write(
            self.root / folder,
            slices=slices,
            name=f"IM{self.count:03d}{{:03d}}",
            **{
                "PatientID": f"ID{number}",
                "PatientName": f"Family{number}^Given{number}",
                "PatientBirthDate": f"19400{number % 9 + 1}01",
                "StudyInstanceUID": f"1.2.826.0.1.3680043.8.498.7.{self.count}",
                "SeriesInstanceUID": f"1.2.826.0.1.3680043.8.498.8.{self.count}",
            }
            | elements,
        )

    def fill(self) -> None:
        """Patients in shared and several folders, and whatever else an export holds."""
        self.add("flat", number=1)
        self.add("flat", number=2)
        self.add("deep/er", number=1, StudyDate="20250229", slices=2)
        self.add("flat", number=3, Modality="MR", SOPClassUID="1.2.840.10008.5.1.4.1.1.4")
        self.add("flat", number=4, slices=1, **LOCALIZER)
        self.add("flat", number=5, PatientID=None)
        nothing = dict.fromkeys(("PatientID", "StudyInstanceUID", "SeriesInstanceUID"))
        self.add("flat", number=6, slices=1, **nothing)
        self.add("flat", number=8, slices=2, PatientID="", StudyInstanceUID=None)
        self.add("flat", number=7, slices=1, PatientID="Anonymous")
        directory = dict.fromkeys((*nothing, "Rows", "Columns"))
        self.add("flat", slices=1, SOPClassUID="1.2.840.10008.1.3.10", **directory)
        (self.root / "README").write_text("this is no DICOM file at all")
        (self.root / "empty").touch()
        (self.root / "old.zip").write_bytes(b"PK" + bytes(200))
        (self.root / "link").symlink_to(self.root / "nowhere")

    def build(self, **options):
        """Run the target's work with one process."""
        arguments = {"private": None, "sessions": False, "processes": 1} | options
        return build_participants(str(self.root), **arguments)

    def table(self, name: str = "participants") -> list[dict[str, str]]:
        """Rows of a table in the private folder."""
        with (self.home / f"{name}.tsv").open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream, delimiter="\t"))

    def id_of(self, patient_id: str) -> str:
        """The pseudonym of a patient id."""
        (found,) = {
            row["participant_id"] for row in self.table("key") if row["patient_id"] == patient_id
        }
        return found

    def row_of(self, patient_id: str) -> dict[str, str]:
        """The row of a patient id in participants.tsv."""
        name = self.id_of(patient_id)
        (row,) = (row for row in self.table() if row["participant_id"] == name)
        return row

    def files_of(self, row: dict[str, str]) -> list[Path]:
        """What the list of a row names."""
        return list_files(self.home / row["path"])

    def write(self, rows: list[dict[str, str]], name: str = "participants") -> None:
        """Write a table as a person would."""
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (self.home / f"{name}.tsv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, columns, delimiter="\t")
            writer.writeheader()
            writer.writerows(rows)

    def contents(self) -> dict[str, bytes]:
        """Content of everything in the private folder but the lock and the cache."""
        state = self.state().items()
        return {name: content for name, (content, _) in state if not name.startswith("index/")}

    def state(self) -> dict[str, tuple[bytes, int]]:
        """Content and date of everything in the private folder but the fault note and lock."""
        return {
            path.relative_to(self.home).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted(self.home.rglob("*"))
            if path.is_file() and path.name != "lock"
        }


@pytest.fixture
def export(tmp_path, ct) -> Export:
    """An empty export."""
    root = tmp_path / "export"
    root.mkdir()
    return Export(root, root / "bonecast", ct)

"""What a run of the target tells at its end: numbers and what to do next, nobody's name."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from bonecast.dicom.export.scans import Census, LeftOut, Scan
from bonecast.dicom.export.tables import Merged


@dataclass
class Summary:
    """Counts of an export.

    Attributes:
        files, patients, studies, series: in the export; series are those of the rows.
        rows: of participants.tsv, of which `new` are new and `gone` have no files any more.
        listed: files in the lists of those rows.
        lists_changed: lists that were written or got a new date.
        left_out: reason to (patients or sessions, files).
        warnings: kind of warning to rows.
        headers_read: files read in this run; the others were cached.
        archives: files that may hold scans and were not opened.
        seconds: that the run took.
    """

    files: int
    patients: int
    studies: int
    series: int
    rows: int
    new: int
    gone: int
    listed: int
    lists_changed: int
    left_out: dict[str, tuple[int, int]]
    warnings: dict[str, int]
    headers_read: int = 0
    archives: int = 0
    seconds: float = 0.0

    @classmethod
    def of(
        cls,
        table: pa.Table,
        census: Census,
        scans: Sequence[Scan],
        left: Sequence[LeftOut],
        merged: Merged,
        lists_changed: int,
    ) -> "Summary":
        """Count what was found and written."""
        left_out: dict[str, tuple[int, int]] = {}
        for one in left:
            of_reason, files = left_out.get(str(one.reason), (0, 0))
            left_out[str(one.reason)] = (
                of_reason + bool(one.participant_id),
                files + len(one.rows),
            )
        patients = {s.participant_id for s in scans} | {o.participant_id for o in left}
        warnings = Counter(
            _kind(part)
            for row in merged.rows
            for part in row.get("warnings", "").split("; ")
            if part
        )
        return cls(
            files=table.num_rows,
            patients=len(patients - {""}),
            studies=len({seen.study for seen in census.sightings} - {""}),
            series=sum(scan.series for scan in scans),
            rows=len(merged.rows),
            new=merged.new,
            gone=merged.gone,
            listed=table.num_rows - sum(files for _, files in left_out.values()),
            lists_changed=lists_changed,
            left_out=left_out,
            warnings=dict(warnings.most_common()),
        )

    def lines(self) -> list[str]:
        """The summary as a person reads it."""
        rate = self.headers_read / self.seconds if self.seconds else 0
        text = [
            f"{self.files} files, {self.patients} patients, {self.studies} studies; "
            f"{self.series} series in {self.rows} rows of participants.tsv",
            f"{self.headers_read} headers read in {self.seconds:.1f} s ({rate:.0f} files/s), "
            f"{self.files - self.headers_read} known from before",
            f"{self.new} rows new, {self.gone} without files now, "
            f"{self.lists_changed} lists written or changed",
        ]
        text += [
            f"left out: {files} files, {reason}" + (f" ({rows} patients or sessions)" * bool(rows))
            for reason, (rows, files) in sorted(self.left_out.items())
        ]
        text += [f"warning on {rows} rows: {kind}" for kind, rows in self.warnings.items()]
        if self.archives:
            text.append(
                f"{self.archives} archives (.zip and the like) were not opened: unpack them"
            )
        return text


def _kind(warning: str) -> str:
    """A warning without the participants and numbers in it."""
    words = re.sub(r"P[0-9a-f]{10}(, P[0-9a-f]{10})*( and \d+ others)?", "another", warning)
    return re.sub(r"\b\d+\b", "some", words)

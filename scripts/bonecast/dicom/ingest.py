"""From a participant's input to one checked CT: every series listed, one chosen and converted."""

from dataclasses import dataclass
from pathlib import Path

from bonecast.dicom.convert import convert_participant
from bonecast.dicom.identity import id_in_header
from bonecast.dicom.index import Index, index_source
from bonecast.dicom.resample import Resample
from bonecast.dicom.select import Decision, Settings, select_series
from bonecast.dicom.table import write_series


@dataclass(frozen=True)
class Ingested:
    """What came of a participant's input.

    Attributes:
        index: every series.
        decisions: on each of them.
        record: the content of ct.json.
    """

    index: Index
    decisions: list[Decision]
    record: dict[str, object]


def ingest_scan(
    scan_id: str,
    source: str | Path,
    series_table: str | Path,
    ct_path: str | Path,
    settings: Settings | None = None,
    override: str = "",
    days: float | None = None,
    secret: bytes = b"",
    threads: int = 1,
) -> Ingested:
    """List the series of an input, choose one and convert it.

    The table is written whatever comes of the conversion. A known defect gives an empty CT, and
    its reason is in the record.

    Args:
        scan_id: as in the names of results.
        source: DICOM folder, list of files or NIfTI file.
        series_table: where to write `series.tsv`.
        ct_path: where to write the CT.
        settings: how a series is chosen, and what may be made rectangular.
        override: name of the series (S01..) that the participants table wants measured.
        days: of the scan from the participant's first one, as the user gives it; None: the days of
            its study from the first one of the input.
        secret: mixed into the scanner's pseudonym.
        threads: processes that read headers.

    Raises:
        RuntimeError: the source changed while it was read, the disk is full, or dcm2niix died.
        OSError: a file vanished, or the disk fails.
    """
    settings = settings or Settings()
    index = index_source(source, threads)
    decisions = select_series(index, settings, override)
    write_series(index, decisions, series_table)
    resample = Resample(**settings.resample)
    record = convert_participant(scan_id, source, series_table, ct_path, resample, secret, days)
    record["id_in_header"] = id_in_header(scan_id, source)
    return Ingested(index, decisions, record)

"""The files of the chosen series, if the input still is what was listed."""

from pathlib import Path

from bonecast.dicom.listing import list_files, listing_digest
from bonecast.dicom.table import Choice


def chosen_files(source: str | Path, choice: Choice) -> list[Path]:
    """Files of a source that a choice names, in the order of its listing.

    Raises:
        RuntimeError: the source changed after its series were listed.
        OSError: the source cannot be read.
    """
    files = list_files(source) or []
    if listing_digest(source, files) != choice.listing:
        raise RuntimeError(
            "the input changed after its series were listed; "
            "run again with `--forcerun ingest_scan` for this participant"
        )
    return [files[index] for index in choice.files]

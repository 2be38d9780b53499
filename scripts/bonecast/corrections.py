"""Which participants have a mask corrected by hand, found while the workflow is planned.

A correction is a file in the corrections folder, named after its participant:
`<participant_id>.nii.gz` holds whole vertebrae, `<participant_id>_bodies.nii.gz` their bodies.
Standard library only: this runs in every job's own reading of the workflow.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from bonecast.cohort import CohortError, unknown_participant

SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd")
"""What ITK-SNAP and 3D Slicer save; the longer of two endings first."""

IMAGE_SUFFIXES = (*SUFFIXES, ".nhdr", ".mha", ".mhd", ".gipl", ".img", ".hdr", ".mgz", ".dcm")
"""Files with these endings are masks, also those that are not read: they are not passed over."""

BODIES = "_bodies"


@dataclass(frozen=True)
class Correction:
    """The files that replace a backend's result for one participant; empty: none.

    Attributes:
        mask: whole vertebrae.
        bodies: vertebral bodies.
    """

    mask: str = ""
    bodies: str = ""

    def digests(self) -> list[str]:
        """SHA-256 of each file: the same content is the same correction, whatever its date."""
        return [sha256(path) for path in (self.mask, self.bodies) if path]


def find_corrections(folder: str, participants: list[str]) -> dict[str, Correction]:
    """The corrections in a folder, by participant. A folder that is not there holds none.

    Hidden files, sub-folders and files that are no images are passed over.

    Raises:
        CohortError: lists every file that is for nobody of the cohort, with the ids that come
            near, that is of a kind not read, or that is there twice.
    """
    if not Path(folder).is_dir():
        return {}
    found: dict[str, Correction] = {}
    problems = []
    known = set(participants)
    for entry in sorted(Path(folder).iterdir()):
        ending = next((s for s in IMAGE_SUFFIXES if entry.name.lower().endswith(s)), None)
        if ending is None or entry.name.startswith(".") or not entry.is_file():
            continue
        name = entry.name[: -len(ending)]
        kind = "mask"
        if name not in known and name.endswith(BODIES):
            name, kind = name.removesuffix(BODIES), "bodies"
        current = found.get(name, Correction())
        if ending not in SUFFIXES:
            problems.append(f"{entry.name}: save it as one of {', '.join(SUFFIXES)}")
        elif name not in known:
            problems.append(f"{entry.name}: {unknown_participant(name, participants)}")
        elif getattr(current, kind):
            other = Path(getattr(current, kind)).name
            problems.append(f"{entry.name}: {other} is there too; keep one of them")
        else:
            found[name] = replace(current, **{kind: str(entry)})
    if problems:
        raise CohortError(f"corrections in {folder}:\n  " + "\n  ".join(problems))
    return found


def sha256(path: str) -> str:
    """SHA-256 of a file's content."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

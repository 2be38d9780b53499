"""Write the demo cohort to disk: DICOM folders, clinical table, and the truth kept apart."""

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from bonecast.images import save
from bonecast.levels import VERSE_CODES
from bonecast.phantom.anatomy import SPINE
from bonecast.phantom.cohort import Participant, clinical_table, draw_cohort, truth_tables
from bonecast.phantom.dicom import Study, thick
from bonecast.phantom.torso import POSTERIOR_OFFSET, SACRUM, image_torso


def write_participant(participant: Participant, dicom: Path, truth: Path) -> None:
    """One participant's folder of DICOM, and true masks on the grid of the wanted series."""
    folder = dicom / participant.participant_id
    folder.mkdir(parents=True, exist_ok=True)
    if participant.role == "empty":
        return
    torso = participant.torso()
    rng = np.random.default_rng([participant.seed, 4])
    ct, label = image_torso(torso, participant.scanner(torso), rng)
    study = Study(
        folder, participant.site, participant.participant_id, participant.row, participant.seed
    )
    study.localizer(ct)
    if participant.role == "localizer_only":
        return
    study.axial(ct, "Abdomen soft")
    if participant.role == "corrupt":
        truncate_slices(folder / "ST01/SE02")
        return
    if participant.seed % 3 == 0:
        thicker = thick(ct, 3)
        study.axial(thicker, f"Abdomen {thicker.spacing_mm[2]:g} mm")
    if participant.seed % 4 == 0:
        study.dose_report()
    bodies, whole = true_masks(label)
    name = f"{participant.participant_id}.nii.gz"
    save(ct.like(whole), truth / "masks" / name)
    save(ct.like(bodies), truth / "bodies" / name)


def truncate_slices(series: Path) -> None:
    """Cut the pixel data of some slices short, as a broken transfer does."""
    for path in sorted(series.iterdir())[10:14]:
        path.write_bytes(path.read_bytes()[:4000])


def true_masks(label: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bodies, and whole vertebrae with the sacrum, as VerSe codes (uint8)."""
    body, whole = np.zeros(256, np.uint8), np.zeros(256, np.uint8)
    for level in SPINE:
        code = VERSE_CODES[level]
        body[code] = whole[code] = whole[code + POSTERIOR_OFFSET] = code
    whole[SACRUM] = SACRUM
    return body[label], whole[label]


def write_demo_cohort(
    dicom: Path,
    clinical: Path,
    truth: Path,
    *,
    seed: int,
    workers: int,
    participants: list[str] | None = None,
) -> None:
    """Write everything.

    Args:
        dicom: one folder a participant is made in here.
        clinical: the clinical table to write (CSV).
        truth: folder for participants.csv, vertebrae.csv, masks/ and bodies/.
        seed: of the whole cohort.
        workers: processes.
        participants: ids to write; None writes all.

    Raises:
        ValueError: an id that is not in the demo.
    """
    cohort = draw_cohort(seed)
    if participants is not None:
        unknown = set(participants) - {p.participant_id for p in cohort}
        if unknown:
            raise ValueError(f"not in the demo cohort: {', '.join(sorted(unknown))}")
        cohort = [p for p in cohort if p.participant_id in participants]
    for folder in (dicom, truth / "masks", truth / "bodies", clinical.parent):
        folder.mkdir(parents=True, exist_ok=True)
    clinical_table(cohort).to_csv(clinical, index=False)
    people, vertebrae = truth_tables(cohort)
    people.to_csv(truth / "participants.csv", index=False)
    vertebrae.to_csv(truth / "vertebrae.csv", index=False)
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(write_participant, cohort, [dicom] * len(cohort), [truth] * len(cohort)))

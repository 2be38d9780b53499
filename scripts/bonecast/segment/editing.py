"""A folder in which a person corrects one scan's mask with ITK-SNAP or 3D Slicer."""

import shutil
from pathlib import Path

import numpy as np

from bonecast.images import load, save
from bonecast.levels import LEVELS, VERSE_CODES
from bonecast.report.palette import level_colour, rgb

ITKSNAP = "labels_itksnap.txt"
SLICER = "labels_slicer.ctbl"

ITKSNAP_HEAD = """\
################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
# Fields:
#    IDX:   Zero-based index
#    -R-:   Red color component (0..255)
#    -G-:   Green color component (0..255)
#    -B-:   Blue color component (0..255)
#    -A-:   Label transparency (0.00 .. 1.00)
#    VIS:   Label visibility (0 or 1)
#    MSH:   Label mesh visibility (0 or 1)
#  LABEL:   Label description
################################################
"""

READ_ME = """\
Correcting the vertebrae of {name}

  ct.nii.gz            the scan
  {name}.nii.gz        whole vertebrae, as segmented now; write-protected
  {name}_bodies.nii.gz vertebral bodies, as segmented now; write-protected
  {itksnap}   names and colours for ITK-SNAP
  {slicer}   names and colours for 3D Slicer

ITK-SNAP
  File > Open Main Image: ct.nii.gz. Segmentation > Open Segmentation: {name}.nii.gz.
  Segmentation > Import Label Descriptions: {itksnap}.
  Edit, then Segmentation > Save Segmentation Image, as NIfTI.

3D Slicer
  Add Data: ct.nii.gz; {slicer}; {name}.nii.gz as Segmentation, with that colour table chosen
  beside it. Edit in the Segment Editor. Save the segmentation as .seg.nrrd; or, in module
  Segmentations under Export/import, choose "Use color table values" and that colour table,
  export to a label map and save it as .nii.gz. Segments keep names such as L3.

Save the edited mask as

  {target}

(a path from the folder Bonecast is run in) and run Bonecast again: only what follows from this
mask is made again. Values must stay those of the label files (20 is L1, 26 the sacrum). A
vertebra you changed gets a new body, split from the whole vertebra; one you did not touch keeps
its own. To shape bodies yourself, save them in the same way as {name}_bodies.nii.gz.
Taking the file away brings the automatic result back.
"""


def itksnap_labels() -> str:
    """ITK-SNAP's label description file: every level by VerSe code, in the pictures' colours."""
    lines = ['    0     0    0    0        0  0  0    "Clear Label"']
    for level, code, (red, green, blue) in _labels():
        lines.append(f'{code:5d} {red:5d}{green:5d}{blue:5d}        1  1  1    "{level}"')
    return ITKSNAP_HEAD + "\n".join(lines) + "\n"


def slicer_labels() -> str:
    """3D Slicer's colour table: value, name, red, green, blue, opacity."""
    lines = ["# Color table file labels_slicer.ctbl", f"# {len(LEVELS) + 1} values"]
    lines.append("0 background 0 0 0 0")
    for level, code, (red, green, blue) in _labels():
        lines.append(f"{code} {level} {red} {green} {blue} 255")
    return "\n".join(lines) + "\n"


def _labels():
    by_code = sorted(LEVELS, key=VERSE_CODES.get)
    return [(level, VERSE_CODES[level], rgb(level_colour(level))) for level in by_code]


def write_editing_folder(
    folder: Path, name: str, ct: Path, vertebrae: Path, bodies: Path, corrections: str
) -> None:
    """Copy a scan and its masks to a folder of their own, with names and colours for editors.

    Args:
        folder: made here; nothing in it is read by Bonecast.
        name: the participant.
        ct, vertebrae, bodies: results; an empty mask file (nothing was segmented) becomes a mask
            without labels to draw in.
        corrections: the folder where the corrected mask belongs.

    Raises:
        ValueError: there is no scan to edit on.
    """
    if not ct.stat().st_size:
        raise ValueError(
            f"{name} was left out before segmentation: there is no scan to draw on. The reason is "
            "in ct.json of this participant and in the report."
        )
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ct, folder / "ct.nii.gz")
    for path, part in ((vertebrae, ""), (bodies, "_bodies")):
        copy = folder / f"{name}{part}.nii.gz"
        if path.stat().st_size:
            shutil.copyfile(path, copy)
        else:
            volume = load(ct)
            save(volume.like(np.zeros(volume.data.shape, np.uint8)), copy)
        # An editor's plain "Save" would leave the work where nothing reads it.
        copy.chmod(0o444)
    (folder / ITKSNAP).write_text(itksnap_labels(), encoding="utf-8")
    (folder / SLICER).write_text(slicer_labels(), encoding="utf-8")
    if Path(corrections).is_absolute():  # names a machine
        corrections = "<cohort.corrections of your configuration>"
    target = f"{corrections}/{name}.nii.gz"
    text = READ_ME.format(name=name, itksnap=ITKSNAP, slicer=SLICER, target=target)
    (folder / "README.txt").write_text(text, encoding="utf-8")

"""Tissue masks that the user has from elsewhere, whatever names the vertebrae."""

from dataclasses import replace
from pathlib import Path

from bonecast.images import Volume, load
from bonecast.segment.label import Labelled, check_grid
from bonecast.segment.labelmaps import read_mapping, recode
from bonecast.segment.tissues import TISSUE_CODES, TISSUE_CONVENTIONS, combine, present


def with_supplied_tissue(found: Labelled, ct: Volume, path: Path, labels: str) -> Labelled:
    """A scan with the user's own tissue map.

    A structure that the user's numbering names is taken from their map alone, any other from the
    backend's where it has one. Vertebrae are no tissue.

    Args:
        found: as labelled.
        ct: the scan.
        path: the user's map of the scan.
        labels: its numbering: a name in `TISSUE_CONVENTIONS`, or a file of `value: structure`.

    Raises:
        Excluded: the map lies on another grid than the scan.
        ValueError: the numbering is unknown or names a structure that is none.
    """
    names = read_mapping(labels, TISSUE_CONVENTIONS)
    unknown = sorted(set(names.values()) - set(TISSUE_CODES))
    if unknown:
        raise ValueError(
            f"segment.tissue_labels: no structure is called {', '.join(unknown)}. Known: "
            f"{', '.join(TISSUE_CODES)}"
        )
    mask = load(path)
    check_grid(mask, ct, "the tissue mask")
    codes = {value: TISSUE_CODES[name] for value, name in names.items()}
    tissue = recode(mask.data, codes)
    if found.tissue is not None:
        others = {code: code for code in TISSUE_CODES.values() if code not in codes.values()}
        tissue = combine(tissue, recode(found.tissue.data, others))
    tissue[found.whole.data > 0] = 0
    about = {"tissue": present(tissue), "tissue_labels": Path(labels).name}
    return replace(found, tissue=ct.like(tissue), provenance=found.provenance | about)

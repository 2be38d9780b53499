"""What the attenuation of vessels and organs says of contrast medium and its phase.

Which phase it is, is told by ratios of enhancement, from which tube voltage, dose and the patient's
size cancel. Only whether there is contrast medium at all is told by HU.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from scipy import ndimage

from bonecast.images import Volume
from bonecast.segment.tissues import Tissue

NATIVE_BLOOD_HU = 60.0
"""Unenhanced blood is not denser (20 +- 40 HU, the window of internal calibration)."""

NATIVE_HU = {"aorta": 40.0, "vena_cava": 40.0, "portal_vein": 40.0, "liver": 55.0}
"""Attenuation without contrast, from which enhancement is counted; blood as it was found in
TotalSegmentator's own unenhanced test scan (aorta 43, vena cava 39, portal vein 38 HU)."""

MIN_ENHANCEMENT_HU = 40.0
"""Less in the aorta tells contrast medium, but no phase: ratios of small numbers say nothing."""

PORTAL_RATIO = (0.5, 0.7)
"""Enhancement of the portal vein over that of the aorta: arterial up to the first, venous from the
second. A late arterial phase has an aorta of 290 to 360 HU and a portal vein of 145 +- 20 HU
(radiopaedia.org, Late arterial phase, rev. 2023), which is 0.3 to 0.5; 0.84 in the scan of 96 s
that is tested here."""

CAVA_RATIO = (0.3, 0.6)
"""The same of the inferior vena cava, which renal veins enhance early and legs late."""

LIVER_RATIO = 0.2
"""A liver that enhances less against the aorta has not reached its venous phase. Asked only where
there is no portal vein: 13 % of livers lie below 40 HU before contrast, and enhance less (1676
adults, Moeller et al., ARRS 2024, abstract 4710), so that fat looks like a phase too early."""

ENHANCED_KIDNEY_HU = 90.0
"""Unenhanced kidneys are far from it (12 and 16 HU, 30 in textbooks): with native blood, contrast
medium is being excreted that was given before."""

URINE_HU, URINE_RATIO, URINE_PERCENTILE = 400.0, 2.0, 99.0
"""Excreted contrast medium: so bright, and so much brighter than the kidney's median, is its
brightest hundredth. An arterial cortex is not: it is as bright as the aorta at most."""

EDGE_MM = {"aorta": 4.0, "vena_cava": 3.0, "portal_vein": 2.0}
"""Kept away from the wall in every slice: calcium and blur. Organs are measured whole."""

MIN_MM3 = {"aorta": 500.0, "vena_cava": 500.0, "portal_vein": 200.0, "liver": 5e4, "kidney": 1e4}
"""Less of a structure is not measured."""

STRUCTURES = {
    "aorta": (Tissue.AORTA,),
    "vena_cava": (Tissue.INFERIOR_VENA_CAVA,),
    "portal_vein": (Tissue.PORTAL_VEIN_AND_SPLENIC_VEIN,),
    "liver": (Tissue.LIVER,),
    "kidney": (Tissue.KIDNEY_LEFT, Tissue.KIDNEY_RIGHT),
}


@dataclass(frozen=True)
class Enhancement:
    """Median HU of structures, None where too little of one is segmented.

    Attributes:
        kidney_bright_hu: 99th percentile of the kidneys.
    """

    aorta_hu: float | None = None
    vena_cava_hu: float | None = None
    portal_vein_hu: float | None = None
    liver_hu: float | None = None
    kidney_hu: float | None = None
    kidney_bright_hu: float | None = None

    @property
    def phase(self) -> str | None:
        """One of `bonecast.phases.PHASE_WORDS`; None without an aorta."""
        if self.aorta_hu is None:
            return None
        kidney = self.kidney_hu
        if self.aorta_hu <= NATIVE_BLOOD_HU:
            return "late" if kidney is not None and kidney > ENHANCED_KIDNEY_HU else "none"
        if self._excretes():
            return "late"
        aorta = self.aorta_hu - NATIVE_HU["aorta"]
        if aorta < MIN_ENHANCEMENT_HU:
            return "contrast"
        if self.portal_vein_hu is not None:
            vein, limits = self.portal_vein_hu - NATIVE_HU["portal_vein"], PORTAL_RATIO
        elif self.vena_cava_hu is not None:
            vein, limits = self.vena_cava_hu - NATIVE_HU["vena_cava"], CAVA_RATIO
        else:
            return "contrast"
        if vein <= limits[0] * aorta:
            return "arterial"
        if vein < limits[1] * aorta:
            return "contrast"
        liver = self.liver_hu
        pale = liver is not None and liver - NATIVE_HU["liver"] < LIVER_RATIO * aorta
        pale = pale and self.portal_vein_hu is None
        return "contrast" if pale else "portal"

    def _excretes(self) -> bool:
        """Whether the kidneys hold excreted contrast medium."""
        if self.kidney_hu is None or self.kidney_bright_hu is None:
            return False
        return self.kidney_bright_hu >= max(URINE_HU, URINE_RATIO * self.kidney_hu)

    def facts(self) -> dict[str, float | None]:
        """For calibration.json."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: None if hu is None else round(hu, 1) for name, hu in values.items()}


def measure_enhancement(ct: Volume, tissue: Volume | None) -> Enhancement:
    """Attenuation of the structures that a scan's tissue map holds.

    Args:
        ct: HU.
        tissue: codes of bonecast.segment.tissues on the same grid.
    """
    if tissue is None:
        return Enhancement()
    boxes = _boxes(tissue.data)
    found: dict[str, float] = {}
    for name, codes in STRUCTURES.items():
        values = _values(ct, tissue, codes, boxes, EDGE_MM.get(name, 0.0))
        if len(values) and len(values) * ct.voxel_mm3 >= MIN_MM3[name]:
            found[f"{name}_hu"] = float(np.median(values))
            if name == "kidney":
                found["kidney_bright_hu"] = float(np.percentile(values, URINE_PERCENTILE))
    return Enhancement(**found)


def median_hu(ct: Volume, tissue: Volume, codes: Mapping[str, int]) -> dict[str, float]:
    """Median HU of whole structures by name; those that are not there are left out.

    Args:
        codes: code of each structure in `tissue`.
    """
    boxes = _boxes(tissue.data)
    values = {name: _values(ct, tissue, (code,), boxes, 0.0) for name, code in codes.items()}
    return {name: float(np.median(hu)) for name, hu in values.items() if len(hu)}


def _boxes(codes: np.ndarray) -> list[tuple[slice, ...] | None]:
    """Slices around each code, that of code 1 first; read in the order of memory."""
    if codes.flags.c_contiguous:
        return ndimage.find_objects(codes, max_label=max(Tissue))
    return [box and box[::-1] for box in ndimage.find_objects(codes.T, max_label=max(Tissue))]


def _values(ct: Volume, tissue: Volume, codes: tuple[int, ...], boxes: list, edge_mm: float):
    """HU of structures, at a distance from their outlines in each slice."""
    parts = [np.empty(0, ct.data.dtype)]
    for code in codes:
        box = boxes[code - 1]
        if box is None:
            continue
        mask = tissue.data[box] == code
        if edge_mm:
            mask = _inner(mask, ct.spacing_mm[:2], edge_mm)
        parts.append(ct.data[box][mask])
    return np.concatenate(parts)


def _inner(mask: np.ndarray, pixel_mm: tuple[float, ...], edge_mm: float) -> np.ndarray:
    """A mask without what lies nearer to its outline than `edge_mm` in a slice."""
    inner = np.zeros(mask.shape, bool)
    for k in range(mask.shape[2]):
        distance = ndimage.distance_transform_edt(np.pad(mask[:, :, k], 1), sampling=pixel_mm)
        inner[:, :, k] = distance[1:-1, 1:-1] >= edge_mm
    return inner

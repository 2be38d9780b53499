"""TotalSegmentator's own model of the contrast phase, where a scan has its inputs.

Five regressions (XGBoost) predict the seconds since injection from the median HU of 20 structures.
The package's own program segments the scan for it; here the segmentation that was made anyway is
used, and nothing else is run. XGBoost is no dependency of Bonecast: without it there is no
prediction, which is said.
"""

import hashlib
import importlib.util
import pickle
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bonecast.images import Volume
from bonecast.measure.enhancement import median_hu
from bonecast.phases import phases_at
from bonecast.segment.tissues import TISSUE_CODES, Tissue

ORGANS = (
    *("liver", "pancreas", "urinary_bladder", "gallbladder", "heart", "aorta"),
    *("inferior_vena_cava", "portal_vein_and_splenic_vein", "iliac_vena_left", "iliac_vena_right"),
    *("iliac_artery_left", "iliac_artery_right", "pulmonary_vein", "brain", "colon", "small_bowel"),
)
"""Structures of task total, in the model's order. Four vessels of the neck follow, which another
task segments: the package takes 0 for them where no brain is in view."""

N_NECK_VESSELS = 4

MAX_BRAIN_MM3 = 100.0
"""With more brain in view, the package segments the neck first; here there is no prediction."""

MIN_AORTA_MM3 = 500.0
"""Structures out of view count 0 HU, so a scan without vessels would be called native."""

PACKAGE_PHASES = {
    "native": "none",
    "arterial_early": "arterial",
    "arterial_late": "arterial",
    "portal_venous": "portal",
}
"""Phases as the package calls them. It calls 100 s and more portal venous too, for want of
training data (its source says so); here that is late."""

NATIVE_S = 10.0
"""Below, the package calls a scan native."""

CLASSIFIERS = "contrast_phase_classifiers_2024_07_19.pkl"
CLASSIFIERS_SHA256 = "7ecd43bf3fb6a6770c26c77cfbbb46e8a190eeddd53351138aa21715c4e273b2"
"""Of the file in TotalSegmentator 2.18.0. A pickle can run anything, so no other is opened."""

STATUSES = ("predicted", "no_inputs", "not_installed", "not_readable")
"""`no_inputs`: another backend's segmentation, no aorta, or a brain in view. `not_installed`:
TotalSegmentator or XGBoost is missing. `not_readable`: other classifiers, or an XGBoost that cannot
read them."""


class Regression(Protocol):
    """A model that predicts one number a row."""

    def predict(self, rows: Sequence[Sequence[float]]) -> Sequence[float]:
        """Seconds since injection."""


@dataclass(frozen=True)
class ModelPhase:
    """What the model says.

    Attributes:
        status: one of `STATUSES`.
        seconds: since injection, mean of the regressions; below 10 for a native scan.
    """

    status: str = "no_inputs"
    seconds: float | None = None

    @property
    def phases(self) -> tuple[str, ...]:
        """The phase and, near a limit, the one beyond it: the model's mean error is 6 s."""
        if self.seconds is None:
            return ()
        return ("none",) if self.seconds < NATIVE_S else phases_at(self.seconds)

    @property
    def phase(self) -> str | None:
        """none, arterial, portal or late; None where nothing was predicted."""
        return self.phases[0] if self.phases else None

    def facts(self) -> dict[str, object]:
        """For calibration.json."""
        return {
            "contrast_phase_model": self.phase,
            "contrast_model_s": None if self.seconds is None else round(self.seconds, 2),
            "contrast_model_status": self.status,
        }


def names_all_organs(segmentation: Mapping) -> bool:
    """Whether a tissue map is TotalSegmentator's: what is missing in it is out of view.

    Args:
        segmentation: content of segmentation.json.
    """
    supplied = segmentation.get("tissue_labels")
    if supplied is not None:
        return supplied == "totalsegmentator"
    return segmentation.get("backend") == "totalsegmentator"


def predict_phase(
    ct: Volume,
    tissue: Volume | None,
    complete: bool,
    load: Callable[[], Sequence[Regression]] | None = None,
) -> ModelPhase:
    """Ask the model.

    Args:
        ct: HU.
        tissue: codes of bonecast.segment.tissues on the same grid.
        complete: as from `names_all_organs`.
        load: gives the regressions; None: `load_classifiers`.
    """
    if tissue is None or not complete:
        return ModelPhase()
    for code, least, most in (
        (Tissue.AORTA, MIN_AORTA_MM3, float("inf")),
        (Tissue.BRAIN, 0.0, MAX_BRAIN_MM3),
    ):
        if not least <= int((tissue.data == code).sum()) * ct.voxel_mm3 <= most:
            return ModelPhase()
    try:
        regressions = (load or load_classifiers)()
    except ImportError:
        return ModelPhase("not_installed")
    except UnknownClassifiers:
        return ModelPhase("not_readable")
    medians = median_hu(ct, tissue, {name: TISSUE_CODES[name] for name in ORGANS})
    row = [medians.get(name, 0.0) for name in ORGANS] + [0.0] * N_NECK_VESSELS
    seconds = [float(one.predict([row])[0]) for one in regressions]
    return ModelPhase("predicted", statistics.fmean(seconds))


class UnknownClassifiers(Exception):
    """The classifiers are not those that are known, or cannot be read."""


def load_classifiers() -> list[Regression]:
    """The regressions of the installed TotalSegmentator.

    Raises:
        ImportError: TotalSegmentator or XGBoost is not installed.
        UnknownClassifiers: its file is another one, or this XGBoost cannot read it.
    """
    spec = importlib.util.find_spec("totalsegmentator")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("TotalSegmentator is not installed")
    import xgboost

    path = Path(next(iter(spec.submodule_search_locations)), "resources", CLASSIFIERS)
    if not path.is_file():
        raise UnknownClassifiers(f"{CLASSIFIERS} is not in the installed TotalSegmentator")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != CLASSIFIERS_SHA256:
        raise UnknownClassifiers(f"{CLASSIFIERS} is not that of TotalSegmentator 2.18.0")
    try:
        with warnings.catch_warnings():
            # XGBoost warns that an older one wrote them.
            warnings.simplefilter("ignore")
            return list(pickle.loads(content).values())
    except (xgboost.core.XGBoostError, AttributeError, TypeError, pickle.UnpicklingError) as error:
        raise UnknownClassifiers(f"XGBoost {xgboost.__version__} cannot read them") from error

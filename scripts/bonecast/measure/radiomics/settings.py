"""How radiomics are computed: the settings, and a named set of them per published protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from bonecast.measure.radiomics.names import FEATURES, FILTER_FAMILY, TEXTURE_FAMILIES, column

LOCAL_PEAK_MM = 6.3
"""Reach of the local intensity peak: the radius of a sphere of 1 cm3, rounded up."""

LOG_CUTOFF_SD = 4.0
"""Where the Laplacian of Gaussian ends (IBSI-2 phase 1, WGPM)."""

WAVELET_TAPS = {"haar": 2, "db2": 4, "db3": 6, "coif1": 6}
"""Wavelets offered, and the length of their filters: all that is in IBSI-2 and finite."""

WAVELET_BANDS = ("lll", "llh", "lhl", "lhh", "hll", "hlh", "hhl", "hhh")
"""Low or high pass along x, y and z."""

PRESETS: dict[str, dict] = {
    "bonecast": {},
    "ibsi_c": {"spacing_mm": 2.0, "resegment_hu": (-1000.0, 400.0), "ivh_bin_width_hu": 2.5},
    "ibsi_d": {"spacing_mm": 2.0, "outlier_sd": 3.0, "bin_count": 32},
    "ibsi_e": {
        "spacing_mm": 2.0,
        "interpolation": "cubic",
        "resegment_hu": (-1000.0, 400.0),
        "outlier_sd": 3.0,
        "bin_count": 32,
        "ivh_bin_count": 1000,
    },
    "pyradiomics_ct": {"interpolation": "cubic"},
}
"""What each protocol sets otherwise than `RadiomicsSettings`.

- `bonecast`: chosen here; as configuration C of the IBSI, at 1 mm instead of 2 mm and without
  re-segmentation, which would take sclerotic bone above 400 HU out of the region.
- `ibsi_c`, `ibsi_d`, `ibsi_e`: the image-processing configurations of the IBSI, three-dimensional
  (Zwanenburg et al., Radiology 2020;295:328; the reference manual's table of configurations).
- `pyradiomics_ct`: settings of `examples/exampleSettings/exampleCT.yaml` of pyradiomics (1 mm,
  B-spline, bins of 25 HU), which the workflow rtpipeline uses as well. The settings alone: the
  grid, the anchor of the bins and the definitions of the features remain those of the IBSI.
"""


@dataclass(frozen=True)
class RadiomicsSettings:
    """How features are computed; the defaults are the preset `bonecast`.

    Attributes:
        spacing_mm: isotropic voxel of the resampled grid.
        interpolation: of the image, `linear` or `cubic` (B-spline); the region's is linear.
        resegment_hu: lowest and highest HU that stay in the region; None: all.
        outlier_sd: voxels further than this many standard deviations from the region's mean leave
            it; None: none do.
        bin_width_hu: width of the grey-level bins.
        anchor_hu: lower edge of the first bin.
        bin_count: so many bins between the region's lowest and highest HU instead; None: not.
        ivh_bin_width_hu, ivh_bin_count: bins of the intensity-volume histogram alone; both None:
            whole HU.
        erosion_mm: distance of the region from the surface of the body; 0: the whole body.
        endplate_fraction: part of the body's height left out at each end-plate.
        families: families of features, keys of `FEATURES`.
        log_sigma_mm: widths of Laplacian-of-Gaussian filters.
        wavelet: undecimated wavelet of one level, a key of `WAVELET_TAPS`; None: none.
    """

    spacing_mm: float = 1.0
    interpolation: str = "linear"
    resegment_hu: tuple[float, float] | None = None
    outlier_sd: float | None = None
    bin_width_hu: float = 25.0
    anchor_hu: float = -1000.0
    bin_count: int | None = None
    ivh_bin_width_hu: float | None = None
    ivh_bin_count: int | None = None
    erosion_mm: float = 4.0
    endplate_fraction: float = 0.15
    # Histogram features repeat those of intensity at this bin width.
    families: tuple[str, ...] = ("intensity", *TEXTURE_FAMILIES)
    log_sigma_mm: tuple[float, ...] = ()
    wavelet: str | None = None

    @property
    def filters(self) -> tuple[str, ...]:
        """Names of the filtered images, in order."""
        names = [f"log{sigma:g}mm".replace(".", "p") for sigma in self.log_sigma_mm]
        if self.wavelet:
            names += [f"wavelet_{self.wavelet}_{band}" for band in WAVELET_BANDS]
        return tuple(names)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the features in the order of the table."""
        plain = [column(*item) for family in self.families for item in FEATURES[family].items()]
        filtered = [
            column(*item, name) for name in self.filters for item in FEATURES[FILTER_FAMILY].items()
        ]
        return (*plain, *filtered)

    @property
    def reach_mm(self) -> float:
        """How far beyond the region the resampled image is looked at.

        A Laplacian of Gaussian ends at four standard deviations, a wavelet of one level within the
        length of its filter, the local intensity peak at the radius of its sphere.
        """
        reaches = [LOG_CUTOFF_SD * sigma + self.spacing_mm for sigma in self.log_sigma_mm]
        if self.wavelet:
            reaches.append(WAVELET_TAPS[self.wavelet] * self.spacing_mm)
        if "local_intensity" in self.families:
            reaches.append(LOCAL_PEAK_MM + self.spacing_mm)
        return max(reaches, default=0.0)

    @property
    def needs_scan(self) -> bool:
        """Whether the crops of the bodies, made for linear interpolation, do not reach."""
        return self.interpolation == "cubic" or self.reach_mm > 0


def settings_of(section: Mapping) -> RadiomicsSettings:
    """The settings of the configuration's section `measure.radiomics`.

    Args:
        section: keys `preset`, `overrides` (settings that go before those of the preset) and
            those of the region, the families and the filters; others are passed over.

    Raises:
        ValueError: a setting that makes no sense with another.
    """
    known = {field.name for field in fields(RadiomicsSettings)}
    values = {key: value for key, value in section.items() if key in known}
    values |= PRESETS[section["preset"]] | dict(section["overrides"])
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    settings = RadiomicsSettings(**values)
    if settings.resegment_hu and settings.resegment_hu[0] >= settings.resegment_hu[1]:
        raise ValueError("measure.radiomics: resegment_hu: the first value must be the lower one")
    return settings

"""The methods in words, with the settings of this run and the sources of each definition."""

from bonecast.measure.composition.regions import REGIONS
from bonecast.measure.composition.summary import FALLBACK
from bonecast.measure.density import ROI_WORDS
from bonecast.measure.radiomics.settings import settings_of
from bonecast.report.facts import Facts
from bonecast.report.methods_models import model_methods
from bonecast.report.tables import counted, minus

LIMIT = "Research software, not a medical device: nothing on this page is a diagnosis."
LIMITS_OF_IMAGES = (
    "Automatic volumetric attenuation reads about 21 HU above a hand-drawn region (Jang et al., "
    "Radiology 2019;291:360), so thresholds from hand-drawn regions do not apply to it.",
    "Attenuation depends on tube voltage and contrast medium; no correction was applied.",
    "Genant grade 1 is a deformity, not a fracture; grades come from heights, not from a reader.",
)

CALIBRATION_WORDS = {
    "phantom": "regression on rods of a phantom in the scan",
    "phantom_mindways": "rods of a phantom in the scan, in the Mindways form",
    "table": "a table of the scanner's own calibrations",
    "internal_michalski2020": (
        "the patient's air, fat, muscle, blood and bone "
        "(Michalski et al., Med Eng Phys 2020, 10.1016/j.medengphy.2020.01.009)"
    ),
    "internal_linear": "the linear attenuation of the patient's air, fat, muscle, blood and bone",
}
"""How each method of calibration is described."""

NNUNET = "nnU-Net (Isensee et al., Nat Methods 2021;18:203)"
NETWORKS = {
    "nnunet": NNUNET,
    "totalsegmentator": (
        "TotalSegmentator (Wasserthal et al., Radiol Artif Intell 2023;5:e230024), which runs "
        f"{NNUNET}"
    ),
}
"""What is cited for a segmentation backend."""


def methods(facts: Facts, config: dict) -> list[tuple[str, list[str]]]:
    """Headings with their paragraphs.

    Args:
        config: the merged configuration.
    """
    sections = []
    if facts.scans is not None:
        sections += [
            ("Images", _images(facts, config)),
            ("Segmentation", _segmentation(facts)),
            ("Measurements", _measurements(facts, config["measure"])),
        ]
    for model in facts.models:
        heading = "Models" if len(facts.models) == 1 else f"Models of {model.words}"
        sections.append((heading, model_methods(model.settings, config["model"])))
    if facts.models:
        sections[-1][1].extend(_robustness(config["measure"], config["model"]["min_robustness"]))
    limits = [LIMIT, *(LIMITS_OF_IMAGES if facts.scans is not None else ())]
    sections.append(("Limits", limits))
    return sections


def _images(facts: Facts, config: dict) -> list[str]:
    ingest = config["ingest"]
    thickest = f"{ingest['max_thickness_mm']:g} mm"
    of = "scan" if facts.has_sessions else "participant"
    images = (
        "Series of DICOM folders were indexed from their headers. One axial CT series per "
        f"{of} was taken, of at least {ingest['min_slices']} slices at most {thickest} "
        "thick. It was converted with dcm2niix (Li et al., J Neurosci Methods 2016;264:47), and "
        "geometry and Hounsfield units were checked against the headers. NIfTI files were taken "
        "as they are and checked too. Names, dates and identifiers were not carried over."
    )
    if not facts.has_sessions:
        return [images]
    return [
        f"{images} Some participants had several scans: the {config['cohort']['baseline']} of each "
        "was taken as the baseline, which densities are told of and models rest on."
    ]


def _segmentation(facts: Facts) -> list[str]:
    words = []
    for way in facts.segmentation:
        scans = counted(way["n"], "scan")
        if way["backend"] == "corrections":
            words.append(f"{scans}: masks drawn by hand, where the backend found none.")
            continue
        if way.get("corrected"):
            scans += " (corrected by hand afterwards)"
        if way["backend"] == "masks":
            words.append(f"{scans}: masks supplied by the user.")
            continue
        model = (way["model"] or {}).get("name") or "not named"
        versions = ", ".join(f"{name} {version}" for name, version in way["versions"].items())
        per_scan = way["seconds"] / way["n"]
        words.append(
            f"{scans}: {NETWORKS[way['backend']]}, model {model}, "
            f"on {way['device']} ({versions}), {per_scan:.1f} s per scan."
        )
    if not words:
        return ["No scan was segmented."]
    words.append(
        "Levels that were not named by model or mask were counted from the sacrum, or from the "
        "lowest ribs where it is out of view. All names were checked: order, gaps, spacing, "
        "volume and height against the neighbours, pieces, leaks, and what sacrum, ribs and organs "
        "in view say. The confidence of a name is a score made of chosen weights, not a "
        "probability. Lumbosacral and thoracolumbar transitional vertebrae cannot be told apart "
        "without a count from C2; such scans are listed as ambiguous."
    )
    return words


def _measurements(facts: Facts, measure: dict) -> list[str]:
    density = measure["density"]
    rois = "; ".join(f"{roi}: {ROI_WORDS[roi]}" for roi in density["rois"])
    words = [
        f"Trabecular attenuation was measured in each vertebral body ({rois}). hu_vol keeps "
        f"{density['erosion_mm']:g} mm from the surface of the body and leaves out "
        f"{100 * density['endplate_fraction']:g} % of its height at each end-plate. "
        f"Scans are summarised over {facts.scope} with at least {measure['min_levels']} levels. "
        "Vertebrae on the list of excluded levels, cut by the border, with metal or cement, with a "
        "Genant grade of 1 or more, with values that spread far more than in the scan's other "
        "vertebrae, or with a value far from those of their neighbours take no part in summaries. "
        "Agreement of regions is the ICC(2,1) with limits of agreement from the variance between "
        "and within participants (Bland & Altman, J Biopharm Stat 2007;17:571).",
        "Anterior, middle and posterior heights were measured along each body's own axis, each "
        "with the standard error that the size of a voxel leaves. They were compared with the "
        "posterior height of the same vertebra, allowing for natural wedging, and with what up to "
        "four neighbours on each side let expect, those that are short left out. The greatest "
        "loss was graded after Genant et al. (JBMR 1993;8:1137); each grade has a probability, "
        "and slices over 3 mm are flagged. The spinal deformity index is the sum of grades T4 to "
        "L4 (Kerkeni et al., Osteoporos Int 2009;20:1547). Kyphosis, lordosis and the Cobb angle "
        "are taken between end-plates of a patient lying down.",
        _composition(),
    ]
    words += _density(facts, measure)
    if measure["radiomics"]["enabled"]:
        words.append(_radiomics(measure["radiomics"], facts.scope))
    return words


def _radiomics(section: dict, scope: str) -> str:
    """How features were computed: the preset with what the configuration overrides."""
    settings = settings_of(section)
    if settings.bin_count is None:
        anchor = minus(f"{settings.anchor_hu:g}")
        bins = f"bins of {settings.bin_width_hu:g} HU from {anchor} HU"
    else:
        bins = f"{settings.bin_count} bins between the region's lowest and highest HU"
    kept = []
    if settings.resegment_hu is not None:
        low, high = (minus(f"{value:g}") for value in settings.resegment_hu)
        kept.append(f"values from {low} to {high} HU kept")
    if settings.outlier_sd is not None:
        kept.append(f"values within {settings.outlier_sd:g} standard deviations kept")
    filters = f"; filtered images: {', '.join(settings.filters)}" if settings.filters else ""
    return (
        "Radiomics features of each body follow the IBSI (Zwanenburg et al., Radiology "
        f"2020;295:328), computed with pictologics (settings {section['preset']}): image resampled "
        f"to {settings.spacing_mm:g} mm by {settings.interpolation} interpolation, region "
        f"{settings.erosion_mm:g} mm inside the body{''.join(f', {words}' for words in kept)}, "
        f"families {', '.join(settings.families)}, {bins}{filters}. A scan's value is the median "
        f"over {scope}."
    )


def _density(facts: Facts, measure: dict) -> list[str]:
    """How densities and rigidity were computed, if they were."""
    methods = set(facts.scans.loc[facts.scans["vbmd_standard"].notna(), "calibration_method"])
    if not methods:
        return []
    standard = measure["calibration"]["standard"]
    words = "; ".join(CALIBRATION_WORDS[method] for method in sorted(methods))
    correction = measure["contrast"]["correction"]
    contrast = (
        "Density was not corrected for contrast medium."
        if correction == "none"
        else "A density corrected for contrast medium stands beside the measured one"
        + (f" ({correction})." if isinstance(correction, str) else " (offsets of the user).")
    )
    return [
        f"Density ({standard}-equivalent, mg/cm3) was calibrated from attenuation by {words}. "
        f"{contrast} Axial and bending rigidity of each vertebral body were summed over slices "
        f"across its axis (Buckley et al., Bone 2007;40:767; modulus: "
        f"{measure['strength']['law']}), from density not corrected for contrast medium; they and "
        "the strength index were not validated in newtons."
    ]


def _composition() -> str:
    windows = "; ".join(
        f"{REGIONS[name].words}: {minus(f'{low:g}')} to {minus(f'{high:g}')} HU"
        for name, (low, high) in (
            (name, REGIONS[name].window_hu) for name in ("muscle", "sat", "vat")
        )
    )
    return (
        "Muscle and fat were measured on the axial slice through the middle of each vertebral body "
        f"({windows}). A scan's values are those of the first level measured of "
        f"{', '.join(FALLBACK)} (Derstine et al., Sci Rep 2018;8:11369). Where a scan has no "
        "segmentation of tissue, subcutaneous fat and the attenuation of back muscles are derived "
        "from the CT. Aortic calcium is scored after Agatston from L1 to L4, on native scans only."
    )


def _robustness(measure: dict, limit: float | None) -> list[str]:
    """Which radiomics were modelled, where they had to be robust."""
    if limit is None:
        return []
    chosen = measure["radiomics"]["robustness"]
    return [
        "Radiomics were modelled only where the lower end of the 95 % interval of their ICC(2,1) "
        f"reached {limit:g}, over the scans of at most {chosen['participants']} participants drawn "
        f"at random and {chosen['perturbations']} chains of perturbations each (after Zwanenburg "
        "et al., Sci Rep 2019;9:614); these participants were left out of the models."
    ]

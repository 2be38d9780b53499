"""Names of the radiomics features: `rad_`, the IBSI's short tag, and the permanent IBSI code.

Tags as in the IBSI's tables of reference values, `cm_joint_entr`; codes as in the reference
manual, `TU9B`: the column is `rad_cm_joint_entr_tu9b`. A feature of a filtered image has the
filter's name after `rad_`. Source: Zwanenburg et al., Radiology 2020;295:328
(10.1148/radiol.2020191145).

Every feature listed has a consensus value that the tests compare with. Two that have one are left
out: the normalised inverse difference (NDRX) and its moment (1QCO) divide by the number of grey
levels, which conformant libraries count from the first bin of the scale or from the lowest level
present: they differ as soon as bins are anchored.
"""

import re
from collections.abc import Iterable
from functools import cache

from bonecast.measure.columns import LEVEL, Column, included, reason

IBSI = "IBSI reference manual, Zwanenburg et al., Radiology 2020;295:328"

FEATURES: dict[str, dict[str, str]] = {
    "morphology": {
        "volume_RNU0": "morph_volume",
        "volume_voxel_counting_YEKZ": "morph_vol_approx",
        "surface_area_C0JK": "morph_area_mesh",
        "surface_to_volume_ratio_2PR5": "morph_av",
        "compactness_1_SKGS": "morph_comp_1",
        "compactness_2_BQWJ": "morph_comp_2",
        "spherical_disproportion_KRCK": "morph_sph_dispr",
        "sphericity_QCFX": "morph_sphericity",
        "asphericity_25C7": "morph_asphericity",
        "center_of_mass_shift_KLMA": "morph_com",
        "maximum_3d_diameter_L0JK": "morph_diam",
        "major_axis_length_TDIC": "morph_pca_maj_axis",
        "minor_axis_length_P9VJ": "morph_pca_min_axis",
        "least_axis_length_7J51": "morph_pca_least_axis",
        "elongation_Q3CK": "morph_pca_elongation",
        "flatness_N17B": "morph_pca_flatness",
        "volume_density_aabb_PBX1": "morph_vol_dens_aabb",
        "area_density_aabb_R59B": "morph_area_dens_aabb",
        "volume_density_aee_6BDE": "morph_vol_dens_aee",
        "area_density_aee_RDD2": "morph_area_dens_aee",
        "volume_density_convex_hull_R3ER": "morph_vol_dens_conv_hull",
        "area_density_convex_hull_7T7F": "morph_area_dens_conv_hull",
        "integrated_intensity_99N0": "morph_integ_int",
    },
    "spatial_intensity": {
        "morans_i_index_N365": "morph_moran_i",
        "gearys_c_measure_NPT7": "morph_geary_c",
    },
    "local_intensity": {
        "local_intensity_peak_VJGA": "loc_peak_loc",
        "global_intensity_peak_0F91": "loc_peak_glob",
    },
    "intensity": {
        "mean_intensity_Q4LE": "stat_mean",
        "intensity_variance_ECT3": "stat_var",
        "intensity_skewness_KE2A": "stat_skew",
        "intensity_kurtosis_IPH6": "stat_kurt",
        "median_intensity_Y12H": "stat_median",
        "minimum_intensity_1GSF": "stat_min",
        "10th_intensity_percentile_QG58": "stat_p10",
        "90th_intensity_percentile_8DWT": "stat_p90",
        "maximum_intensity_84IY": "stat_max",
        "intensity_interquartile_range_SALO": "stat_iqr",
        "intensity_range_2OJQ": "stat_range",
        "intensity_mean_absolute_deviation_4FUA": "stat_mad",
        "intensity_robust_mean_absolute_deviation_1128": "stat_rmad",
        "intensity_median_absolute_deviation_N72L": "stat_medad",
        "intensity_coefficient_of_variation_7TET": "stat_cov",
        "intensity_quartile_coefficient_of_dispersion_9S40": "stat_qcod",
        "intensity_energy_N8CA": "stat_energy",
        "root_mean_square_intensity_5ZWQ": "stat_rms",
    },
    "histogram": {
        "mean_discretised_intensity_X6K6": "ih_mean",
        "discretised_intensity_variance_CH89": "ih_var",
        "discretised_intensity_skewness_88K1": "ih_skew",
        "discretised_intensity_kurtosis_C3I7": "ih_kurt",
        "median_discretised_intensity_WIFQ": "ih_median",
        "minimum_discretised_intensity_1PR8": "ih_min",
        "10th_discretised_intensity_percentile_1PR": "ih_p10",
        "90th_discretised_intensity_percentile_GPMT": "ih_p90",
        "maximum_discretised_intensity_3NCY": "ih_max",
        "intensity_histogram_mode_AMMC": "ih_mode",
        "discretised_intensity_interquartile_range_WR0O": "ih_iqr",
        "discretised_intensity_range_5Z3W": "ih_range",
        "intensity_histogram_mean_absolute_deviation_D2ZX": "ih_mad",
        "intensity_histogram_robust_mean_absolute_deviation_WRZB": "ih_rmad",
        "intensity_histogram_median_absolute_deviation_4RNL": "ih_medad",
        "intensity_histogram_coefficient_of_variation_CWYJ": "ih_cov",
        "intensity_histogram_quartile_coefficient_of_dispersion_SLWD": "ih_qcod",
        "discretised_intensity_entropy_TLU2": "ih_entropy",
        "discretised_intensity_uniformity_BJ5W": "ih_uniformity",
        "maximum_histogram_gradient_12CE": "ih_max_grad",
        "maximum_histogram_gradient_intensity_8E6O": "ih_max_grad_g",
        "minimum_histogram_gradient_VQB3": "ih_min_grad",
        "minimum_histogram_gradient_intensity_RHQZ": "ih_min_grad_g",
    },
    "ivh": {
        "volume_at_intensity_fraction_0.10_BC2M_10": "ivh_v10",
        "volume_at_intensity_fraction_0.90_BC2M_90": "ivh_v90",
        "intensity_at_volume_fraction_0.10_GBPN_10": "ivh_i10",
        "intensity_at_volume_fraction_0.90_GBPN_90": "ivh_i90",
        "volume_fraction_difference_between_intensity_0.10_and_0.90_fractions_DDTU": (
            "ivh_diff_v10_v90"
        ),
        "intensity_fraction_difference_between_volume_0.10_and_0.90_fractions_CNV2": (
            "ivh_diff_i10_i90"
        ),
    },
    "glcm": {
        "joint_maximum_GYBY": "cm_joint_max",
        "joint_average_60VM": "cm_joint_avg",
        "joint_variance_UR99": "cm_joint_var",
        "joint_entropy_TU9B": "cm_joint_entr",
        "difference_average_TF7R": "cm_diff_avg",
        "difference_variance_D3YU": "cm_diff_var",
        "difference_entropy_NTRS": "cm_diff_entr",
        "sum_average_ZGXS": "cm_sum_avg",
        "sum_variance_OEEB": "cm_sum_var",
        "sum_entropy_P6QZ": "cm_sum_entr",
        "angular_second_moment_8ZQL": "cm_energy",
        "contrast_ACUI": "cm_contrast",
        "dissimilarity_8S9J": "cm_dissimilarity",
        "inverse_difference_IB1Z": "cm_inv_diff",
        "inverse_difference_moment_WF0Z": "cm_inv_diff_mom",
        "inverse_variance_E8JP": "cm_inv_var",
        "correlation_NI2N": "cm_corr",
        "autocorrelation_QWB0": "cm_auto_corr",
        "cluster_tendency_DG8W": "cm_clust_tend",
        "cluster_shade_7NFM": "cm_clust_shade",
        "cluster_prominence_AE86": "cm_clust_prom",
        "information_correlation_1_R8DG": "cm_info_corr1",
        "information_correlation_2_JN9H": "cm_info_corr2",
    },
    "glrlm": {
        "short_runs_emphasis_22OV": "rlm_sre",
        "long_runs_emphasis_W4KF": "rlm_lre",
        "low_grey_level_run_emphasis_V3SW": "rlm_lgre",
        "high_grey_level_run_emphasis_G3QZ": "rlm_hgre",
        "short_run_low_grey_level_emphasis_HTZT": "rlm_srlge",
        "short_run_high_grey_level_emphasis_GD3A": "rlm_srhge",
        "long_run_low_grey_level_emphasis_IVPO": "rlm_lrlge",
        "long_run_high_grey_level_emphasis_3KUM": "rlm_lrhge",
        "grey_level_non_uniformity_R5YN": "rlm_glnu",
        "normalised_grey_level_non_uniformity_OVBL": "rlm_glnu_norm",
        "run_length_non_uniformity_W92Y": "rlm_rlnu",
        "normalised_run_length_non_uniformity_IC23": "rlm_rlnu_norm",
        "run_percentage_9ZK5": "rlm_r_perc",
        "grey_level_variance_8CE5": "rlm_gl_var",
        "run_length_variance_SXLW": "rlm_rl_var",
        "run_entropy_HJ9O": "rlm_rl_entr",
    },
    "glszm": {
        "small_zone_emphasis_P001": "szm_sze",
        "large_zone_emphasis_48P8": "szm_lze",
        "low_grey_level_zone_emphasis_XMSY": "szm_lgze",
        "high_grey_level_zone_emphasis_5GN9": "szm_hgze",
        "small_zone_low_grey_level_emphasis_5RAI": "szm_szlge",
        "small_zone_high_grey_level_emphasis_HW1V": "szm_szhge",
        "large_zone_low_grey_level_emphasis_YH51": "szm_lzlge",
        "large_zone_high_grey_level_emphasis_J17V": "szm_lzhge",
        "grey_level_non_uniformity_JNSA": "szm_glnu",
        "normalised_grey_level_non_uniformity_Y1RO": "szm_glnu_norm",
        "zone_size_non_uniformity_4JP3": "szm_zsnu",
        "normalised_zone_size_non_uniformity_VB3A": "szm_zsnu_norm",
        "zone_percentage_P30P": "szm_z_perc",
        "grey_level_variance_BYLV": "szm_gl_var",
        "zone_size_variance_3NSA": "szm_zs_var",
        "zone_size_entropy_GU8N": "szm_zs_entr",
    },
    "gldzm": {
        "small_distance_emphasis_0GBI": "dzm_sde",
        "large_distance_emphasis_MB4I": "dzm_lde",
        "low_grey_level_zone_emphasis_S1RA": "dzm_lgze",
        "high_grey_level_zone_emphasis_K26C": "dzm_hgze",
        "small_distance_low_grey_level_emphasis_RUVG": "dzm_sdlge",
        "small_distance_high_grey_level_emphasis_DKNJ": "dzm_sdhge",
        "large_distance_low_grey_level_emphasis_A7WM": "dzm_ldlge",
        "large_distance_high_grey_level_emphasis_KLTH": "dzm_ldhge",
        "grey_level_non_uniformity_VFT7": "dzm_glnu",
        "normalised_grey_level_non_uniformity_7HP3": "dzm_glnu_norm",
        "zone_distance_non_uniformity_V294": "dzm_zdnu",
        "normalised_zone_distance_non_uniformity_IATH": "dzm_zdnu_norm",
        "zone_percentage_VIWW": "dzm_z_perc",
        "grey_level_variance_QK93": "dzm_gl_var",
        "zone_distance_variance_7WT1": "dzm_zd_var",
        "zone_distance_entropy_GBDU": "dzm_zd_entr",
    },
    "ngtdm": {
        "coarseness_QCDE": "ngt_coarseness",
        "contrast_65HE": "ngt_contrast",
        "busyness_NQ30": "ngt_busyness",
        "complexity_HDEZ": "ngt_complexity",
        "strength_1X9X": "ngt_strength",
    },
    "ngldm": {
        "low_dependence_emphasis_SODN": "ngl_lde",
        "high_dependence_emphasis_IMOQ": "ngl_hde",
        "low_grey_level_count_emphasis_TL9H": "ngl_lgce",
        "high_grey_level_count_emphasis_OAE7": "ngl_hgce",
        "low_dependence_low_grey_level_emphasis_EQ3F": "ngl_ldlge",
        "low_dependence_high_grey_level_emphasis_JA6D": "ngl_ldhge",
        "high_dependence_low_grey_level_emphasis_NBZI": "ngl_hdlge",
        "high_dependence_high_grey_level_emphasis_9QMG": "ngl_hdhge",
        "grey_level_non_uniformity_FP8K": "ngl_glnu",
        "normalised_grey_level_non_uniformity_5SPA": "ngl_glnu_norm",
        "dependence_count_non_uniformity_Z87G": "ngl_dcnu",
        "normalised_dependence_count_non_uniformity_OKJI": "ngl_dcnu_norm",
        "dependence_count_percentage_6XV8": "ngl_dc_perc",
        "grey_level_variance_1PFV": "ngl_gl_var",
        "dependence_count_variance_DNX2": "ngl_dc_var",
        "dependence_count_entropy_FCBV": "ngl_dc_entr",
        "dependence_count_energy_CAS9": "ngl_dc_energy",
    },
}
"""By family: the library's name of each feature, with its code, and its tag."""

TEXTURE_FAMILIES = ("glcm", "glrlm", "glszm", "gldzm", "ngtdm", "ngldm")
"""Families computed from matrices of grey levels, three-dimensional and merged."""

FILTER_FAMILY = "intensity"
"""What is computed of filtered images: the IBSI's consensus on filters (Whybra et al., Radiology
2024;310:e231319) is of intensity statistics alone, and response maps have no common grey scale."""

UNITS_HU = re.compile(
    r"stat_(mean|median|min|p10|p90|max|iqr|range|mad|rmad|medad|rms)|loc_peak_\w+"
)
UNITS_MM = {
    "morph_volume": "mm3",
    "morph_vol_approx": "mm3",
    "morph_area_mesh": "mm2",
    "morph_av": "1/mm",
    "morph_com": "mm",
    "morph_diam": "mm",
    "morph_pca_maj_axis": "mm",
    "morph_pca_min_axis": "mm",
    "morph_pca_least_axis": "mm",
    "morph_integ_int": "HU mm3",
}


def code(library_name: str) -> str:
    """The permanent IBSI code at the end of a library's name."""
    return re.search(r"_([A-Z0-9]{3,4})(?:_\d+)?$", library_name)[1]


@cache
def column(library_name: str, tag: str, filtered: str = "") -> str:
    """Name of a feature in tables."""
    return "_".join(filter(None, ("rad", filtered, tag, code(library_name).lower())))


def describe(name: str) -> tuple[str, str]:
    """Unit and definition of a column, as `column` named it.

    Raises:
        ValueError: no such feature.
    """
    filtered, tag = _split(name)
    family, long = _BY_TAG[tag]
    words = re.sub(r"_[A-Z0-9]{3,4}(_\d+)?$", "", long).replace("_", " ")
    unit = UNITS_MM.get(tag, "HU" if UNITS_HU.fullmatch(tag) else "")
    definition = f"{family}: {words} (IBSI {code(long)})"
    if filtered:
        return "", f"{definition}, of the image filtered by {filtered.replace('_', ' ')}"
    return unit, definition


def feature_columns(features: Iterable[str]) -> tuple[Column, ...]:
    """The columns of features, by name."""
    return tuple(Column(name, *describe(name), IBSI, block="radiomics") for name in features)


RADIOMICS_SHARED = (
    included("the texture enters summaries"),
    reason("Why the texture does not enter summaries"),
)


def radiomics_columns(features: Iterable[str]) -> tuple[Column, ...]:
    """Columns of radiomics.tsv, in order."""
    return (LEVEL, *RADIOMICS_SHARED, *feature_columns(features))


CHAIN = Column("chain", "", "Number of the chain of perturbations; 0: as it is", kind="int", low=0)


def perturbed_columns(features: Iterable[str]) -> tuple[Column, ...]:
    """Columns of radiomics_perturbed.tsv."""
    return (LEVEL, CHAIN, *feature_columns(features))


_BY_TAG = {tag: (family, long) for family, names in FEATURES.items() for long, tag in names.items()}


def _split(name: str) -> tuple[str, str]:
    """Filter and tag of a column: the filter is what comes before a tag that is known."""
    parts = name.removeprefix("rad_").split("_")[:-1]
    for start in range(len(parts)):
        if (rest := "_".join(parts[start:])) in _BY_TAG:
            return "_".join(parts[:start]), rest
    raise ValueError(f"{name}: no radiomics feature is called this")

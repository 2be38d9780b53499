"""Draw the attenuation of each vertebral level, and that of the scan against age."""

from bonecast.report.figures_measure import hu_by_level_and_age
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        hu_by_level_and_age(
            vertebrae_path=snakemake.input.vertebrae,
            scans_path=snakemake.input.scans,
            analysis_set_path=snakemake.input.analysis_set or None,
            roi=snakemake.params.roi,
            levels=snakemake.params.levels,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )

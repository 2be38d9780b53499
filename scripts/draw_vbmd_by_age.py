"""Draw bone mineral density by age, and the rigidity of vertebral bodies by density."""

from bonecast.report.figures_vbmd import vbmd_by_age
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        vbmd_by_age(
            scans_path=snakemake.input.scans,
            analysis_set_path=snakemake.input.analysis_set or None,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )

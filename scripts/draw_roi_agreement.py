"""Draw how far the regions of interest agree on the attenuation of the same vertebrae."""

from bonecast.report.figures_density import roi_agreement
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake):
        roi_agreement(
            vertebrae_path=snakemake.input.vertebrae,
            rois=snakemake.params.rois,
            seed=snakemake.params.seed,
            outputs=dict(snakemake.output),
            dpi=snakemake.params.dpi,
        )

"""Compute radiomics of one scan's vertebrae as they are and perturbed."""

from bonecast.measure.columns import LEVEL
from bonecast.measure.radiomics.features import use_compiled_kernels
from bonecast.measure.radiomics.names import RADIOMICS_SHARED, perturbed_columns
from bonecast.measure.radiomics.perturb import PerturbationSettings, perturb_radiomics
from bonecast.measure.radiomics.settings import settings_of
from bonecast.measure.scan import read_scan
from bonecast.measure.tables import read_table, write_table
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        files, params = snakemake.input, snakemake.params
        use_compiled_kernels(params.cache)
        settings = settings_of(params.radiomics)
        measured = read_table(files.radiomics, (LEVEL, *RADIOMICS_SHARED))
        levels = [row["level"] for row in measured if row["included"]]
        rows = []
        if levels:
            scan = read_scan(files.ct, files.vertebrae, files.bodies)
            rows = perturb_radiomics(
                snakemake.wildcards.participant,
                scan.bodies,
                levels,
                settings,
                PerturbationSettings(**params.perturbing),
                scan.ct,
            )
        write_table(rows, perturbed_columns(settings.columns), snakemake.output.perturbed)
        log.info("%d levels, %d measurements", len(levels), len(rows))

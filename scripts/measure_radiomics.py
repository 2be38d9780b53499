"""Compute radiomics features of every vertebral body of one scan."""

from bonecast.images import load
from bonecast.measure.crops import load_bodies
from bonecast.measure.radiomics.features import use_compiled_kernels
from bonecast.measure.radiomics.measure import measure_radiomics
from bonecast.measure.radiomics.names import radiomics_columns
from bonecast.measure.radiomics.settings import settings_of
from bonecast.measure.tables import read_reasons, write_table
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        use_compiled_kernels(snakemake.params.cache)
        settings = settings_of(snakemake.params.radiomics)
        bodies = load_bodies(snakemake.input.crops)
        left_out = read_reasons(snakemake.input.density)
        # Read again only where filters or splines look further than the crops reach.
        ct = load(snakemake.input.ct) if snakemake.input.ct and bodies else None
        rows = measure_radiomics(bodies, snakemake.params.levels, settings, left_out, ct)
        write_table(rows, radiomics_columns(settings.columns), snakemake.output.radiomics)
        log.info("%d vertebrae", len(rows))

"""Compile the radiomics kernels once, so that the jobs of the participants find them ready."""

from bonecast.measure.radiomics.features import compile_kernels, use_compiled_kernels
from bonecast.measure.radiomics.settings import settings_of
from bonecast.runtime import job, write_json

if __name__ == "__main__":
    with job(snakemake) as log:
        use_compiled_kernels(snakemake.params.cache)
        features = compile_kernels(settings_of(snakemake.params.radiomics))
        write_json({"features": features, "kernels": snakemake.params.cache}, snakemake.output[0])
        log.info("kernels of %d features are in %s", features, snakemake.params.cache)

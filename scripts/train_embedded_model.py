"""Train the embedded segmentation network on phantoms and measure it."""

from pathlib import Path
from tempfile import TemporaryDirectory

from bonecast.phantom.training import train_embedded_model
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log, TemporaryDirectory(dir=snakemake.resources.tmpdir) as scratch:
        train_embedded_model(
            Path(snakemake.output.model),
            Path(scratch),
            device=snakemake.params.device,
            threads=snakemake.threads,
            **snakemake.params.settings,
        )

"""Train the embedded segmentation network on phantoms and measure it."""

from pathlib import Path

from bonecast.phantom.training import train_embedded_model
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        train_embedded_model(
            Path(snakemake.output.model),
            Path(snakemake.output.scratch),
            device=snakemake.params.device,
            threads=snakemake.threads,
            **snakemake.params.settings,
        )

"""Put TotalSegmentator's weights where the segmentation jobs read them, and record checksums."""

from pathlib import Path

from bonecast.runtime import job, write_json
from bonecast.segment.totalsegmentator_weights import (
    checksums,
    fetch_weights,
    needed_weights,
    read_license,
)

if __name__ == "__main__":
    with job(snakemake) as log:
        folder, options = Path(snakemake.params.weights_dir), snakemake.params.options
        needed = needed_weights(
            fast=options["fast"], bodies=options["bodies"], tissue=options["tissue"]
        )
        fetch_weights(folder, needed, read_license(options["license_file"]), log.info)
        sums = checksums(folder, needed)
        write_json(
            {
                weights.dataset: {
                    "task": weights.task,
                    "source": weights.url or "licence server",
                    "sha256": sums[weights.dataset],
                }
                for weights in needed
            },
            snakemake.output[0],
        )

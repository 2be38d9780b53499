"""Write a study into two archives: one to be run again, one that is of no single patient."""

from pathlib import Path

from bonecast.inputs import HOME
from bonecast.provenance.bundle import write_bundle
from bonecast.runtime import job, read_json

if __name__ == "__main__":
    results = Path(snakemake.input.provenance).parent
    with job(snakemake):
        for kind in ("with", "without"):
            write_bundle(
                snakemake.output[f"{kind}_patients"],
                results,
                snakemake.params.config,
                read_json(snakemake.input.provenance),
                patients=kind == "with",
                models={name: Path(path) for name, path in snakemake.params.models.items()},
                readme=Path(HOME, "resources", "archive", f"{kind}_patients.md").read_text(
                    encoding="utf-8"
                ),
            )

"""Risks of new patients from a saved model."""

from bonecast.model.cohort import admit_new
from bonecast.model.predict import predict_risks
from bonecast.model.saved import needed_columns, read_model
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        saved = read_model(snakemake.input.model, snakemake.wildcards.endpoint)
        inputs = {name: path for name, path in snakemake.input.items() if path and name != "model"}
        block = snakemake.params.block
        frame = admit_new(inputs, needed_columns(saved, block), snakemake.params.settings)
        table = predict_risks(frame, saved, block, log)
        table.to_csv(snakemake.output.predicted, sep="\t", index=False, lineterminator="\n")

"""Risks of new patients from a saved model."""

from bonecast.model.predict import predict_new
from bonecast.model.saved import read_model
from bonecast.runtime import job

if __name__ == "__main__":
    with job(snakemake) as log:
        saved = read_model(snakemake.input.model, snakemake.wildcards.endpoint)
        inputs = {name: path for name, path in snakemake.input.items() if name != "model"}
        params = snakemake.params
        table = predict_new(inputs, saved, params.block, params.settings, log)
        table.to_csv(snakemake.output.predicted, sep="\t", index=False, lineterminator="\n")

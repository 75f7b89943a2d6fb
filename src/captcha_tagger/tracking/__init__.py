"""The outputs of an experiment in, its row in the MLflow store out."""

"""What ingest hands to everybody: labels, manifest, pixels, and both as a data set to train on."""

"""The manifest in, the rows of the training and the validation part out."""

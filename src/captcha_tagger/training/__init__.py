"""A data set and a backbone in; a trained head, then a fine-tuned model out."""

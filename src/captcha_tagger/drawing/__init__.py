"""A seed in, drawn captchas out: the sample set, and batches for pretraining."""

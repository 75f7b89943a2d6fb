"""Unlabelled images in, a table of their texts out, with a person between who mostly agrees."""

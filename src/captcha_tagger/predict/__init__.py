"""A model folder and images in, labels out."""

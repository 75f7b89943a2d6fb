"""A function and its arguments in; its results, from whatever machines Ray has, out."""

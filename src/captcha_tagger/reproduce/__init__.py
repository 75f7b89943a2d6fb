"""A finished or killed pipeline in; the same hashes again, or the difference, out."""

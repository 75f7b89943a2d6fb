"""The files of a source and their texts in; pixels, manifest, rejects and a summary out."""

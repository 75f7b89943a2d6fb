"""A folder or zip of images in; pixels, manifest, rejects and a summary out."""

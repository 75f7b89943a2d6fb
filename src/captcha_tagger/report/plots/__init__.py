"""Results in; the geometry of the page's charts, and pictures as PNG files, out."""

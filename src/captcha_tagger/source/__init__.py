"""Files that anybody may have made in: folders, zips, images, tables; bytes, pixels, cells out."""

"""A folder, zip or table of the user's in; params.yaml and DVC that know it out."""

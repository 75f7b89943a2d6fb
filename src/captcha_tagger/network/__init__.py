"""A model card in, a torch module out; and the folders that keep modules."""

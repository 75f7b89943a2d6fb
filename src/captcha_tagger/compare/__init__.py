"""Two experiments in, their differences out."""

"""A model and images over HTTP in, answers out; for people and programs on this machine."""

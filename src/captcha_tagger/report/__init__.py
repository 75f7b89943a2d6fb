"""The outputs of all stages in; the page, pictures and tables for people out."""

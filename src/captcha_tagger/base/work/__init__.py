"""Who does the work: processes of this machine, or tasks of a Ray that may have many."""

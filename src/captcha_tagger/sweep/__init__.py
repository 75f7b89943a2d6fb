"""Values for params in; a DVC experiment and a row of the record for each choice of them out."""

"""What every stage needs: paths, params and files in; whole outputs and one-line errors out."""

"""The final model and the validation part in; answers, scores and intervals out."""

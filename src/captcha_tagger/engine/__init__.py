"""An objective and an optimizer in, a trained module and its history out."""

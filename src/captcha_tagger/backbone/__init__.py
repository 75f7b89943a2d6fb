"""Drawn captchas, or weights from elsewhere, in; a pretrained feature extractor out."""

"""All images in; what models that have not seen them say of their texts, and corrections, out."""

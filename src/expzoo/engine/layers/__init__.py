"""How layers are computed for all members at once."""

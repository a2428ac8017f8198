"""One training step as a list of kernels: traced once, planned, replayed."""

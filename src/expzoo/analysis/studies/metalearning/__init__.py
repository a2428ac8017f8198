"""Meta-learning: an outer loop that learns something by differentiating whole inner training loops."""

"""What may be typed: plugins and their options, read from syntax trees, and every fault of a config at once."""

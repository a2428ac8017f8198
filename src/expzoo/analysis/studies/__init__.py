"""What the analyses of one subject share."""

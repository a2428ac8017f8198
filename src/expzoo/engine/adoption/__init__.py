"""Whether what users bring is trained as they wrote it: proved against an ordinary loop, and refused by name."""

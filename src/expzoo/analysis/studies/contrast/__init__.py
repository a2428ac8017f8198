"""A claim as config: arms, what is measured, and claims about them, read from YAML, planned, judged and drawn."""

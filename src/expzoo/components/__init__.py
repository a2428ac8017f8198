"""The kit of plugin files: what each kind must be, and what datasets, models, metrics and probes are made of."""

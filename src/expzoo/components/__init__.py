"""The kit of plugin files: what datasets, models, optimizers, metrics and probes are made of."""

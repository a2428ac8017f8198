"""Statistics, claims and verdicts, each estimator with its source."""

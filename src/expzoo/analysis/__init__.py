"""The kit of an analysis: its contract, arms, chains of pruned networks, and trained networks looked at together."""

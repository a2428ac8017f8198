"""What the experiments on the Game of Life share: rules, networks, claims, their verdicts and pictures."""

"""What every plugin of a kind must keep: small trial runs, each said in one sentence where it fails."""

"""The command line: verbs, help, and a Hydra application whose every fault is said before anything is trained."""

"""One network as data: how it is trained, what is looked at, and its key."""

"""One network as data: its components and what each kind must be, how it is trained and looked at, and its key."""

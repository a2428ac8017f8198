"""The population engine: many networks as one tensor program, in which no member's bits depend on the others."""

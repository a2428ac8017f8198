"""Random walks whose stationary distribution is known, and what is claimed of them."""

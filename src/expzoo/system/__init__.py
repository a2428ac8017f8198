"""Files, signals, random numbers and the machine: nothing here knows of networks."""

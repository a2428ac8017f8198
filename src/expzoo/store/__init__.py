"""All that is read back: trained networks, leases, and the files of runs and sweeps."""

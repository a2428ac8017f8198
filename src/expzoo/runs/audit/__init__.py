"""The promise of equal bits tried on a machine: stored networks are trained again in other ways, and compared."""

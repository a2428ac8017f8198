"""Made worlds: for every registered claim tables of records in which its effect is known, without any training."""

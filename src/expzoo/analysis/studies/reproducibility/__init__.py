"""Why the same training does not give the same numbers twice: sums, trainings in processes of their own, and times."""

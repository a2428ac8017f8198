"""Numerical linear algebra on rows of weights, in plain torch: each estimator names its formula, source, cost and bias."""

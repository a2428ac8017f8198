"""Numerical linear algebra on rows of weights, in plain torch: each estimator says its formula, source, cost, bias."""

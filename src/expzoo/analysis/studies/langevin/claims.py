"""What is claimed of walks: by Vetrov's slides, and by those that they rest upon."""

from __future__ import annotations

from expzoo.science.claims import Claim

VETROV = "Vetrov, Loss landscape in deep neural networks (slides)"
WELLING = "Welling & Teh, Bayesian learning via stochastic gradient Langevin dynamics (2011)"
MANDT = "Mandt, Hoffman & Blei, Stochastic gradient descent as approximate Bayesian inference (2017), section 3"
FAR = 0.05  # Kolmogorov and Smirnov's distance

POSTERIOR = Claim(
    name="vetrov.langevin_samples_the_posterior",
    statement="Where minibatch SGLD is after many steps, its distribution is the posterior's, within a distance of "
    "0.05 of Kolmogorov and Smirnov in every direction.",
    source=f"{WELLING}; {VETROV}",
    published="in the limit of small steps, a theorem",
    unit="distance of distributions",
    smallest_effect=0.0,
    reference=FAR,
    direction="less",
    rule="one-sample t",
    note="the posterior of a quadratic is normal and known",
)
TEMPERATURE = Claim(
    name="vetrov.sgd_samples_like_langevin",
    statement="The variance of SGD about a minimum grows as its rate and falls as its batch size: exponents of 1 and "
    "-1 within 0.1, for a quadratic and for logistic regression.",
    source=VETROV,
    published="temperature proportional to rate / batch size",
    unit="difference of exponents",
    smallest_effect=0.1,
    direction="equivalent",
    rule="TOST",
)
LYAPUNOV = Claim(
    name="mandt.covariance_solves_lyapunov",
    statement="In the sharpest and in the flattest direction the variance is that of H S + S H = rate / batch C, "
    "within 0.2 doublings.",
    source=MANDT,
    published="in the limit of small rates, a theorem",
    unit="doublings of variance",
    smallest_effect=0.2,
    direction="equivalent",
    rule="TOST",
)
GIBBS = Claim(
    name="vetrov.sgd_samples_gibbs",
    statement="The flattest direction has as much more variance than the sharpest as in exp(-loss / temperature), "
    "within 0.2 doublings.",
    source=VETROV,
    published="the slide's noise has one covariance; that of SGD is C",
    unit="doublings of variance",
    smallest_effect=0.2,
    direction="equivalent",
    rule="TOST",
)
SHUFFLED = Claim(
    name="vetrov.epochs_are_as_hot",
    statement="In shuffled epochs the flattest direction has the variance of batches drawn with replacement, within "
    "0.2 doublings.",
    source="control of ours: whoever trains draws without replacement",
    published="-",
    unit="doublings of variance",
    smallest_effect=0.2,
    direction="equivalent",
    rule="TOST",
)
FLAT = Claim(
    name="vetrov.drift_prefers_flat",
    statement="A walk without drift whose variance depends on the place is there for a time that falls as the "
    "variance: an exponent of -1 within 0.1.",
    source=VETROV,
    published="shown as a histogram, without numbers",
    unit="exponent",
    smallest_effect=0.1,
    direction="equivalent",
    rule="TOST",
    note="in Ito's sense, which is that of SGD: a step knows its start alone",
)

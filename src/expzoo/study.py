"""What an author of an analysis imports: one module, behind which the package may be rearranged.

    from expzoo.study import Claim, Findings, Measure, Request, Setting, paired, records, register

It holds requests for networks, claims and their statistics, figures, and what an analysis needs of
`expzoo.plugin`; what analyses of one subject share is in `expzoo.analysis.studies`. CONTRIBUTING.md
lists the names by subject. Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.system.lazy import lazy

if TYPE_CHECKING:
    from expzoo.analysis import arms as arms
    from expzoo.analysis import late as late
    from expzoo.analysis import scored as scored
    from expzoo.analysis import tuning as tuning
    from expzoo.analysis.cohort import Cohort as Cohort
    from expzoo.analysis.contract import Analysis as Analysis
    from expzoo.analysis.contract import Findings as Findings
    from expzoo.analysis.contract import Setting as Setting
    from expzoo.analysis.needs import size_of as size_of
    from expzoo.analysis.needs import with_validation as with_validation
    from expzoo.analysis.predictions import Predictions as Predictions
    from expzoo.analysis.predictions import ensemble as ensemble
    from expzoo.analysis.predictions import has_validation as has_validation
    from expzoo.analysis.pruning import Pruning as Pruning
    from expzoo.analysis.pruning import schedule as schedule
    from expzoo.components import learned_activations as learned_activations
    from expzoo.lab.lesson import Learned as Learned
    from expzoo.lab.lesson import Lessons as Lessons
    from expzoo.lab.request import Request as Request
    from expzoo.lab.trained import Trained as Trained
    from expzoo.plugin import Activation as Activation
    from expzoo.plugin import BadInput as BadInput
    from expzoo.plugin import Count as Count
    from expzoo.plugin import Fraction as Fraction
    from expzoo.plugin import Layout as Layout
    from expzoo.plugin import Natural as Natural
    from expzoo.plugin import Nested as Nested
    from expzoo.plugin import NonNegative as NonNegative
    from expzoo.plugin import Positive as Positive
    from expzoo.plugin import Range as Range
    from expzoo.plugin import build as build
    from expzoo.plugin import exact_arithmetic as exact_arithmetic
    from expzoo.plugin import integers as integers
    from expzoo.plugin import member_seed as member_seed
    from expzoo.plugin import normals as normals
    from expzoo.plugin import permutation as permutation
    from expzoo.plugin import register as register
    from expzoo.plugin import stable_hash as stable_hash
    from expzoo.plugin import uniforms as uniforms
    from expzoo.report import figures as figures
    from expzoo.report.figures.colours import INK as INK
    from expzoo.report.figures.colours import PAPER as PAPER
    from expzoo.report.figures.figure import Figure as Figure
    from expzoo.science.claims import Claim as Claim
    from expzoo.science.claims import Pairs as Pairs
    from expzoo.science.claims import decide as decide
    from expzoo.science.claims import decide_all as decide_all
    from expzoo.science.claims import decide_each as decide_each
    from expzoo.science.claims import paired as paired
    from expzoo.science.controls import Control as Control
    from expzoo.science.controls import Estimator as Estimator
    from expzoo.science.controls import SelfTest as SelfTest
    from expzoo.science.controls import known_answer as known_answer
    from expzoo.science.controls import no_difference as no_difference
    from expzoo.science.controls import same_rate as same_rate
    from expzoo.science.numerics import alignment as alignment
    from expzoo.science.numerics import calibration as calibration
    from expzoo.science.numerics import change_points as change_points
    from expzoo.science.numerics import ensembles as ensembles
    from expzoo.science.numerics import noise_scale as noise_scale
    from expzoo.science.numerics import planes as planes
    from expzoo.science.numerics import power_law as power_law
    from expzoo.science.numerics import random_features as random_features
    from expzoo.science.numerics import rank_correlation as rank_correlation
    from expzoo.science.numerics import tail_index as tail_index
    from expzoo.science.resampling import bca as bca
    from expzoo.science.resampling import cluster_bootstrap as cluster_bootstrap
    from expzoo.science.resampling import row_permutation as row_permutation
    from expzoo.science.resampling import sign_flip_p as sign_flip_p
    from expzoo.science.statistics import Estimate as Estimate
    from expzoo.science.statistics import clopper_pearson as clopper_pearson
    from expzoo.science.statistics import complete as complete
    from expzoo.science.statistics import enumeration as enumeration
    from expzoo.science.statistics import holm as holm
    from expzoo.science.statistics import mean_t as mean_t
    from expzoo.science.statistics import newcombe as newcombe
    from expzoo.science.statistics import no_interval as no_interval
    from expzoo.science.statistics import pair_on_seed as pair_on_seed
    from expzoo.science.statistics import paired_t as paired_t
    from expzoo.science.statistics import tost as tost
    from expzoo.science.statistics import welch_t as welch_t
    from expzoo.science.verdicts import Verdict as Verdict
    from expzoo.spec.component import Component as Component
    from expzoo.spec.measure import Measure as Measure
    from expzoo.spec.measure import probe as probe
    from expzoo.spec.recipe import Event as Event
    from expzoo.spec.score import Score as Score
    from expzoo.spec.spec import Fresh as Fresh
    from expzoo.spec.spec import Known as Known
    from expzoo.spec.spec import Magnitude as Magnitude
    from expzoo.spec.spec import Permuted as Permuted
    from expzoo.spec.spec import RandomMask as RandomMask
    from expzoo.spec.spec import Reordered as Reordered
    from expzoo.spec.spec import Rewind as Rewind
    from expzoo.spec.spec import SignFlip as SignFlip
    from expzoo.spec.spec import Spec as Spec
    from expzoo.spec.when import at as at
    from expzoo.spec.when import every as every
    from expzoo.spec.when import log_spaced as log_spaced
    from expzoo.store import closed_form as closed_form
    from expzoo.store import records as records
    from expzoo.system.errors import Unfit as Unfit
else:
    __getattr__, __dir__ = lazy(__name__, __file__)

"""What an author of a plugin imports: one module, behind which the package may be rearranged.

    from expzoo.plugin import Count, NonNegative, register

It holds what datasets, models, optimizers, schedules, losses, stops, constraints, parametrisations,
metrics, probes, trainers, loggers, launchers and sweepers are made of; analyses have
`expzoo.study`. CONTRIBUTING.md lists the names by subject. Nothing is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.system.lazy import lazy

if TYPE_CHECKING:
    from expzoo.components import trackers as trackers
    from expzoo.components.activations import activation as activation
    from expzoo.components.datasets import SPLITS as SPLITS
    from expzoo.components.datasets import Arrays as Arrays
    from expzoo.components.datasets import batches as batches
    from expzoo.components.datasets import frozen_split as frozen_split
    from expzoo.components.datasets import memory_faults as memory_faults
    from expzoo.components.datasets import noisy_labels as noisy_labels
    from expzoo.components.datasets import pixel_positions as pixel_positions
    from expzoo.components.datasets import refuse as refuse
    from expzoo.components.datasets import refuse_unknown as refuse_unknown
    from expzoo.components.datasets import training_faults as training_faults
    from expzoo.components.datasets import training_sizes as training_sizes
    from expzoo.components.datasets import view_faults as view_faults
    from expzoo.components.datasets import view_positions as view_positions
    from expzoo.components.downloads import Remote as Remote
    from expzoo.components.drawn import Drawn as Drawn
    from expzoo.components.ghost_norm import GhostBatchNorm1d as GhostBatchNorm1d
    from expzoo.components.image_files import Archive as Archive
    from expzoo.components.image_files import Idx as Idx
    from expzoo.components.image_layers import convolution as convolution
    from expzoo.components.image_layers import initialise as initialise
    from expzoo.components.image_layers import require_images as require_images
    from expzoo.components.images import Images as Images
    from expzoo.components.images import StoredImages as StoredImages
    from expzoo.components.metrics import Metric as Metric
    from expzoo.components.metrics import as_targets as as_targets
    from expzoo.components.metrics import class_logits as class_logits
    from expzoo.components.metrics import log_probabilities as log_probabilities
    from expzoo.components.metrics import right_cells as right_cells
    from expzoo.components.moments import Moments as Moments
    from expzoo.components.probes import Point as Point
    from expzoo.components.probes import Probe as Probe
    from expzoo.config import sweeps as sweeps
    from expzoo.config.options import Activation as Activation
    from expzoo.config.options import Count as Count
    from expzoo.config.options import Fraction as Fraction
    from expzoo.config.options import Natural as Natural
    from expzoo.config.options import Nested as Nested
    from expzoo.config.options import NonNegative as NonNegative
    from expzoo.config.options import Positive as Positive
    from expzoo.config.options import Range as Range
    from expzoo.config.registry import build as build
    from expzoo.config.registry import register as register
    from expzoo.engine.recipes import at_random as at_random
    from expzoo.lab.lab import Lab as Lab
    from expzoo.lab.open import Trainer as Trainer
    from expzoo.lab.open import find_accelerator as find_accelerator
    from expzoo.lab.open import open_as_needed as open_as_needed
    from expzoo.lab.open import open_populations as open_populations
    from expzoo.lab.open import open_shared as open_shared
    from expzoo.runs import fused_jobs as fused_jobs
    from expzoo.runs import jobs as jobs
    from expzoo.runs import objectives as objectives
    from expzoo.runs.grid_sweep import GridSweeper as GridSweeper
    from expzoo.runs.jobs import Task as Task
    from expzoo.runs.search_space import distribution as distribution
    from expzoo.runs.search_space import some_value as some_value
    from expzoo.runs.sweep_configs import SweepLoader as SweepLoader
    from expzoo.science.numerics.lanczos import top_eigenvalues as top_eigenvalues
    from expzoo.science.numerics.noise_scale import gradient_noise as gradient_noise
    from expzoo.science.numerics.trace import hutchinson_trace as hutchinson_trace
    from expzoo.spec.contracts import Constraint as Constraint
    from expzoo.spec.contracts import Dataset as Dataset
    from expzoo.spec.contracts import Loss as Loss
    from expzoo.spec.contracts import Model as Model
    from expzoo.spec.contracts import Optimizer as Optimizer
    from expzoo.spec.contracts import Parametrisation as Parametrisation
    from expzoo.spec.contracts import Redrawing as Redrawing
    from expzoo.spec.contracts import Schedule as Schedule
    from expzoo.spec.contracts import Split as Split
    from expzoo.spec.contracts import Stop as Stop
    from expzoo.spec.contracts import Stream as Stream
    from expzoo.spec.layout import Layout as Layout
    from expzoo.spec.spec import RandomMask as RandomMask
    from expzoo.store import run_directory as run_directory
    from expzoo.store import sweep_record as sweep_record
    from expzoo.store.sweep_record import SweptJob as SweptJob
    from expzoo.system.arithmetic import exact_arithmetic as exact_arithmetic
    from expzoo.system.cache import Recent as Recent
    from expzoo.system.console import say as say
    from expzoo.system.errors import BadInput as BadInput
    from expzoo.system.exit_codes import FAILED as FAILED
    from expzoo.system.exit_codes import Outcome as Outcome
    from expzoo.system.files import write_atomically as write_atomically
    from expzoo.system.randomness import integers as integers
    from expzoo.system.randomness import member_seed as member_seed
    from expzoo.system.randomness import normals as normals
    from expzoo.system.randomness import permutation as permutation
    from expzoo.system.randomness import stable_hash as stable_hash
    from expzoo.system.randomness import uniforms as uniforms
else:
    __getattr__, __dir__ = lazy(__name__, __file__)

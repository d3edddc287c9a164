"""BYOL: predict what a slowly moving teacher makes of the other view.

    fullrank train byol --data fashion-mnist

Grill et al., NeurIPS 2020. Nothing in the loss keeps images apart: predictor and teacher do. Network, optimizer and
the teacher's momentum are ours, chosen for two CPU cores. `--w2 0.2` adds W2 uniformity (Fang et al. 2024).

HSR-BYOL (Durrant & Leontidis 2022) adds `--uniformity` or `--energy`. How exactly is not known to us, so each choice is
a flag, with a default of ours: the weights (none; the energy acts from 1 to 10), the space that is spread
(`--uniform-on` the embedding), the networks (`--energy-on` all that are trained), power 2 of the inverse chord
(`--energy-power`, `--energy-angular`), whole space (`--energy-half-space`). Uniformity has t = 2 and the energy is the
sum over layers: the mean, random pairs of rows and random projections (CoMHE) have no flag. They are arguments of
fullrank.losses.layer_energy, hyperspherical_energy and compressive_energy, for a method or loop of your own.

Cost: 3.2 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.859, linear 0.889, relative spread
0.90, effective rank 5 of 256 (docs/results/fashion-mnist/byol-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class BYOL(Recipe):
    """Bootstrap your own latent."""

    family: ClassVar[Family] = "self-distillation"
    teacher: float = 0.99
    """Momentum of the teacher at the start."""
    teacher_end: float = 1.0
    """Its momentum at the end, reached by a cosine."""
    predictor: tuple[int, ...] = (512,)
    """Widths of the predictor's hidden layers."""

    def build(self, encoder: Encoder) -> Method:
        """Student, predictor and teacher."""
        from fullrank.losses import byol
        from fullrank.methods import TeacherStudent
        from fullrank.nn import mlp

        width = self.projector[-1]
        predictor = mlp(width, (*self.predictor, width))
        projector = mlp(encoder.width, self.projector)
        return TeacherStudent(encoder, projector, predictor, byol, momentum=self.teacher, final=self.teacher_end)

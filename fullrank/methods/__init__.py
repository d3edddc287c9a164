"""Ways from views to embeddings."""

from fullrank.methods.joint import JointEmbedding, Method, Outputs, compile_networks
from fullrank.methods.self_distillation import SelfDistillation
from fullrank.methods.swapped import SwappedAssignment
from fullrank.methods.teacher_student import PairObjective, TeacherStudent

__all__ = [
    "JointEmbedding",
    "Method",
    "Outputs",
    "PairObjective",
    "SelfDistillation",
    "SwappedAssignment",
    "TeacherStudent",
    "compile_networks",
]

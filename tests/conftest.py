"""One thread: tests run beside others, and tiny tensors are slower with more."""

from __future__ import annotations

import torch

torch.set_num_threads(1)

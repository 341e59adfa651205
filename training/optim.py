"""The optimisers: Muon for the matrices inside the blocks, AdamW for everything else."""

import torch
from diffusers import CogVideoXTransformer3DModel
from torch import nn

MUON_LR = 4e-3
ADAM_LR = 1.5e-3


def build_optimizers(model: CogVideoXTransformer3DModel) -> list[torch.optim.Optimizer]:
    """Build both optimisers."""
    inner, rest = [], []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and "transformer_blocks" in name and "norm" not in name
        (inner if matrix else rest).append(parameter)
    muon = torch.optim.Muon(inner, lr=MUON_LR, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(rest, lr=ADAM_LR, betas=(0.9, 0.98), weight_decay=0.0)]


def rate(step: int, steps: int) -> float:
    """Give the factor on the learning rates: up for 100 steps, level, down to nothing over the last half."""
    return min(1.0, (step + 1) / 100, 2 * (steps - step) / steps)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int) -> None:
    """Move the average of the weights towards the model, slower as the training goes on."""
    part = max(1 / 300, 10 / (step + 10))
    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
        slow.lerp_(fast, part)

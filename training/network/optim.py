"""Build the optimisers: Muon for the matrices inside the blocks, AdamW for everything else."""

import torch
from diffusers import CogVideoXTransformer3DModel
from torch import Tensor, nn

MUON_LR = 4e-3
ADAM_LR = 1.5e-3
SLOW_LR = 5e-5
# These read the dials from the start. At the normal rate they would be overwritten before they are used.
SLOW = ("patch_embed.", "transformer_blocks.0.norm1.", "transformer_blocks.0.attn1.")


def build_optimizers(model: CogVideoXTransformer3DModel) -> list[torch.optim.Optimizer]:
    """Build both optimisers."""
    inner: list[Tensor] = []
    rest: list[Tensor] = []
    slow: list[Tensor] = []
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim == 2 and "transformer_blocks" in name and "norm" not in name
        (slow if name.startswith(SLOW) else inner if matrix else rest).append(parameter)
    muon = torch.optim.Muon(inner, lr=MUON_LR, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    groups = [{"params": rest, "lr": ADAM_LR}, {"params": slow, "lr": SLOW_LR}]
    return [muon, torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)]


def rate(step: int, steps: int) -> float:
    """Return the factor on the learning rates: up for 100 steps, constant, down to 0 over the last half."""
    return min(1.0, (step + 1) / 100, 2 * (steps - step) / steps)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int) -> None:
    """Move the average of the weights towards the model, slower as the training goes on."""
    part = max(1 / 300, 10 / (step + 10))
    for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
        slow.lerp_(fast, part)

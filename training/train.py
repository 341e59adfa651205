"""Train shapes-tiny from a seed: `python -m training.train --out FOLDER`. It resumes from its checkpoint."""

import argparse
import copy
import os
import random
import time
from pathlib import Path

import torch
import torch.distributed as dist
from diffusers import CogVideoXTransformer3DModel
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from training.network.batch import Batch, Batches
from training.network.optim import build_optimizers, follow, rate
from training.network.pipeline import save_model
from training.network.text import load_encoder, train_encoder
from training.network.transformer import ManualAttention, Trainee, build_transformer, to_patches
from training.scenes.domain import DOMAINS
from training.workers import end_with_parent

BATCH = 20  # clips per step and process
FEW = 3  # frames of each clip; all of them in the last part
CHECKPOINT_EVERY = 100


def loss_of(trainee: Trainee, batch: Batch, half: bool = True) -> tuple[Tensor, float]:
    """Return the weighted error of a batch, and the plain error where the model saw only noise.

    `half` computes in bf16, which is slower than fp32 on processors that only emulate it.
    """
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        guess = trainee(to_patches(batch.noisy), batch.frames, batch.text, batch.time)
    error = (guess.float() - to_patches(batch.clean)).square()
    blind = error.detach()[batch.time == batch.time.max()].mean().item()
    return (error * to_patches(batch.weight)).mean(), blind


def average_gradients(model: CogVideoXTransformer3DModel) -> None:
    """Average the gradients over the processes, if there are several."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient) / dist.get_world_size())


class Trainer:
    """Holds everything that a training changes, and saves and loads it.

    `optimizers` replace the usual ones, for a model that is trained already; it is then trained in fp32.
    """

    def __init__(
        self,
        steps: int,
        checkpoint: Path,
        model: CogVideoXTransformer3DModel,
        optimizers: list[torch.optim.Optimizer] | None = None,
    ) -> None:
        self.model, self.step, self.steps, self.checkpoint = model.train(), 0, steps, checkpoint
        self.average = copy.deepcopy(self.model)
        self.half = optimizers is None
        self.optimizers = optimizers or build_optimizers(self.model)
        self.trainee = Trainee(self.model)
        self.model.set_attn_processor(ManualAttention())
        if checkpoint.exists():
            self.load()

    def load(self) -> None:
        """Continue from the checkpoint."""
        state = torch.load(self.checkpoint, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]

    def save(self) -> None:
        """Write the checkpoint. The old one stays until the new one is complete."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "step": self.step,
        }
        part = self.checkpoint.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.checkpoint)

    def advance(self, batch: Batch) -> tuple[float, float]:
        """Make one step."""
        loss, blind = loss_of(self.trainee, batch, self.half)
        loss.backward()
        average_gradients(self.model)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        factor = rate(self.step, self.steps)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group.setdefault("full_lr", group["lr"]) * factor
            optimizer.step()
            optimizer.zero_grad()
        follow(self.average, self.model, self.step)
        self.step += 1
        return loss.item(), blind


def frames_at(step: int, steps: int) -> tuple[int, int]:
    """Return clips and frames per clip for a step: few frames, but whole clips in the last tenth."""
    return (BATCH, FEW) if step < 0.9 * steps else (BATCH // 3, 17)


def work(rank: int, arguments: argparse.Namespace) -> None:
    """Train as one of the processes."""
    end_with_parent()
    torch.set_num_threads(1)
    out: Path = arguments.out
    dist.init_process_group(
        "gloo", init_method=f"file://{out.resolve()}/rendezvous", rank=rank, world_size=arguments.processes
    )
    torch.manual_seed(arguments.seed)  # equal weights in every process; batches differ
    tokenizer, encoder = load_encoder(out / "text")
    trainer = Trainer(arguments.steps, out / "checkpoint.pt", build_transformer())
    torch.manual_seed(arguments.seed * 1_000_003 + trainer.step * 16 + rank)
    domain = DOMAINS[arguments.domain]
    batches = Batches(domain, tokenizer, encoder, random.Random(torch.initial_seed()))
    started = time.monotonic()
    while trainer.step < arguments.steps:
        loss, blind = trainer.advance(batches.draw(*frames_at(trainer.step, arguments.steps)))
        if rank == 0 and trainer.step % 20 == 0:
            took = time.monotonic() - started
            print(f"{took:6.0f} s  step {trainer.step}: loss {loss:.4f}, from noise {blind:.4f}", flush=True)
        if rank == 0 and (trainer.step % CHECKPOINT_EVERY == 0 or trainer.step == arguments.steps):
            trainer.save()
            save_model(out / "model", domain, tokenizer, encoder, trainer.average)
    dist.destroy_process_group()


def main() -> None:
    """Read the arguments, train the text encoder if it is missing, then the transformer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and the finished model go here")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--domain", choices=DOMAINS, default="wider")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--processes", type=int, default=2, help="one for each core; each has one thread")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    if not (arguments.out / "text").exists():
        train_encoder(arguments.seed, arguments.out / "text")
    (arguments.out / "rendezvous").unlink(missing_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"
    spawn(work, (arguments,), nprocs=arguments.processes)


if __name__ == "__main__":
    main()

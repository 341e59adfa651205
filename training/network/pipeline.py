"""Save the parts as one CogVideoXPipeline folder in half precision."""

import copy
import hashlib
import logging
from pathlib import Path

import torch
from diffusers import CogVideoXPipeline, CogVideoXTransformer3DModel
from transformers import PreTrainedTokenizerFast, T5EncoderModel

from training.network.batch import build_scheduler
from training.network.latents import build_autoencoder
from training.scenes.domain import Domain
from training.scenes.words import write_vocabulary


def save_model(
    folder: Path,
    domain: Domain,
    tokenizer: PreTrainedTokenizerFast,
    encoder: T5EncoderModel,
    transformer: CogVideoXTransformer3DModel,
) -> None:
    """Write the folder that CogVideoXPipeline.from_pretrained loads, with vocabulary and check sums."""
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    pipe = CogVideoXPipeline(
        tokenizer=tokenizer,
        text_encoder=copy.deepcopy(encoder).half(),
        vae=build_autoencoder().half(),
        transformer=copy.deepcopy(transformer).half(),
        scheduler=build_scheduler(),
    )
    pipe.save_pretrained(folder)
    write_vocabulary(folder, domain.meanings)
    write_sums(folder)


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over all other files of the folder, for `sha256sum -c`."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}" for p in files
    ]
    (folder / "SHA256SUMS").write_text("\n".join(lines) + "\n", encoding="utf-8")


def load_model(folder: Path) -> CogVideoXPipeline:
    """Load a saved model in full precision, as the predictor does on a CPU."""
    pipe = CogVideoXPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return pipe

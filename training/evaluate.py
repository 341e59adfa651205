"""Print how well a model follows prompts with combinations that training never showed, and its speed."""

import argparse
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import CogVideoXPipeline

from training.network.latents import build_autoencoder
from training.network.pipeline import load_model
from training.scenes.captions import caption
from training.scenes.checker import Frames, Verdict, check
from training.scenes.domain import DOMAINS, FRAMES, SIDE, Domain, draw_scene
from training.validate import validate

MODEL = Path("predictor/assets/shapes-tiny")
DOMAIN = "wide"  # one thing, as in the table; two: training.pairs
STEPS = 8
GUIDANCE = 1.0
TOGETHER = 10  # clips generated at once


@dataclass(frozen=True)
class Result:
    """One prompt with its result."""

    prompt: str
    verdict: Verdict


def held_out_prompts(domain: Domain, count: int, seed: int) -> list[str]:
    """Write prompts whose colour, shape and motion were never together in training."""
    rng = random.Random(seed)
    return [caption(draw_scene(domain, rng, unseen=True), rng) for _ in range(count)]


def generate(
    pipe: CogVideoXPipeline,
    prompts: list[str],
    seeds: list[int],
    steps: int = STEPS,
    guidance: float = GUIDANCE,
    side: int = SIDE,
) -> list[Frames]:
    """Make one clip for each prompt, with a seed each."""
    videos = pipe(
        prompt=prompts,
        negative_prompt=[""] * len(prompts),
        height=side,
        width=side,
        num_frames=FRAMES,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        max_sequence_length=pipe.transformer.config.max_text_seq_length,
        output_type="np",
    ).frames
    return list((np.asarray(videos) * 255).round().astype(np.uint8))


def enlarge(pipe: CogVideoXPipeline) -> None:
    """Make the decoder draw the same latents at twice the width and height."""
    pipe.vae = build_autoencoder(doublings=2)
    pipe.vae_scale_factor_spatial = 4


def evaluate(
    pipe: CogVideoXPipeline, prompts: list[str], steps: int, guidance: float, side: int = SIDE
) -> list[Result]:
    """Generate and check every prompt. The number of a prompt is its seed."""
    results = []
    for start in range(0, len(prompts), TOGETHER):
        part = prompts[start : start + TOGETHER]
        clips = generate(pipe, part, list(range(start, start + len(part))), steps, guidance, side)
        results += [Result(prompt, check(clip, prompt)) for prompt, clip in zip(part, clips, strict=True)]
    return results


def table(results: list[Result]) -> str:
    """Return the shares of right attributes as a table in Markdown."""
    names = ("colour", "motion", "shape", "background", "ok")
    shares = [100 * sum(getattr(r.verdict, name) for r in results) / len(results) for name in names]
    head = "| prompts | colour | motion | shape | background | all |\n|---|---|---|---|---|---|\n"
    return head + f"| {len(results)} | " + " | ".join(f"{share:.1f} %" for share in shares) + " |"


def by_shape(results: list[Result]) -> str:
    """Return how often each shape of the prompts is right."""
    total = Counter(r.verdict.wanted.shape for r in results)
    right = Counter(r.verdict.wanted.shape for r in results if r.verdict.shape)
    return ", ".join(f"{name} {right[name]}/{count}" for name, count in sorted(total.items(), key=str))


def seconds_for_one(pipe: CogVideoXPipeline, steps: int, guidance: float, side: int) -> float:
    """Measure the time of one clip on one thread."""
    generate(pipe, ["a red circle moving right"], [0], 1, guidance, side)
    started = time.perf_counter()
    generate(pipe, ["a red circle moving right"], [0], steps, guidance, side)
    return time.perf_counter() - started


def main() -> None:
    """Read the arguments, judge the checker, then the model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--domain", choices=DOMAINS, default=DOMAIN)
    parser.add_argument("--prompts", type=int, default=300)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--guidance", type=float, default=GUIDANCE)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--side", type=int, choices=[SIDE, 2 * SIDE], default=SIDE)
    parser.add_argument("--no-checker", action="store_true", help="skip the validation of the checker")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    domain = DOMAINS[arguments.domain]
    if not arguments.no_checker:
        shares = validate(domain, 200)
        print("checker: " + ", ".join(f"{name} {share:.1f} %" for name, share in shares.items()), flush=True)
    pipe = load_model(arguments.model)
    if arguments.side > SIDE:
        enlarge(pipe)
    prompts = held_out_prompts(domain, arguments.prompts, arguments.seed)
    results = evaluate(pipe, prompts, arguments.steps, arguments.guidance, arguments.side)
    print(table(results), f"by shape: {by_shape(results)}", sep="\n\n")
    took = seconds_for_one(pipe, arguments.steps, arguments.guidance, arguments.side)
    print(
        f"\n{arguments.steps} steps, guidance {arguments.guidance}: {took:.2f} s for one clip on one thread\n"
    )
    for result in [r for r in results if not r.verdict.ok][:20]:
        print(f"- {result.prompt}: {result.verdict.explain()}")


if __name__ == "__main__":
    main()

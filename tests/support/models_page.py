"""Rewrite the tables in docs/models.md from the catalog and from the runs of the tests.

Call it as `python -m tests.support.models_page`.
"""

from __future__ import annotations

from pathlib import Path

from eventing.contract.catalog import CatalogEntry, LoraEntry, Task, load_catalog
from tests.unit.predictor.models.variants import RUNS

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
ELSEWHERE = {
    "shapes-tiny": "its own weights, on a CPU: judged by `training/scenes/checker.py`",
    "tiny": "random weights, on a CPU",
}
# Entries of which tests/unit/predictor/models/test_true_configurations.py ran on a card, in November 2026.
ON_GPU = frozenset({"cogvideox-2b", "ltx-video", "wan2.1-t2v-1.3b", "wan2.2-ti2v-5b"})
SEEN = "true configuration, random weights, on an H200: latents equal to one call of diffusers"
ENTRIES = load_catalog().entries()


def tables() -> dict[str, str]:
    """The tables of the page, by mark."""
    pages = {"models": _models(), "runs": _runs(), "adapters": _adapters()}
    return {mark: "\n".join(lines) for mark, lines in pages.items()}


def filled(text: str) -> str:
    """The page with its tables made again."""
    for mark, table in tables().items():
        before, rest = text.split(f"<!-- {mark} -->\n", 1)
        text = f"{before}<!-- {mark} -->\n{table}{rest[rest.index(END) :]}"
    return text


END = "\n<!-- end -->"


def _models() -> list[str]:
    head = "| model | GPU memory | video by default | steps and guidance | licence |"
    return [head, "|---|---|---|---|---|", *map(_model, ENTRIES)]


def _model(entry: CatalogEntry) -> str:
    width, height = entry.sizes[0]
    tier = entry.quality.medium
    guidance = f"{tier.guidance:g}" + (f" and {tier.guidance_2:g}" if tier.guidance_2 is not None else "")
    memory = f"{entry.gpu_memory_gib} GiB" if entry.gpus else "none"
    video = f"{entry.frames.default} frames of {width}x{height} at {entry.fps} fps"
    video += f", sound of {entry.sound.describe()}" if entry.sound else ""
    licence = f"{entry.licence}. {entry.licence_notes}" if entry.licence_notes else entry.licence
    return f"| `{entry.name}` | {memory} | {video} | {tier.steps}, {guidance} | {licence} |"


def _adapters() -> list[str]:
    loras = {lora.name: lora for entry in ENTRIES for lora in entry.loras.values()}
    head = "| adapter | models | tiers | scale | repository | licence |"
    return [head, "|---|---|---|---|---|---|", *map(_adapter, loras.values())]


def _adapter(lora: LoraEntry) -> str:
    models = ", ".join(f"`{name}`" for name in lora.models)
    tiers = ", ".join(
        f"`{quality}`: {tier.steps} steps, guidance {tier.guidance:g}"
        for entry in ENTRIES
        for quality, tier in entry.quality.items()
        if lora.name in {choice.name for choice in tier.loras}
    )
    scale = f"{lora.scale.min:g} to {lora.scale.max:g}"
    return (
        f"| `{lora.name}` | {models} | {tiers or 'none'} | {scale} | `{lora.repository}` | {lora.licence} |"
    )


def _runs() -> list[str]:
    rows = [(entry, task, kind) for entry in ENTRIES for task, kind in entry.tasks.pipelines().items()]
    head = "| model | task | pipeline of diffusers | what was run | on a GPU |"
    return [head, "|---|---|---|---|---|", *(_run(*row) for row in rows)]


def _run(entry: CatalogEntry, task: Task, kind: str) -> str:
    is_equal = (entry.name, task) in RUNS
    parts = "frames and sound" if entry.sound else "frames"
    run = f"random weights, on a CPU: {parts} equal to one call of diffusers" if is_equal else "nothing"
    is_seen = task is Task.text and entry.name in ON_GPU
    card = SEEN if is_seen else "not run" if entry.gpus else "needs none"
    return f"| `{entry.name}` | {task} | `{kind}` | {ELSEWHERE.get(entry.name, run)} | {card} |"


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text()))

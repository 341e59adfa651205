"""The repository layout of each catalog entry: its index, and the files that its loader reads.

Written from the classes that the repositories name in model_index.json; weights are the smallest safetensors.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

T5 = ("transformers", "T5EncoderModel", "T5Tokenizer")
UMT5 = ("transformers", "UMT5EncoderModel", "T5TokenizerFast")
FLOW, UNIPC, DDIM, DPM = (
    "FlowMatchEulerDiscreteScheduler",
    "UniPCMultistepScheduler",
    "CogVideoXDDIMScheduler",
    "CogVideoXDPMScheduler",
)
Index = dict[str, list[str] | list[None]]


def index(text: tuple[str, str, str], transformer: str, vae: str, scheduler: str, **more: list[str]) -> Index:
    """The index of a pipeline with one text encoder."""
    library, encoder, tokenizer = text
    return {
        "text_encoder": [library, encoder],
        "tokenizer": [library, tokenizer],
        "transformer": ["diffusers", transformer],
        "vae": ["diffusers", vae],
        "scheduler": ["diffusers", scheduler],
        **more,
    }


def wan(**more: list[str]) -> Index:
    """The index of a Wan; None stands for a part that it does without."""
    none: Index = {"image_encoder": [None, None], "image_processor": [None, None]}
    return none | index(UMT5, "WanTransformer3DModel", "AutoencoderKLWan", UNIPC, **more)


def cog(scheduler: str) -> Index:
    """The index of a CogVideoX."""
    return index(T5, "CogVideoXTransformer3DModel", "AutoencoderKLCogVideoX", scheduler)


QWEN = ("transformers", "Qwen2_5_VLTextModel", "Qwen2TokenizerFast")
GEMMA = ("transformers", "Gemma3ForConditionalGeneration", "GemmaTokenizerFast")
HUNYUAN = index(
    QWEN,
    "HunyuanVideo15Transformer3DModel",
    "AutoencoderKLHunyuanVideo15",
    FLOW,
    guider=["diffusers", "ClassifierFreeGuidance"],
    text_encoder_2=["transformers", "T5EncoderModel"],
    tokenizer_2=["transformers", "ByT5Tokenizer"],
)
SECOND = {"transformer_2": ["diffusers", "WanTransformer3DModel"]}
LAYOUTS: dict[str, Index] = {
    "cogvideox-2b": cog(DDIM),
    "cogvideox-5b": cog(DPM),
    "cogvideox1.5-5b": cog(DPM),
    "cogvideox1.5-5b-i2v": cog(DPM),
    "hunyuanvideo-1.5-t2v": HUNYUAN,
    "hunyuanvideo-1.5-i2v": HUNYUAN
    | {
        "image_encoder": ["transformers", "SiglipVisionModel"],
        "feature_extractor": ["transformers", "SiglipImageProcessor"],
    },
    "ltx-2.3": index(
        GEMMA,
        "LTX2VideoTransformer3DModel",
        "AutoencoderKLLTX2Video",
        FLOW,
        audio_vae=["diffusers", "AutoencoderKLLTX2Audio"],
        connectors=["ltx2", "LTX2TextConnectors"],
        processor=["transformers", "Gemma3Processor"],
        vocoder=["ltx2", "LTX2VocoderWithBWE"],
    ),
    "ltx-video": index(T5, "LTXVideoTransformer3DModel", "AutoencoderKLLTXVideo", FLOW),
    "mochi-1-preview": index(
        ("transformers", "T5EncoderModel", "T5TokenizerFast"),
        "MochiTransformer3DModel",
        "AutoencoderKLMochi",
        FLOW,
    ),
    "wan2.1-t2v-1.3b": wan(),
    "wan2.2-i2v-a14b": wan(**SECOND),
    "wan2.2-t2v-a14b": wan(**SECOND),
    "wan2.2-ti2v-5b": wan(),
}
SHARDED = (
    "text_encoder",
    "transformer",
    "transformer_2",
)  # several files and an index, where a model is large


def write(folder: Path, name: str) -> list[Path]:
    """Write the layout of an entry, and return the files that a loader cannot do without."""
    parts = {part: kind for part, kind in LAYOUTS[name].items() if kind != [None, None]}
    files = [folder / "model_index.json"]
    folder.mkdir(parents=True)
    files[0].write_text(json.dumps({"_class_name": "Pipeline"} | LAYOUTS[name]))
    for part, (library, kind) in parts.items():
        (folder / part).mkdir()
        files += _component(folder / part, str(library), str(kind))
    return files


def _component(folder: Path, library: str, kind: str) -> list[Path]:
    if kind == "ByT5Tokenizer":
        return _json(folder, "tokenizer_config.json")
    if "Tokenizer" in kind:
        names = ["tokenizer.json"] if kind.endswith("Fast") else []
        if not names:
            (folder / "spiece.model").write_bytes(b"words")
        return _json(folder, "tokenizer_config.json", *names)
    if kind.endswith("Scheduler"):
        return _json(folder, "scheduler_config.json")
    if kind.endswith("Guidance"):
        return _json(folder, "guider_config.json")
    if kind.endswith("Processor"):
        return _json(folder, "preprocessor_config.json")
    stem = "model" if library == "transformers" else "diffusion_pytorch_model"
    config = _json(folder, "config.json")
    if folder.name not in SHARDED:
        return [*config, *_weights(folder, f"{stem}.safetensors")]
    shards = [f"{stem}-0000{number}-of-00002.safetensors" for number in (1, 2)]
    files = [path for shard in shards for path in _weights(folder, shard)]
    whole = folder / f"{stem}.safetensors.index.json"
    whole.write_text(json.dumps({"weight_map": {"a": shards[0], "b": shards[1]}}))
    return [*config, *files]


def _json(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_text("{}")
    return [folder / name for name in names]


def _weights(folder: Path, name: str) -> list[Path]:
    header = json.dumps({"t": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (folder / name).write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    return [folder / name]

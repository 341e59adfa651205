"""Do what is the same in every family: load a folder, encode text, denoise with progress, release memory."""

from __future__ import annotations

import gc
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray

from eventing.contract.catalog import CatalogEntry, SoundRule, Task
from eventing.contract.errors import InvalidRequest
from eventing.contract.records.models import GenerationSpec
from predictor.models.grid import Grid
from predictor.models.loras import LoraFiles
from predictor.models.pipelines import NO_PICTURES, Latents, OnStep, Pictures, Take
from predictor.models.pipelines.decoding.pieces import Pieces, bring
from predictor.models.pipelines.decoding.tensors import require_finite, to_frames
from predictor.models.pipelines.denoising import step_caches, steps
from predictor.models.pipelines.denoising.preview import Painter, StepCall, learn, painted, tapped
from predictor.models.pipelines.embeddings import Embeddings
from predictor.models.pipelines.loading import adapters, folder, parts
from predictor.models.sound import Waveform, require_sound

WITH_MASKS = (
    "prompt_embeds",
    "prompt_attention_mask",
    "negative_prompt_embeds",
    "negative_prompt_attention_mask",
)
TEXT = "text_encoder"  # the names of text encoders begin so


class DiffusersFamily(ABC):
    """The pipelines of one model of diffusers, split into stages. A subclass says what is special to it."""

    # The classes that this file can run, by task.
    PIPELINES: ClassVar[folder.Classes]
    # Whether several GPUs can share a video: diffusers has a plan for the transformer, and it was run here.
    SHARED: ClassVar[bool] = False
    # Whether the model makes noise by flow matching, which needs schedulers of its own.
    FLOW: ClassVar[bool] = True
    # Components that need another precision than the catalog's.
    DTYPES: ClassVar[Mapping[str, torch.dtype]] = {}
    # Names of what the pipeline's encode_prompt returns, in its order.
    EMBEDDINGS: ClassVar[tuple[str, ...]] = ("prompt_embeds", "negative_prompt_embeds")

    def __init__(self, pipes: Mapping[Task, Any], entry: CatalogEntry, device: str) -> None:
        self.pipes = pipes
        self.pipe = next(iter(pipes.values()))  # the one that is placed on the device
        self.entry, self.device = entry, device
        self.tokenizer = self.pipe.tokenizer
        self.scheduler = self.pipe.scheduler
        self.vae_decoder: torch.nn.Module = self.pipe.vae.decoder
        self.blocks = steps.blocks(self.pipe)
        self.text_length = entry.max_prompt_tokens
        self.grid = self._grid()
        self.grid.require_entry(entry)
        require_sound(entry, self._sound())
        self._embeddings = Embeddings(entry.negative_prompt)
        self._text_encoders = [part for name, part in self.pipe.components.items() if name.startswith(TEXT)]
        self._painter: Painter | None = None
        self._latest_step: Callable[[], StepCall | None] = lambda: None

    @classmethod
    def load(cls, path: Path, entry: CatalogEntry, device: str) -> Self:
        """Load from a folder onto a device. Raises ModelUnavailable if the entry does not fit the model."""
        classes = folder.choose(path, entry, cls.PIPELINES)
        parts.require_scheduler(path, cls.FLOW)
        first = folder.load(next(iter(classes.values())), path, entry, cls.DTYPES)
        step_caches.require(first, entry)
        pipes = {task: folder.around(kind, first) for task, kind in classes.items()}
        folder.place(first, entry, device)
        return cls(pipes, entry, device)

    def place(self, device: str) -> None:
        """Put the pipeline on another device than the one it was loaded for."""
        self.device = device
        folder.place(self.pipe, self.entry, device)

    def tokens(self, num_frames: int, width: int, height: int) -> int:
        """Return the length of the sequence that the transformer reads, the text aside."""
        frames = (num_frames - 1) // self.grid.frames + 1
        return frames * (width // self.grid.pixels) * (height // self.grid.pixels)

    def heads(self) -> int:
        """Return the attention heads of the transformer."""
        return int(self._transformer().config.num_attention_heads)

    def require_exact(self, spec: GenerationSpec) -> None:
        """Raise InvalidRequest if the model cannot make a spec or would round its frame count or size."""
        task = _task_of(spec)
        if task not in self.pipes:  # the dispatcher has another catalog
            field = "image" if spec.last_image is None else "last_image"
            known = ", ".join(sorted(self.pipes))
            raise InvalidRequest(f"{spec.model} has no pipeline for {task} here; it has {known}", field=field)
        self.grid.require_spec(spec)

    def adapt(self, spec: GenerationSpec, loras: Sequence[tuple[LoraFiles, float]]) -> None:
        """Turn on the adapters of a job, each with its scale, and turn off those of every other job.

        Loads the files that no earlier job needed. Raises AdapterUnavailable naming the file.
        """
        adapters.turn_off(self.pipes.values())
        if not loras:
            return
        pipe = self._turn_to(_task_of(spec))
        if missing := adapters.missing(pipe, [files for files, _ in loras]):
            try:
                adapters.load(pipe, missing)
            finally:
                adapters.turn_off(self.pipes.values())
                folder.place(pipe, self.entry, self.device)  # loading takes the offloading away
        adapters.turn_on(pipe, {files.name: scale for files, scale in loras})

    @torch.inference_mode()
    def encode_prompt(self, spec: GenerationSpec) -> dict[str, Any]:
        """Encode the prompt, and the negative prompt if guidance uses it, unless an earlier job had the same.

        A text encoder with an adapter encodes every time, since its adapters may change.
        """
        if adapters.change_any(self._text_encoders):
            return self._encode(spec, {})
        form = f"{self._transformer().dtype} {self.text_length}"
        device = torch.device(self.device)
        return self._embeddings.encoded(spec, form, device, lambda known: self._encode(spec, known))

    @torch.inference_mode()
    def denoise(
        self, spec: GenerationSpec, embeds: dict[str, Any], on_step: OnStep, pictures: Pictures = NO_PICTURES
    ) -> Latents:
        """Run the diffusion steps. Raises BrokenFrames if the latents are not finite."""
        pipe = self._turn_to(pictures.task)
        pipe.scheduler = folder.shifted(self.scheduler, spec.flow_shift, self.entry.name)
        options = {**embeds, **self._options(spec), **self._picture_options(spec, pictures)}
        with (
            steps.reported(pipe, spec.num_inference_steps, on_step),
            self._observed(pipe.scheduler),
            step_caches.cached(pipe, spec.step_cache),
        ):
            output = pipe(**options, generator=generator(spec), output_type="latent")
        return self._latents(output)

    def decode(self, spec: GenerationSpec, latents: Latents) -> NDArray[np.uint8]:
        """Turn latents into RGB frames: uint8, (frames, height, width, 3)."""
        parts: list[NDArray[np.uint8]] = []
        self.stream(spec, latents, parts.append)
        return np.concatenate(parts)

    @torch.inference_mode()
    def stream(self, spec: GenerationSpec, latents: Latents, take: Take) -> None:
        """Decode, and pass on every frame as soon as it is finished."""
        bring(self.pipe.vae)
        for piece in self._decoded(spec, latents):
            take(to_frames(piece))

    def decode_sound(self, _spec: GenerationSpec, _latents: Latents) -> Waveform | None:
        """Return the sound of the video; None from a family that makes none."""
        return None

    @torch.inference_mode()
    def prepare_previews(self) -> None:
        """Make `preview` return pictures, if the latents tell colours. Encodes one picture."""
        self._painter = self._make_painter()
        self.release()

    def preview(self, spec: GenerationSpec) -> NDArray[np.uint8] | None:
        """Return what the running step expects as RGB (height, width, 3), a pixel for each latent.

        None before the first step, and for a model without previews.
        """
        step = self._latest_step()
        if self._painter is None or step is None:
            return None
        return painted(self._painter, self._restored(spec, self._estimate(step)))

    def release(self) -> None:
        """Move offloaded parts back to the CPU and free cached blocks, so that every job starts the same."""
        self.pipe.maybe_free_model_hooks()
        if torch.cuda.is_initialized():
            gc.collect()  # a traceback may still hold tensors in a cycle
            torch.cuda.empty_cache()

    @abstractmethod
    def _grid(self) -> Grid:
        """Return the frame counts and sizes that the model makes without rounding."""

    def _sound(self) -> SoundRule | None:
        """Return the sound that the model makes; None if it makes none."""
        return None

    def _latents(self, output: Any) -> Latents:
        """Return what the decoders need of the pipeline's output. Raises BrokenFrames if it is not finite."""
        require_finite(output.frames, "latents")
        return output.frames

    @abstractmethod
    def _decoded(self, spec: GenerationSpec, latents: Latents) -> Pieces:
        """Yield the frames, (1, 3, frames, height, width) in -1..1, a few at a time."""

    @abstractmethod
    def _restored(self, spec: GenerationSpec, latents: torch.Tensor) -> torch.Tensor:
        """Return latents as the transformer has them in the VAE's scale: (1, channels, frames, h, w)."""

    def _estimate(self, step: StepCall) -> torch.Tensor:
        """Return the latents that the video will have if the model is right in this step."""
        return step.flow_estimate()

    def _make_painter(self) -> Painter | None:
        return learn(self.pipe)

    @contextmanager
    def _observed(self, scheduler: Any) -> Iterator[None]:
        """Let `preview` see the steps that are made inside."""
        if self._painter is None:
            yield
            return
        with tapped(scheduler) as tap:
            self._latest_step = lambda: tap.latest
            try:
                yield
            finally:
                self._latest_step = lambda: None

    def _encode(self, spec: GenerationSpec, known: Mapping[str, Any]) -> dict[str, Any]:
        """Encode the texts of a spec. `known` has the embeddings of texts that need no encoding, by name."""
        tensors = self.pipe.encode_prompt(
            spec.prompt,
            spec.negative_prompt,
            do_classifier_free_guidance=spec.guidance_scale > 1,
            max_sequence_length=self.text_length,
            **known,
        )
        return {name: self._cast(tensor) for name, tensor in zip(self.EMBEDDINGS, tensors, strict=True)}

    def _options(self, spec: GenerationSpec) -> dict[str, Any]:
        """Return the keyword arguments of the pipeline's call that come from the spec."""
        return {
            "width": spec.width,
            "height": spec.height,
            "num_frames": spec.num_frames,
            "num_inference_steps": spec.num_inference_steps,
            "guidance_scale": spec.guidance_scale,
            "max_sequence_length": self.text_length,
        }

    def _picture_options(self, _spec: GenerationSpec, pictures: Pictures) -> dict[str, Any]:
        """Return the keyword arguments of the pipeline's call that bring the pictures."""
        given = {"image": pictures.image, "last_image": pictures.last_image}
        return {name: picture for name, picture in given.items() if picture is not None}

    def _cast(self, tensor: torch.Tensor | None) -> torch.Tensor | None:
        """Return an embedding in the transformer's precision, which may be lower than the text encoder's."""
        if tensor is None or not tensor.is_floating_point():  # a mask
            return tensor
        return tensor.to(self._transformer().dtype)

    def _transformer(self) -> Any:
        return self.pipe.transformer or self.pipe.transformer_2

    def _turn_to(self, task: Task) -> Any:
        """Return the pipeline of a task. Offloading belongs to one pipeline, so another one takes it over."""
        pipe = self.pipes[task]
        if pipe is not self.pipe:
            folder.place(pipe, self.entry, self.device)
            self.pipe = pipe
        return pipe


def _task_of(spec: GenerationSpec) -> Task:
    if spec.last_image is not None:
        return Task.first_last
    return Task.text if spec.image is None else Task.image


def generator(spec: GenerationSpec, stream: int = 0) -> torch.Generator:
    """Draw noise on the CPU, so that a seed gives the same noise on every device.

    Another `stream` of the same job gets other numbers: seeds are below 2**32.
    """
    return torch.Generator("cpu").manual_seed(spec.seed + stream * 2**32)

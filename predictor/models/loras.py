"""Find the files of adapters (LoRAs): in a folder that their entry names, or in the Hugging Face cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eventing.contract.catalog import LoraEntry
from eventing.contract.errors import AdapterUnavailable, ModelUnavailable
from eventing.contract.records.loras import Lora, UsedLora
from eventing.contract.records.models import GenerationSpec
from eventing.contract.storage.checksums import sha256_of
from eventing.contract.storage.weights import check_safetensors

LOCAL = "local"  # the revision of a file that has no commit


@dataclass(frozen=True)
class LoraFiles:
    """The whole files of one adapter, by the transformer that each is for, and their checksums by name."""

    name: str
    revision: str
    paths: Mapping[str, Path]
    sha256: Mapping[str, str]


Adapt = Callable[[GenerationSpec, list[tuple[LoraFiles, float]]], None]  # a pipeline's


@dataclass(frozen=True)
class LoraShelf:
    """The adapters of one model. A file is looked up and read for its checksum once, at its first job."""

    entries: Mapping[str, LoraEntry] = field(default_factory=dict)
    allow_download: bool = False
    _files: dict[str, LoraFiles] = field(default_factory=dict)

    def turn_on(self, spec: GenerationSpec, adapt: Adapt) -> None:
        """Let a pipeline turn on the adapters of a job, and no others. Raises AdapterUnavailable.

        A file that cannot be used is looked up again by the next job that names it: it may be mended by then.
        """
        loaded = dict(self._files)
        try:
            adapt(spec, self._of(spec))
        except BaseException:
            self._files.clear()
            self._files.update(loaded)
            raise

    def used(self, spec: GenerationSpec) -> tuple[UsedLora, ...]:
        """Return the adapters of a video that was made, for its manifest."""
        return tuple(
            UsedLora(name=files.name, scale=scale, revision=files.revision, sha256=dict(files.sha256))
            for files, scale in self._of(spec)
        )

    def _of(self, spec: GenerationSpec) -> list[tuple[LoraFiles, float]]:
        return [(self._found(lora), lora.scale) for lora in spec.loras or ()]

    def _found(self, lora: Lora) -> LoraFiles:
        if lora.name not in self._files:
            self._files[lora.name] = find(self.entries[lora.name], self.allow_download)
        return self._files[lora.name]


def find(entry: LoraEntry, allow_download: bool) -> LoraFiles:
    """Find the files of an adapter. Raises AdapterUnavailable naming the one that is missing or not whole."""
    names = {"transformer": entry.file}
    if entry.file_2:
        names["transformer_2"] = entry.file_2
    paths = {part: _path(entry, name, allow_download) for part, name in names.items()}
    try:
        for path in paths.values():
            check_safetensors(path)
        sums = {name: sha256_of(paths[part]) for part, name in names.items()}
    except (ModelUnavailable, OSError) as error:
        raise unavailable(entry.name, str(error)) from error
    return LoraFiles(entry.name, _revision(entry, paths["transformer"]), paths, sums)


def unavailable(name: str, cause: str) -> AdapterUnavailable:
    """Return the error for an adapter that cannot be used."""
    return AdapterUnavailable(f"the adapter {name} cannot be used: {cause}")


def _path(entry: LoraEntry, name: str, allow_download: bool) -> Path:
    if entry.folder is not None:
        return Path(entry.folder) / name
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 - takes a second; most models have no adapter

    try:
        path = hf_hub_download(
            str(entry.repository), name, revision=entry.revision, local_files_only=not allow_download
        )
    except Exception as error:
        raise unavailable(
            entry.name,
            f"{name} of {entry.repository} at {entry.revision} is not in the Hugging Face cache; name its "
            "folder in the adapter's entry, or set REELZERO_ALLOW_DOWNLOAD=true to fetch it",
        ) from error
    return Path(path)


def _revision(entry: LoraEntry, path: Path) -> str:
    """Return the commit, which the path of a file in the cache has: …/snapshots/COMMIT/file."""
    if entry.folder is not None:
        return LOCAL
    parts = path.parts
    return parts[parts.index("snapshots") + 1] if "snapshots" in parts else str(entry.revision)

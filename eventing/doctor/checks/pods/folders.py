"""Check that a pod with a read-only root has a place for all that it writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from eventing.doctor.findings import Finding, Rule
from eventing.doctor.objects.manifests import Body, Manifests, environment, items, section
from eventing.doctor.objects.ourpods import OurPod, our_pods

TEMPORARY = "/tmp"  # noqa: S108 - the default of TMPDIR in a container

READ_ONLY_FOLDER = Rule(
    "read-only-folder", "error",
    "{name} is {folder}, on the read-only root or on a read-only volume",
    "{effect}",
    "mount an emptyDir there, or set {name} to a folder that one is mounted at, such as /scratch",
)  # fmt: skip
DATABASE_NOT_KEPT = Rule(
    "database-not-kept", "error",
    "REELZERO_DATABASE_URL names the file {file}, on a volume that ends with the pod",
    "every job and every key is lost with the pod",
    "use PostgreSQL: postgresql+asyncpg://…, or a PersistentVolumeClaim",
)  # fmt: skip


def check(manifests: Manifests) -> Iterator[Finding]:
    """Run all checks of this file on our pods."""
    for pod in our_pods(manifests):
        if pod.main:
            yield from _folders(pod)
            yield from _database(pod)


def _folders(pod: OurPod) -> Iterator[Finding]:
    context = section(pod.spec, "securityContext") | section(pod.main, "securityContext")
    if context.get("readOnlyRootFilesystem") is not True:
        return
    set_by = environment(pod.main)
    temporary = set_by.get("TMPDIR", TEMPORARY)
    wanted = {
        "TMPDIR": (temporary, "temporary files cannot be written, and the process fails when it needs one")
    }
    if pod.is_predictor:
        scratch = set_by.get("REELZERO_SCRATCH_DIR", temporary)
        wanted["REELZERO_SCRATCH_DIR"] = scratch, "no video can be written: every job fails at its end"
        wanted["HOME"] = (
            set_by.get("HOME", "/"),
            "caches of libraries cannot be written: loading fails or is slow",
        )
    for name, (folder, effect) in wanted.items():
        if not _is_writable(pod.main, folder):
            yield READ_ONLY_FOLDER.at(pod, name=name, folder=folder, effect=effect)


def _mount(container: Body, folder: str) -> Body | None:
    """Return the mount that holds a folder: the one with the longest path."""
    way = PurePosixPath(folder)
    held = [
        mount
        for mount in items(container, "volumeMounts")
        if way.is_relative_to(str(mount.get("mountPath") or "-"))
    ]
    return max(held, key=lambda mount: len(str(mount["mountPath"])), default=None)


def _is_writable(container: Body, folder: str) -> bool:
    mount = _mount(container, folder)
    return mount is not None and mount.get("readOnly") is not True


def _database(pod: OurPod) -> Iterator[Finding]:
    url = environment(pod.main).get("REELZERO_DATABASE_URL", "")
    if not url.startswith("sqlite"):
        return
    file = url.partition("://")[2].removeprefix("/").partition("?")[0]
    mount = _mount(pod.main, file)
    kept = [
        volume.get("name")
        for volume in items(pod.spec, "volumes")
        if "emptyDir" not in volume and "configMap" not in volume
    ]
    if mount is None or mount.get("name") not in kept:
        yield DATABASE_NOT_KEPT.at(pod, file=file)

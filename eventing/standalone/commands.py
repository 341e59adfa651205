"""The command lines of `reelzero run` and `reelzero up`.

Their code is imported when they run: `--help` answers at once, and Ctrl-C during the imports leaves nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from eventing.contract.records.models import Quality
from eventing.contract.records.pictures import Fit
from eventing.standalone.data.data_dir import DATA_DIR

DataDir = Annotated[
    Path,
    typer.Option(help="Everything is kept here: jobs, objects, secrets, logs.", envvar="REELZERO_DATA_DIR"),
]
ModelsDir = Annotated[
    Path | None,
    typer.Option(help="Folder with one folder of weights per model, named as in the catalog.", exists=True,
                 file_okay=False),
]  # fmt: skip
StepsDir = Annotated[
    Path | None,
    typer.Option(help="Folder with more types of steps, one YAML file each.", exists=True, file_okay=False,
                 envvar="REELZERO_STEPS_DIR"),
]  # fmt: skip
IdleSeconds = Annotated[
    float,
    typer.Option(min=0, help="Stop a predictor after so many seconds without work, to free its memory."),
]
WarmTemplate = Annotated[
    bool,
    typer.Option("--warm-template", envvar="REELZERO_WARM_TEMPLATE",
                 help="Keep a process that has made all imports (0.4 GB): predictors start from it at once."),
]  # fmt: skip


def run(  # noqa: PLR0913, PLR0917 - one parameter per option is how typer reads them
    prompt: Annotated[
        str | None, typer.Argument(help="What the video shows; asked for if absent.", show_default=False)
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Catalog name.", show_default="the one in the box")
    ] = None,
    frames: Annotated[int | None, typer.Option(help="Number of frames.", show_default="the model's")] = None,
    size: Annotated[
        str | None, typer.Option(help="Pixels.", metavar="WxH", show_default="the model's first")
    ] = None,
    fps: Annotated[int | None, typer.Option(help="Frames a second.", show_default="the model's")] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same video.", show_default="random")] = None,
    quality: Annotated[Quality, typer.Option(help="More steps, more time.")] = Quality.medium,
    image: Annotated[
        str | None, typer.Option(help="First frame: a picture file or its address.", metavar="FILE|URL")
    ] = None,
    last_image: Annotated[
        str | None, typer.Option(help="Last frame, with --image.", metavar="FILE|URL")
    ] = None,
    image_fit: Annotated[
        Fit | None, typer.Option(help="How pictures of another shape are fitted.", show_default="crop")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the MP4.", file_okay=False)] = Path("reelzero-out"),
    data_dir: DataDir = DATA_DIR,
    models_dir: ModelsDir = None,
) -> None:
    """Make one video on this machine, from a prompt to an MP4, with every part real.

    Starts what is needed (an S3 server, the service, a predictor from zero), sends the prompt as a
    CloudEvent, shows the progress, receives the completion event and the signed webhook, and stops everything
    again. If `reelzero up` runs on the same --data-dir, that service is used instead.

    Example: reelzero run "a red circle moving right" --seed 7
    """
    from eventing.standalone.one_shot.question import ask_prompt  # noqa: PLC0415
    from eventing.standalone.one_shot.run import VideoOrder, run  # noqa: PLC0415
    from eventing.standalone.options import Options  # noqa: PLC0415 - see the top

    width, height = _size(size)
    prompt = prompt if prompt is not None else ask_prompt()
    wishes: dict[str, Any] = {
        "prompt": prompt, "model": model, "num_frames": frames, "width": width, "height": height,
        "fps": fps, "seed": seed, "quality": quality.value,
        "image": image, "last_image": last_image, "image_fit": image_fit and image_fit.value,
    }  # fmt: skip
    order = VideoOrder({key: value for key, value in wishes.items() if value is not None}, out)
    raise typer.Exit(run(order, Options(data_dir=data_dir, models_dir=models_dir)))


def up(  # noqa: PLR0913, PLR0917 - as above
    port: Annotated[
        int,
        typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.", envvar="REELZERO_PORT"),
    ] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on; a public one needs an API key.", envvar="REELZERO_HOST")
    ] = "127.0.0.1",
    model: Annotated[
        list[str] | None,
        typer.Option(help="Serve only this model; may be repeated, the first is the default.",
                     show_default="all of the catalog"),
    ] = None,
    data_dir: DataDir = DATA_DIR,
    models_dir: ModelsDir = None,
    steps_dir: StepsDir = None,
    idle_seconds: IdleSeconds = 60.0,
    warm_template: WarmTemplate = False,
    opens_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:  # fmt: skip
    """Run the service on this machine until Ctrl-C. Prints `ready URL` when it serves.

    Jobs, events and videos are kept in --data-dir, so a later start continues where this one ended.
    Predictors start with the first job, one per GPU (one on a CPU), and stop when they are idle.

    Example: reelzero up --port 8080, then: curl -d '{"prompt": "a red circle"}' -H 'content-type:
    application/json' http://127.0.0.1:8080/v1/jobs
    """
    from eventing.standalone.options import Options  # noqa: PLC0415 - see the top
    from eventing.standalone.up import up  # noqa: PLC0415

    options = Options(
        data_dir, host, port, tuple(model or ()), models_dir, idle_seconds,
        warm_template=warm_template, steps_dir=steps_dir,
    )  # fmt: skip
    raise typer.Exit(up(options, opens_page))


def _size(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", text)
    if not match:
        raise typer.BadParameter(f"{text!r} is not a size; write it as 720x480", param_hint="--size")
    return int(match[1]), int(match[2])

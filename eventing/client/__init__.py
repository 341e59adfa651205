"""The Python client of a reelzero service. It needs no torch, and works against any server.

    from eventing.client import Client

    with Client("http://127.0.0.1:8080") as client:
        job = client.submit(prompt="a red circle moving right", seed=7)
        for update in client.stream(job.id):
            print(update.percent, update.stage)
        client.download(job.id, "circle.mp4")

`client.stories` has the stories of the server: submit, follow, revise, download the film.
`AsyncClient` has the same methods as coroutines. `verify_webhook` is for the receiver of webhooks. The
commands of `reelzero` use this client.

records.py, costs.py   what a server answers  calls.py      HTTP, and errors as exceptions
stream.py      server-sent events, resumed    download.py   files, whole or not at all
async_client.py, sync_client.py               webhooks.py   signatures
stories.py, sync_stories.py, story_records.py the same for stories
"""

from eventing.client.async_client import AsyncClient
from eventing.client.calls import Away, Refused
from eventing.client.costs import Estimate, Usage
from eventing.client.records import Group, Job, Model, Page, Update
from eventing.client.story_records import Story, StoryEstimate, StoryPage, StoryResult
from eventing.client.sync_client import Client
from eventing.client.webhooks import Delivered, verify_webhook

__all__ = [
    "AsyncClient",
    "Away",
    "Client",
    "Delivered",
    "Estimate",
    "Group",
    "Job",
    "Model",
    "Page",
    "Refused",
    "Story",
    "StoryEstimate",
    "StoryPage",
    "StoryResult",
    "Update",
    "Usage",
    "verify_webhook",
]

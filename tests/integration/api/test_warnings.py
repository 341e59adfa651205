"""What the model will not see is said in the answer to the submission."""

from __future__ import annotations

from pathlib import Path

from eventing.contract.storage.s3 import Bucket
from eventing.settings import Endpoint
from tests.integration.api.deployment import deployment
from tests.support.ports import free_port


async def test_the_answer_to_a_submission_says_what_the_model_will_not_see(
    tmp_path: Path, bucket: Bucket
) -> None:
    away = Endpoint(model="shapes-tiny", url=f"http://127.0.0.1:{free_port()}")
    body = {"prompt": "a red circle, " + "mauve " * 25, "negative_prompt": "grey"}
    async with deployment(tmp_path, bucket, endpoints=(away,)) as service:
        answer, job = await service.call("POST", "/v1/jobs", json=body)
        assert answer.status == 202
        assert job["warnings"] == [
            "the negative_prompt has no effect: guidance_scale is 1, and it must be above 1",
            "the prompt has 29 tokens; this model reads the first 24",
            "'mauve' is not a word this model knows; it has no effect",
        ]
        _, again = await service.call("GET", f"/v1/jobs/{job['id']}")
        assert again["warnings"] == job["warnings"]
        _, plain = await service.call("POST", "/v1/jobs", json={"prompt": "a red circle"})
        assert plain["warnings"] == []


async def test_v2_and_the_openai_contract_say_it_too(tmp_path: Path, bucket: Bucket) -> None:
    away = Endpoint(model="shapes-tiny", url=f"http://127.0.0.1:{free_port()}")
    unknown = ["'mauve' is not a word this model knows; it has no effect"]
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["a mauve circle"]}
    async with deployment(tmp_path, bucket, endpoints=(away,)) as service:
        answer, accepted = await service.call(
            "POST", "/v2/models/shapes-tiny/infer", json={"inputs": [tensor]},
            headers={"Prefer": "respond-async"},
        )  # fmt: skip
        assert (answer.status, accepted["warnings"]) == (202, unknown)
        _, video = await service.call("POST", "/v1/videos", json={"prompt": "a mauve circle"})
        assert video["warnings"] == unknown
        _, again = await service.call("GET", f"/v1/videos/{video['id']}")
        assert again == video
        _, page = await service.call("GET", "/v1/videos?limit=1")
        assert page["data"] == [video]


async def test_without_a_tokenizer_a_rule_of_thumb_counts_the_tokens(tmp_path: Path, bucket: Bucket) -> None:
    away = Endpoint(model="cogvideox-2b", url=f"http://127.0.0.1:{free_port()}")
    async with deployment(tmp_path, bucket, endpoints=(away,)) as service:
        _, job = await service.call("POST", "/v1/jobs", json={"prompt": "a " * 169})
        assert job["warnings"] == []
        for prompt in ("a " * 171, "猫" * 342):
            _, job = await service.call("POST", "/v1/jobs", json={"prompt": prompt})
            assert job["warnings"] == [
                "the prompt has about 228 tokens, by a rule of thumb; this model reads the first 226"
            ]

"""What the model will not see is said in the answer to the submission."""

from __future__ import annotations

from pathlib import Path

from eventing.contract.s3 import Bucket
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


async def test_a_prompt_with_more_words_than_a_model_reads_tokens_needs_no_tokenizer(
    tmp_path: Path, bucket: Bucket
) -> None:
    away = Endpoint(model="cogvideox-2b", url=f"http://127.0.0.1:{free_port()}")
    async with deployment(tmp_path, bucket, endpoints=(away,)) as service:
        _, job = await service.call("POST", "/v1/jobs", json={"prompt": "a b " * 113})
        assert job["warnings"] == []
        _, job = await service.call("POST", "/v1/jobs", json={"prompt": "a b " * 114})
        assert job["warnings"] == [
            "the prompt has 228 words; this model reads the first 226 tokens, and a word has one or more"
        ]

"""Say at submission what of a spec the model will not see, as far as the spec tells."""

from __future__ import annotations

from eventing.contract.records.models import GenerationSpec


def unseen(spec: GenerationSpec) -> tuple[str, ...]:
    """Return one warning for each input that has no effect."""
    if spec.negative_prompt and spec.guidance_scale <= 1:
        return (
            f"the negative_prompt has no effect: guidance_scale is {spec.guidance_scale:g}, "
            "and it must be above 1",
        )
    return ()

"""The Open Inference Protocol (V2) as both services use it.

table.py     names and datatypes of inputs and outputs, and the metadata
codec.py     a whole request or answer: JSON and the binary tensor data extension
elements.py  one element of a tensor, such as a number or a BYTES string
"""

from eventing.contract.v2.codec import InferRequest, decode, encode
from eventing.contract.v2.elements import FORMATS, check_tensor, from_json
from eventing.contract.v2.table import (
    INLINE_OUTPUTS,
    INPUTS,
    OUTPUTS,
    PARAMETERS,
    STORED_OUTPUTS,
    TRANSPORT,
    check_input,
    check_output,
    metadata,
    output_names,
    output_values,
    require_model,
    require_version,
    tensors,
)

__all__ = [
    "FORMATS",
    "INLINE_OUTPUTS",
    "INPUTS",
    "OUTPUTS",
    "PARAMETERS",
    "STORED_OUTPUTS",
    "TRANSPORT",
    "InferRequest",
    "check_input",
    "check_output",
    "check_tensor",
    "decode",
    "encode",
    "from_json",
    "metadata",
    "output_names",
    "output_values",
    "require_model",
    "require_version",
    "tensors",
]

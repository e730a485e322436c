"""Bit rounding: keep a stated number of significant bits, so that deflate finds something to compress."""

import numpy as np

from twin.errors import RecordError

__all__ = ["bit_round", "to_single"]

MANTISSA = 23  # explicit mantissa bits of IEEE 754 binary32


def to_single(values: np.ndarray, name: str) -> np.ndarray:
    """``values`` as float32; a finite value beyond its range is an error, not an infinity."""
    with np.errstate(over="raise"):
        try:
            return np.ascontiguousarray(values, dtype=np.float32)
        except FloatingPointError as error:
            raise RecordError(
                f"result {name!r} holds a finite value above 3.4e38, the largest of single precision; check its unit"
            ) from error


def bit_round(values: np.ndarray, bits: int) -> np.ndarray:
    """Round float32 ``values`` to ``bits`` explicit mantissa bits, half to even.

    The relative error is at most 2**-(bits + 1). NaN and infinities pass unchanged; so does a value whose rounding
    would overflow. Zender (2016), doi:10.5194/gmd-9-3199-2016, and Klöwer et al. (2021),
    doi:10.1038/s43588-021-00156-2: rounding to nearest keeps means, truncation does not.
    """
    if not 1 <= bits <= MANTISSA:
        raise RecordError(f"significant_bits = {bits}: choose 1..{MANTISSA}, or None to store every bit")
    if bits == MANTISSA:
        return values
    drop = MANTISSA - bits
    raw = values.view(np.uint32)
    rounded = raw >> np.uint32(drop)
    rounded &= np.uint32(1)
    rounded += np.uint32((1 << (drop - 1)) - 1)
    rounded += raw
    rounded &= np.uint32(0xFFFFFFFF << drop & 0xFFFFFFFF)
    result = rounded.view(np.float32)
    lost = ~(np.isfinite(result) & np.isfinite(values))
    if lost.any():
        result[lost] = values[lost]
    return result

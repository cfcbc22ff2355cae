"""Reads exported weights with the safetensors library and writes them again with it.

Usage: check_safetensors.py FLOATS.safetensors LEVELS.safetensors AGAIN.safetensors

AGAIN gets the float weights as the library writes them, for Tamis to read. The tensors of both files must come
back from the library's own file bit for bit, and the levels must lie within the bits that the metadata state.
"""
import sys

import numpy
from safetensors import safe_open
from safetensors.numpy import load_file, save_file


def metadata_of(path):
    with safe_open(path, "numpy") as file:
        return file.metadata()


def round_trip(path, again):
    tensors = load_file(path)
    save_file(tensors, again, metadata_of(path))
    returned = load_file(again)
    if metadata_of(again) != metadata_of(path) or set(returned) != set(tensors):
        sys.exit(f"{path}: other tensors or metadata after a round trip")
    for name, tensor in tensors.items():
        other = returned[name]
        if (other.dtype, other.shape) != (tensor.dtype, tensor.shape) or other.tobytes() != tensor.tobytes():
            sys.exit(f"{path}: {name} differs after a round trip")
    return tensors


def check_levels(path, tensors):
    facts, count = metadata_of(path), 0
    for key, bits in facts.items():
        if not key.endswith(".weight_bits"):
            continue
        name, half = key.removesuffix("_bits"), 2 ** (int(bits) - 1)
        levels, scale = tensors[name], tensors[f"{name}_scale"]
        site = name.removesuffix(".weight")
        zero, most = int(tensors[f"{site}.input_zero_point"][0]), 2 ** int(facts[f"{site}.input_bits"]) - 1
        if levels.min() < -half or levels.max() >= half or not levels.any():
            sys.exit(f"{path}: {name} is not within {bits} bits")
        if scale.shape != levels.shape[:1] or not (scale > 0).all() or not 0 <= zero <= most:
            sys.exit(f"{path}: {site} has wrong steps or zero point")
        count += 1
    if not count:
        sys.exit(f"{path}: no quantized weights")
    return count


def main():
    floats, levels, again = sys.argv[1:]
    tensors = round_trip(levels, again)
    count = check_levels(levels, tensors)
    floating = round_trip(floats, again)
    if any(tensor.dtype != numpy.float32 for tensor in floating.values()):
        sys.exit(f"{floats}: a tensor is not of 32-bit floats")
    print(f"{floats}, {levels}: {len(floating)} and {len(tensors)} tensors, {count} quantized convolutions")


main()

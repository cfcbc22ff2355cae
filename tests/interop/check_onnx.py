"""Compares an ONNX file with what Tamis makes of the same pictures.

Usage: check_onnx.py float|quantized MODEL.onnx OUTPUTS.safetensors

OUTPUTS is what network_output wrote. The file must pass the ONNX checker with full shape inference. In float,
every output of ONNX Runtime must agree within 1e-4 of the range of pixel values; quantized, the mean PSNR
against the high-resolution pictures must agree within 0.02 dB.
"""
import sys

import numpy
import onnx
import onnxruntime
from safetensors import safe_open

FLOAT_DISTANCE, PSNR_DISTANCE = 1e-4, 0.02


def luma(picture):
    """Y of BT.601, 16..235, of 8-bit RGB."""
    return picture.astype(numpy.float64) @ numpy.array([65.481, 128.553, 24.966]) / 255 + 16


def psnr(output, high, border, span):
    """As docs/protocol.md: rounded to 8 bits, `border` pixels cut, on Y."""
    rounded = numpy.clip(numpy.floor(output * (255 / span) + 0.5), 0, 255)
    error = luma(rounded) - luma(high)
    return 10 * numpy.log10(255**2 / numpy.mean(error[border:-border, border:-border] ** 2))


def main():
    kind, model_path, outputs_path = sys.argv[1:]
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    span, scale = float(facts["range"]), int(facts["scale"])
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    largest, ours, theirs = 0.0, [], []
    with safe_open(outputs_path, "numpy") as outputs:
        names = outputs.metadata()
        for index in sorted(names, key=int):
            low = outputs.get_tensor(f"{index}.low").astype(numpy.float32) * numpy.float32(span / 255)
            wanted = outputs.get_tensor(f"{index}.output")
            (result,) = session.run(None, {"input": low.transpose(2, 0, 1)[None]})
            result = result[0].transpose(1, 2, 0)
            if result.shape != wanted.shape:
                sys.exit(f"{model_path}: {names[index]} becomes {result.shape} instead of {wanted.shape}")
            largest = max(largest, float(numpy.abs(result - wanted).max()) / span)
            if f"{index}.high" in outputs.keys():
                high = outputs.get_tensor(f"{index}.high")
                ours.append(psnr(wanted, high, scale, span))
                theirs.append(psnr(result, high, scale, span))
    text = f"{model_path}: {len(names)} pictures, largest difference {largest:.2e} of the range"
    if ours:
        text += f", PSNR {numpy.mean(theirs):.4f} dB, of Tamis {numpy.mean(ours):.4f} dB"
    print(text)
    if kind == "float" and not largest <= FLOAT_DISTANCE:
        sys.exit(f"{model_path}: more than {FLOAT_DISTANCE} apart")
    if kind == "quantized" and not (ours and abs(numpy.mean(theirs) - numpy.mean(ours)) <= PSNR_DISTANCE):
        sys.exit(f"{model_path}: more than {PSNR_DISTANCE} dB apart")


main()

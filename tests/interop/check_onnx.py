"""Compares an ONNX file with what Tamis makes of the same pictures.

Usage: check_onnx.py float|quantized MODEL.onnx OUTPUTS.safetensors [COST.json]

OUTPUTS is what network_output wrote. The file must pass the ONNX checker with full shape inference. In float,
every output of ONNX Runtime must agree within 1e-4 of the range of pixel values, and two pictures in a batch must
become what they are alone; quantized, the mean PSNR against the high-resolution pictures must agree within
0.02 dB. With COST.json, the output of `tamis eval`, the BitOps that Tamis states are those of the model's
convolutions.
"""
import json
import math
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


def bits_of(model, makers, name):
    """Of a quantized tensor: its weight's type, or the levels that an activation can have; else 32."""
    node = makers.get(name)
    if node is None or node.op_type != "DequantizeLinear":
        return 32
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    if node.input[0] in tensors:
        return {onnx.TensorProto.INT4: 4, onnx.TensorProto.INT8: 8}[tensors[node.input[0]].data_type]
    clip = makers.get(makers[node.input[0]].input[0])
    if clip is None or not clip.name.startswith(f"{name}/"):  # a relu6 is one too
        return 8
    low, high, step = (
        float(onnx.numpy_helper.to_array(tensors[limit])) for limit in (*clip.input[1:], node.input[1])
    )
    return round(math.log2(round((high - low) / step) + 1))


def bitops(model, height, width):
    """MACs times bits times bits over all convolutions, for an input of this size."""
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for dimension, value in zip(sized.graph.input[0].type.tensor_type.shape.dim, (1, 3, height, width)):
        dimension.dim_value = value
    sized = onnx.shape_inference.infer_shapes(sized, strict_mode=True, data_prop=True)
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*sized.graph.value_info, *sized.graph.output)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    total = 0
    for node in model.graph.node:
        if node.op_type == "Conv":
            output, weight = shapes[node.output[0]], shapes[node.input[1]]
            bits = [bits_of(model, makers, name) for name in node.input[:2]]
            total += math.prod(output[1:]) * math.prod(weight[1:]) * bits[0] * bits[1]
    return total


def check_cost(kind, model, path):
    with open(path) as file:
        results = json.load(file)["results"]
    wanted = next(row for row in results if "bits" in row and (row["bits"] == "32") == (kind == "float"))
    width, height = (int(side) for side in wanted["input"].split("x"))
    found = bitops(model, height, width)
    if found != wanted["bitops"]:
        sys.exit(f"{path}: {found} BitOps in the model instead of {wanted['bitops']}")
    return f", {found} BitOps"


def check_batch(session, low):
    """Two pictures at once become what they become alone."""
    both = numpy.stack([low, low[:, ::-1]])
    (together,) = session.run(None, {"input": both})
    alone = [session.run(None, {"input": picture[None]})[0][0] for picture in both]
    distance = float(numpy.abs(together - numpy.stack(alone)).max())
    if not distance <= FLOAT_DISTANCE * max(1, float(numpy.abs(together).max())):
        sys.exit(f"pictures in a batch come out {distance} apart from those alone")


def main():
    kind, model_path, outputs_path, *cost_path = sys.argv[1:]
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
            if index == "0" and kind == "float":
                check_batch(session, low.transpose(2, 0, 1))
            largest = max(largest, float(numpy.abs(result - wanted).max()) / span)
            if f"{index}.high" in outputs.keys():
                high = outputs.get_tensor(f"{index}.high")
                ours.append(psnr(wanted, high, scale, span))
                theirs.append(psnr(result, high, scale, span))
    text = f"{model_path}: {len(names)} pictures, largest difference {largest:.2e} of the range"
    if ours:
        text += f", PSNR {numpy.mean(theirs):.4f} dB, of Tamis {numpy.mean(ours):.4f} dB"
    if cost_path:
        text += check_cost(kind, model, cost_path[0])
    print(text)
    if kind == "float" and not largest <= FLOAT_DISTANCE:
        sys.exit(f"{model_path}: more than {FLOAT_DISTANCE} apart")
    if kind == "quantized" and not (ours and abs(numpy.mean(theirs) - numpy.mean(ours)) <= PSNR_DISTANCE):
        sys.exit(f"{model_path}: more than {PSNR_DISTANCE} dB apart")


main()

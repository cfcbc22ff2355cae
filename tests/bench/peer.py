#!/usr/bin/env python3
"""PyTorch's side of docs/performance.md: answers requests, one JSON object a line, on standard input.

The first makes the work ({"work": "convolution" | "search" | "retrain" | "inference", ...}); each
{"time": N} after it runs N repetitions and answers with their seconds. `performance` starts it.
"""

import json
import sys
import time

import torch
from torch import nn

from peer_networks import Convolution, QuantNas, Rfdn


def layout(tensor, name):
    if name == "channels_last":
        return tensor.contiguous(memory_format=torch.channels_last)
    return tensor.to_mkldnn() if name == "blocked" else tensor


class OneConvolution:
    """One convolution in all passes and layouts; a repetition gives the best of the layouts."""

    layouts = ("contiguous", "channels_last", "blocked")
    passes = {
        "forward": None,
        "backward_data": [True, False, False],
        "backward_weights": [False, True, True],
    }

    def __init__(self, ask):
        groups, kernel = ask["groups"], ask["kernel"]
        x = torch.rand(ask["batch"], ask["in"], ask["size"], ask["size"])
        self.weight = torch.rand(ask["out"], ask["in"] // groups, *kernel)
        self.bias = torch.rand(ask["out"])
        self.padding, self.groups = [k // 2 for k in kernel], groups
        y = nn.functional.conv2d(x, self.weight, self.bias, 1, self.padding, 1, groups)
        self.tensors = {name: (layout(x, name), layout(y, name)) for name in self.layouts}
        self.macs = y.numel() * self.weight[0].numel()

    def run(self, which, name):
        x, gradient = self.tensors[name]
        if which == "forward":
            # Outside of inference, as in a training step.
            return torch.ops.aten.convolution(
                x, self.weight, self.bias, [1, 1], self.padding, [1, 1], False, [0, 0], self.groups
            )
        return torch.ops.aten.convolution_backward(
            gradient, x, self.weight, [self.bias.numel()], [1, 1], self.padding, [1, 1], False,
            [0, 0], self.groups, self.passes[which],
        )  # fmt: skip

    def time(self, repetitions):
        result = {}
        for which in self.passes:
            for name in self.layouts:
                try:
                    self.run(which, name)
                except RuntimeError:
                    continue  # this build has no such kernel
                seconds = []
                for _ in range(repetitions):
                    begin = time.perf_counter()
                    self.run(which, name)
                    seconds.append(time.perf_counter() - begin)
                result.setdefault(which, {})[name] = seconds
        return result


class Steps:
    """Repetitions of one function; the first call is for warming up."""

    macs = 0

    def time(self, repetitions):
        seconds = []
        for _ in range(repetitions):
            begin = time.perf_counter()
            self.step()
            seconds.append(time.perf_counter() - begin)
        return seconds

    def count(self, network):
        convolutions = [m for m in network.modules() if isinstance(m, Convolution)]
        self.macs = sum(c.macs for c in convolutions)
        self.convolutions = len(convolutions)

    def batch(self, ask):
        self.scale = ask["scale"]
        low = torch.rand(ask["batch"], 3, ask["size"], ask["size"])
        high = torch.rand(ask["batch"], 3, ask["size"] * self.scale, ask["size"] * self.scale)
        return layout(low, ask["layout"]), layout(high, ask["layout"])


class Search(Steps):
    """An alpha step and a weight step of the supernet."""

    def __init__(self, ask):
        self.low, self.high = self.batch(ask)
        self.network = QuantNas(ask["width"], ask["cells"], ask["scale"], ask["mode"])
        if ask["layout"] == "channels_last":
            self.network.to(memory_format=torch.channels_last)
        self.alphas = self.network.alphas()
        known = {id(a) for a in self.alphas}
        self.weights = [p for p in self.network.parameters() if id(p) not in known]
        self.weight_optimizer = torch.optim.Adam(self.weights, 1e-3, weight_decay=3e-8, foreach=True)
        self.alpha_optimizer = torch.optim.Adam(self.alphas, 3e-4, (0.5, 0.999), foreach=True)
        self.step()
        self.count(self.network)
        self.alpha_count = sum(a.numel() for a in self.alphas)

    def step(self):
        loss = nn.functional.l1_loss(self.network(self.low), self.high)
        bitops, entropy = self.network.penalty()
        loss = loss + 1e-12 * bitops + 1e-3 * entropy
        for alpha, gradient in zip(self.alphas, torch.autograd.grad(loss, self.alphas)):
            alpha.grad = gradient
        self.alpha_optimizer.step()
        self.weight_optimizer.zero_grad(set_to_none=True)
        for alpha in self.alphas:
            alpha.requires_grad_(False)
        nn.functional.l1_loss(self.network(self.low), self.high).backward()
        for alpha in self.alphas:
            alpha.requires_grad_(True)
        nn.utils.clip_grad_norm_(self.weights, 5)
        self.weight_optimizer.step()


class Retrain(Steps):
    """A training step of a derived network in 8 bits."""

    def __init__(self, ask):
        self.low, self.high = self.batch(ask)
        self.network = QuantNas(
            ask["width"], ask["cells"], ask["scale"], "quantized", ask["candidate"], ask["bits"]
        )
        if ask["layout"] == "channels_last":
            self.network.to(memory_format=torch.channels_last)
        self.weights = list(self.network.parameters())
        self.optimizer = torch.optim.Adam(self.weights, 1e-3, foreach=True)
        self.step()
        self.count(self.network)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        nn.functional.l1_loss(self.network(self.low), self.high).backward()
        nn.utils.clip_grad_norm_(self.weights, 5)
        self.optimizer.step()


class Inference(Steps):
    """RFDN on one picture: as written, or frozen and optimized for inference."""

    def __init__(self, ask):
        self.picture = layout(torch.rand(1, 3, ask["height"], ask["wide"]), ask["layout"])
        network = Rfdn(ask["scale"]).eval()
        counts = []
        hooks = [
            m.register_forward_hook(lambda m, _, y: counts.append(y.numel() * m.weight[0].numel()))
            for m in network.modules()
            if isinstance(m, nn.Conv2d)
        ]
        with torch.no_grad():
            network(self.picture)
        self.macs = sum(counts)
        for hook in hooks:
            hook.remove()
        if ask["layout"] == "channels_last":
            network.to(memory_format=torch.channels_last)
        if ask["layout"] == "frozen":
            with torch.no_grad():
                network = torch.jit.trace(network, self.picture)
                network = torch.jit.optimize_for_inference(torch.jit.freeze(network))
        self.network = network
        for _ in range(3):
            self.step()

    def step(self):
        with torch.no_grad():
            self.network(self.picture)


def peak_memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def main():
    kinds = {
        "convolution": OneConvolution,
        "search": Search,
        "retrain": Retrain,
        "inference": Inference,
    }
    work = None
    for line in sys.stdin:
        ask = json.loads(line)
        if "work" in ask:
            torch.manual_seed(1)
            torch.set_num_threads(ask["threads"])
            work = kinds[ask["work"]](ask)
            keys = ("macs", "convolutions", "alpha_count")
            answer = {key: getattr(work, key) for key in keys if hasattr(work, key)}
            answer["version"] = torch.__version__
        else:
            answer = {"seconds": work.time(ask["time"]), "peak_memory_bytes": peak_memory()}
        print(json.dumps(answer), flush=True)


main()

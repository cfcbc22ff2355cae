"""The networks of docs/performance.md as plain PyTorch modules, written for this comparison.

`QuantNas` is the supernet of the code published with "QuantNAS for super resolution" (arXiv
2208.14839), or one network derived from it; `Rfdn` is RFDN (Liu, Tang, Wu, 2020).
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

# Steps of half-wave Gaussian quantization for 4 and 8 bits (Cai et al., CVPR 2017).
HWGQ_STEPS = {4: 0.21305606790772952, 8: 0.020300567823662602}


class Hwgq(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, bits):
        step, highest = HWGQ_STEPS[bits], 2**bits - 1
        ctx.save_for_backward((x > 0) & (x <= highest * step))
        return (x * (1 / step)).round_().clamp_(0, highest).mul_(step)

    @staticmethod
    def backward(ctx, gradient):
        (inside,) = ctx.saved_tensors
        return gradient * inside, None


class Lsq(torch.autograd.Function):
    """Weights with a step for each output channel (Esser et al., ICLR 2020)."""

    @staticmethod
    def forward(ctx, weight, step, bits):
        lowest, highest = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        scaled = weight / step
        levels = scaled.clamp(lowest, highest).round_()
        ctx.save_for_backward(scaled, levels)
        ctx.lowest, ctx.highest = lowest, highest
        return levels * step

    @staticmethod
    def backward(ctx, gradient):
        scaled, levels = ctx.saved_tensors
        inside = (scaled >= ctx.lowest) & (scaled <= ctx.highest)
        scale = 1 / math.sqrt(scaled.numel() * ctx.highest)
        step = (gradient * (levels - scaled * inside)).sum((1, 2, 3), keepdim=True) * scale
        return gradient * inside, step, None


def noisy(value, shares, bits):
    """value + sum of share * step * normal noise of half a step; straight through to value."""
    with torch.no_grad():
        span = value.max() - value.min()
        noises = [torch.randn_like(value).mul_(0.5 * span / (2**b - 1)) for b in bits]
    for share, noise in zip(shares, noises):
        value = value + share * noise
    return value


class Convolution(nn.Conv2d):
    """A convolution that quantizes its weight and input as `mode` says."""

    def __init__(self, count_in, count_out, kernel, bits=(8,), mode="quantized", **settings):
        padding = settings.pop("padding", kernel // 2)
        super().__init__(count_in, count_out, kernel, padding=padding, bias=False, **settings)
        self.bits, self.mode = bits, mode
        self.macs = 0
        if mode in ("quantized", "direct"):
            magnitude = self.weight.detach().abs().mean((1, 2, 3), keepdim=True)
            self.steps = nn.ParameterList(
                nn.Parameter(2 * magnitude / math.sqrt(2 ** (b - 1) - 1)) for b in bits
            )

    def forward(self, x, shares=None):
        weight = self.weight
        if self.mode == "quantized":
            x, weight = Hwgq.apply(x, self.bits[0]), Lsq.apply(weight, self.steps[0], self.bits[0])
        elif self.mode == "direct":
            x = sum(s * Hwgq.apply(x, b) for s, b in zip(shares, self.bits))
            weight = sum(
                s * Lsq.apply(weight, step, b)
                for s, step, b in zip(shares, self.steps, self.bits)
            )
        elif self.mode == "noise":
            x, weight = noisy(F.relu(x), shares, self.bits), noisy(weight, shares, self.bits)
        else:
            x = F.relu(x)
        y = self._conv_forward(x, weight, None)
        self.macs = y.numel() * weight[0].numel()
        return y


CANDIDATES = [
    (f"{kind}{kernel}{'_g2' if groups == 2 else ''}", kind, kernel, groups)
    for kind, groups in (("simple", 1), ("growth", 1), ("simple", 2))
    for kernel in (1, 3, 5)
]


def convolution_chain(candidate, count_in, width, count_out, **settings):
    _, kind, kernel, groups = candidate
    if kind == "simple":
        return [Convolution(count_in, count_out, kernel, groups=groups, **settings)]
    return [
        Convolution(count_in, width, kernel, **settings),
        Convolution(width, count_out, kernel, **settings),
    ]


class Slot(nn.Module):
    """All candidates, mixed by the softmax of their alphas over operations and bits."""

    bits = (4, 8)

    def __init__(self, count_in, width, count_out, mode, candidates=CANDIDATES):
        super().__init__()
        self.candidates = nn.ModuleList(
            nn.ModuleList(convolution_chain(c, count_in, width, count_out, bits=self.bits, mode=mode))
            for c in candidates
        )
        self.alpha = nn.Parameter(1e-3 * torch.randn(len(candidates), len(self.bits)))
        self.mode = mode

    def forward(self, x):
        p = self.alpha.flatten().softmax(0).view_as(self.alpha)
        self.p = p
        weights = p.sum(1)
        out = 0
        for index, chain in enumerate(self.candidates):
            shares = p[index] / weights[index]
            y = x
            for convolution in chain:
                y = convolution(y, shares)
            out = out + weights[index] * y
        return out

    def penalty(self):
        """Expected BitOps (linear in p) and entropy."""
        squares = torch.tensor([float(b * b) for b in self.bits])
        macs = torch.tensor([float(sum(c.macs for c in chain)) for chain in self.candidates])
        return (self.p * squares * macs[:, None]).sum(), -(self.p * self.p.log()).sum()


class Chosen(nn.Sequential):
    """A derived slot: one candidate."""

    def __init__(self, count_in, width, count_out, name, mode, bits):
        candidate = next(c for c in CANDIDATES if c[0] == name)
        super().__init__(
            *convolution_chain(candidate, count_in, width, count_out, bits=(bits,), mode=mode)
        )


class Esa(nn.Module):
    def __init__(self, width, make):
        super().__init__()
        f = width // 4
        self.reduce, self.stride = make(width, f, 1), make(f, f, 3, stride=2, padding=0)
        self.body = nn.Sequential(make(f, f, 3), make(f, f, 3), make(f, f, 3))
        self.shortcut, self.expand = make(f, f, 1), make(f, width, 1)

    def forward(self, x):
        a = self.reduce(x)
        b = self.body(F.max_pool2d(self.stride(a), 7, 3))
        b = F.interpolate(b, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.expand(b + self.shortcut(a)))


class Cell(nn.Module):
    def __init__(self, width, slot, fixed):
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.skips = nn.ModuleList(slot(width, width, width // 2) for _ in range(3))
        self.bodies = nn.ModuleList(slot(width, width, width) for _ in range(3))
        self.last = slot(width, width, width // 2)
        self.fuse, self.esa = fixed(2 * width, width, 1), Esa(width, fixed)
        self.scale, self.shift = nn.Parameter(torch.tensor(1.5)), nn.Parameter(torch.tensor(0.0))

    def forward(self, x):
        deviation = x.std((1, 2, 3), keepdim=True)
        y, parts = self.norm(x), []
        for skip, body in zip(self.skips, self.bodies):
            parts.append(skip(y))
            y = y + body(y)
        parts.append(self.last(y))
        y = self.esa(self.fuse(torch.cat(parts, 1)))
        return y * (self.scale * deviation + self.shift) + x


class QuantNas(nn.Module):
    def __init__(self, width, cells, scale, mode, candidate=None, bits=8):
        super().__init__()
        self.width = width

        def fixed(*counts, **settings):
            how = "quantized" if mode != "float" else "float"
            return Convolution(*counts, bits=(8,), mode=how, **settings)

        def slot(*counts, candidates=CANDIDATES):
            if candidate:
                return Chosen(*counts, candidate, mode, bits)
            return Slot(*counts, mode, candidates)

        self.cells = nn.ModuleList(Cell(width, slot, fixed) for _ in range(cells))
        self.fuse, self.smooth = fixed(cells * width, width, 1), fixed(width, width, 3)
        self.upsample = slot(width, width, 3 * scale * scale)
        self.tail = slot(3, width, 3, candidates=CANDIDATES[:6])
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x):
        x = head = x.repeat(1, self.width // 3, 1, 1)
        parts = []
        for cell in self.cells:
            x = cell(x)
            parts.append(x)
        x = self.smooth(self.fuse(torch.cat(parts, 1))) + head
        x = self.shuffle(self.upsample(x))
        return x + self.tail(x)

    def alphas(self):
        return [m.alpha for m in self.modules() if isinstance(m, Slot)]

    def penalty(self):
        pairs = [m.penalty() for m in self.modules() if isinstance(m, Slot)]
        return sum(p[0] for p in pairs), sum(p[1] for p in pairs)


class Rfdn(nn.Module):
    """RFDN with 50 channels."""

    def __init__(self, scale, width=50):
        super().__init__()
        half, f = width // 2, width // 4
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleList(RfdnBlock(width, half, f) for _ in range(4))
        self.fuse = nn.Conv2d(4 * width, width, 1)
        self.smooth = nn.Conv2d(width, width, 3, padding=1)
        self.upsample = nn.Conv2d(width, 3 * scale * scale, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, x):
        x = head = self.head(x)
        parts = []
        for block in self.blocks:
            x = block(x)
            parts.append(x)
        x = self.smooth(F.leaky_relu(self.fuse(torch.cat(parts, 1)), 0.05)) + head
        return self.shuffle(self.upsample(x))


class RfdnBlock(nn.Module):
    def __init__(self, width, half, f):
        super().__init__()
        self.distill = nn.ModuleList(nn.Conv2d(width, half, 1) for _ in range(3))
        self.refine = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(3))
        self.last = nn.Conv2d(width, half, 3, padding=1)
        self.fuse = nn.Conv2d(4 * half, width, 1)
        self.reduce, self.expand = nn.Conv2d(width, f, 1), nn.Conv2d(f, width, 1)
        self.shortcut, self.stride = nn.Conv2d(f, f, 1), nn.Conv2d(f, f, 3, stride=2)
        self.body = nn.ModuleList(nn.Conv2d(f, f, 3, padding=1) for _ in range(3))

    def forward(self, x):
        parts = []
        for distill, refine in zip(self.distill, self.refine):
            parts.append(F.leaky_relu(distill(x), 0.05))
            x = F.leaky_relu(refine(x) + x, 0.05)
        parts.append(F.leaky_relu(self.last(x), 0.05))
        x = self.fuse(torch.cat(parts, 1))
        a = self.reduce(x)
        b = F.relu(self.body[0](F.max_pool2d(self.stride(a), 7, 3)))
        b = self.body[2](F.relu(self.body[1](b)))
        b = F.interpolate(b, x.shape[2:], mode="bilinear", align_corners=False)
        return x * torch.sigmoid(self.expand(b + self.shortcut(a)))

"""The page docs/performance.md from the results of `performance` and the text around them."""

import math
import re

# The published PyTorch code, and the multiply-add peak of the machine it was measured on.
PUBLISHED_PEAK = 206
PUBLISHED = {"search": 3.29, "large": 12.7}

PASS_TITLES = {
    "forward": "forward",
    "backward_data": "backward, data",
    "backward_weights": "backward, weights",
}
# What issue 3 asks of each group of convolutions: title, rows, geometric mean and least, by pass.
GOALS = [
    ("k3, batch 16", lambda r: kernel(r) == 3 and r["groups"] == 1 and r["batch"] > 1,
     (1.7, 1.7, 1.5), (1.3, 1.3, 1.1)),
    ("k3, batch 1, 256×256", lambda r: kernel(r) == 3 and r["batch"] == 1, (1.6, 1.6, 1.3), None),
    ("k5", lambda r: kernel(r) == 5 and r["groups"] == 1, (1.5, 1.5, 1.3), None),
    ("k1", lambda r: kernel(r) == 1, (0.75, 0.75, 0.65), None),
    ("k3 in 2 groups", lambda r: kernel(r) == 3 and r["groups"] == 2, (1.2, 1.2, 1.0), None),
]  # fmt: skip
SEARCH_TITLES = {
    "merged": "merged, noise per slot",
    "noise": "noise, candidates apart",
    "uniform": "uniform noise, candidates apart",
    "direct": "direct quantization",
    "float": "float, candidates apart",
    "float_merged": "float, merged",
}


def kernel(row):
    return row["kernel"][0]


def table(titles, rows, left=1):
    """A Markdown table; the first `left` columns are texts."""
    marks = [":--" if i < left else "--:" for i in range(len(titles))]
    lines = [titles, marks, *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def mebibytes(count):
    return f"{count / 2**20:,.0f} MiB"


def mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def by_shape(rows):
    found = {}
    for row in rows:
        found.setdefault((row["op"], row["shape"]), {})[row["pass"]] = row
    return found


def convolutions(results):
    lines = []
    for (_, shape), passes in by_shape(results["convolutions"]).items():
        cells = []
        for name in PASS_TITLES:
            row = passes[name]
            cell = f"{row['fraction_of_peak']:.2f}"
            if "torch_gflops" in row:
                cell += f" ({row['torch_gflops'] / row['peak_gflops']:.2f})"
            cells.append(cell)
        lines.append([shape, *cells])
    return table(["shape", *PASS_TITLES.values()], lines)


def convolution_goals(results):
    rows = [r for r in results["convolutions"] if r["op"] == "conv"]
    lines = []
    for title, belongs, goals, least in GOALS:
        cells = []
        for which, name in enumerate(PASS_TITLES):
            found = [r["fraction_of_peak"] for r in rows if r["pass"] == name and belongs(r)]
            cell = f"{mean(found):.2f} (wanted {goals[which]:.2f})"
            if least:
                cell += f", least {min(found):.2f} (wanted {least[which]:.1f})"
            cells.append(cell)
        lines.append([title, *cells])
    ratios = {}
    for row in results["convolutions"]:
        if row["op"] == "depthwise" and "torch_gflops" in row:
            ratios.setdefault(row["shape"], []).append(row["gflops"] / row["torch_gflops"])
    for shape, three in ratios.items():
        cells = [f"{ratio:.2f} × PyTorch (wanted 1)" for ratio in three]
        lines.append([shape, *cells])
    return "Geometric means:\n\n" + table(["shapes", *PASS_TITLES.values()], lines)


def supernet_convolutions(results):
    rows = [r for r in results["operations"] if r["op"] == "conv" and r["batch"] == 8]
    lines = [
        [shape, *(f"{passes[name]['fraction_of_peak']:.2f}" for name in PASS_TITLES)]
        for (_, shape), passes in by_shape(rows).items()
    ]
    return table(["shape", *PASS_TITLES.values()], lines)


def elementwise(results):
    rows = [r for r in results["operations"] if "gbytes_per_second" in r]
    lines = [
        [
            op,
            shape,
            *(
                f"{passes[name]['gbytes_per_second']:.0f} GB/s, "
                f"{passes[name]['fraction_of_copy']:.2f}"
                for name in ("forward", "backward")
            ),
        ]
        for (op, shape), passes in by_shape(rows).items()
    ]
    return table(["operation", "shape", "forward", "backward"], lines, left=2)


def published_fraction(section, step):
    """The published code's fraction of the peak, with the FLOP of this step."""
    return step["flop_per_step"] / (PUBLISHED[section] * PUBLISHED_PEAK * 1e9)


def published_factor(section, ours):
    return ours["fraction_of_peak"] / published_fraction(section, ours)


def steps(found, width, peers):
    """A row for each way of searching; `peers` has PyTorch's steps."""
    lines = []
    for name, ours in found.items():
        torch = peers.get("direct" if name == "direct" else "noise", {}).get("torch")
        has_noise = name in ("merged", "noise", "uniform")
        cells = [
            SEARCH_TITLES[name],
            f"{ours['seconds_per_step']:.3f} s",
            f"{ours['gflops']:.0f}",
            f"{ours['fraction_of_peak']:.2f}",
            mebibytes(ours["peak_memory_bytes"]),
            f"{published_factor(width, ours):.1f} ×" if has_noise else "–",
        ]
        if peers:
            cells.append(
                f"{torch['seconds'] / ours['seconds_per_step']:.1f} ×"
                if torch and (has_noise or name == "direct")
                else "–"
            )
        lines.append(cells)
    titles = ["step", "time", "GFLOP/s", "of the peak", "memory", "against published"]
    if peers:
        titles.append("against our re-implementation")
    ours = next(iter(found.values()))
    text = (
        f"{ours['forward_macs'] / 1e9:.3f} G MACs forward, {ours['convolutions']} convolutions, "
        f"{ours['alphas']} α; peak {ours['peak_gflops']:.0f} GFLOP/s.\n\n"
    )
    return text + table(titles, lines)


def search(results):
    return steps(results["variants"], "search", results["search"])


def large(results):
    return steps(results["large"], "large", {})


def search_pairs(results):
    """Ours and PyTorch's in turns."""
    lines = []
    for name, pair in results["search"].items():
        ours, torch = pair["tamis"], pair.get("torch")
        if not torch:
            return "PyTorch was not there to be compared with."
        lines.append([
            SEARCH_TITLES[name],
            f"{ours['seconds_per_step']:.3f} s, {mebibytes(ours['peak_memory_bytes'])}",
            f"{torch['seconds']:.2f} s, {mebibytes(torch['peak_memory_bytes'])} ({torch['layout']})",
            f"{torch['seconds'] / ours['seconds_per_step']:.1f} ×",
        ])  # fmt: skip
    return table(["step", "Tamis", "our re-implementation in PyTorch", "factor"], lines)


def search_goals(results):
    lines = []
    for section, key, title, limit in (
        ("search", "variants", "24", 600),
        ("large", "large", "48", 2048),
    ):
        for name, wanted in (("noise", 5), ("merged", 7)):
            ours = results[key][name]
            lines.append([
                f"width {title}, {SEARCH_TITLES[name]}",
                f"{published_factor(section, ours):.1f} × (wanted {wanted})",
                f"{mebibytes(ours['peak_memory_bytes'])} (wanted at most {limit:,})",
            ])  # fmt: skip
    return table(["step", "against the published code", "memory"], lines)


def noise_goals(results):
    lines = []
    for section, title in (("variants", "width 24, 2 cells"), ("large", "width 48, 4 cells")):
        found = {name: step["fraction_of_peak"] for name, step in results[section].items()}
        lines.append([
            title,
            *(f"{found['noise'] / found[name]:.2f}" for name in ("merged", "noise", "direct", "float")),
            f"{100 * (found['noise'] / found['direct'] - 1):.0f} %",
            f"{100 * (found['merged'] / found['direct'] - 1):.0f} %",
        ])  # fmt: skip
    titles = ["time against noise, apart", "merged noise", "noise", "direct", "neither (float)"]
    titles += ["noise faster than direct by", "merged noise by"]
    return table(titles, lines)


def training(results):
    lines = []
    for name, title, wanted in (
        ("retrain", "retraining step, 8 bits", 3),
        ("inference", "RFDN, 320×180", 2),
    ):
        ours, torch = (results["training"][name].get(key) for key in ("tamis", "torch"))
        lines.append([
            title,
            f"{ours['forward_macs'] / 1e9:.2f} G",
            f"{1e3 * ours['seconds_per_step']:.0f} ms",
            f"{ours['fraction_of_peak']:.2f}",
            mebibytes(ours["peak_memory_bytes"]),
            f"{1e3 * torch['seconds']:.0f} ms ({torch['layout']})" if torch else "–",
            mebibytes(torch["peak_memory_bytes"]) if torch else "–",
            f"{torch['seconds'] / ours['seconds_per_step']:.1f} × (wanted {wanted})"
            if torch else "–",
        ])  # fmt: skip
    titles = ["work", "MACs", "Tamis", "of the peak", "memory", "PyTorch", "memory", "factor"]
    return table(titles, lines)


def scaling(results):
    lines = [
        [
            f"{row['factor']} × {row['grows']}",
            row["size"],
            f"{row['forward_macs'] / 1e9:.2f} G",
            f"{1e3 * row['seconds_per_step']:.0f} ms",
            f"{row['fraction_of_peak']:.2f}",
            f"{row['relative_time_per_work']:.2f}",
            mebibytes(row["planned_memory_bytes"]),
        ]
        for row in results["scaling"]
    ]
    titles = ["work", "size", "MACs", "step", "of the peak", "time for each MAC", "arena"]
    return table(titles, lines, left=2)


def thread_scaling(results):
    lines = []
    for name, (one, two) in results["threads"].items():
        lines.append([
            name,
            *(f"{step['seconds_per_step']:.2f} s" for step in (one, two)),
            f"{one['seconds_per_step'] / two['seconds_per_step']:.2f}",
            f"{two['peak_gflops'] / one['peak_gflops']:.2f}",
        ])  # fmt: skip
    titles = ["noise step", "one thread", "two", "times as fast (wanted 1.9)", "the peak"]
    return table(titles, lines)


def memory(results):
    lines = [
        [
            f"{row['work']}, {row['mode']}",
            f"{100 * row['limit_share']:.0f} %" if row["limit_share"] < 1 else "none",
            *(
                mebibytes(row[key])
                for key in ("arena_bytes", "planned_memory_bytes", "peak_memory_bytes")
            ),
            f"{row['peak_of_planned']:.3f}",
            f"{1e3 * row['seconds_per_step']:.0f} ms",
        ]
        for row in results["memory"]
    ]
    return table(["step", "limit", "arena", "planned", "measured", "ratio", "time"], lines, left=2)


def profile(results):
    columns = {SEARCH_TITLES[name]: step for name, step in results["variants"].items()}
    columns["retraining"] = results["training"]["retrain"]["tamis"]
    shares = [{o["op"]: o["share"] for o in step["operations"]} for step in columns.values()]
    names = sorted({n for s in shares for n in s}, key=lambda n: -max(s.get(n, 0) for s in shares))
    lines = [
        [name, *(f"{100 * s[name]:.1f} %" if name in s else "" for s in shares)]
        for name in names
        if max(s.get(name, 0) for s in shares) >= 0.005
    ]
    rest = [f"{100 * (1 - sum(s.values())):.1f} %" for s in shares]
    lines.append(["outside of the plan (images, optimizers, α's loss)", *rest])
    return table(["operation", *columns], lines)


def share(step, *names):
    return 100 * sum(o["share"] for o in step["operations"] if o["op"] in names)


def obstacles(results):
    """What would have to be faster for twice the wanted factors, from this run's numbers."""
    steps_of = results["variants"]
    merged, noise, plain = (steps_of[name] for name in ("merged", "noise", "float"))
    wanted = {n: n * published_fraction("search", noise) for n in (5, 7, 10, 14)}
    rows = by_shape(r for r in results["operations"] if r["op"] == "conv" and r["batch"] == 8)
    speed = {
        shape: mean([row["fraction_of_peak"] for row in passes.values()])
        for (_, shape), passes in rows.items()
    }

    wide = mean([r["fraction_of_peak"] for r in results["convolutions"] if r["shape"].endswith("64-64 k3")])

    def of(size, channels, what):
        return f"{speed[f'8x{size}x{size} {channels} {what}']:.2f}"

    return f"""At width 24 a factor of 5 over the published code is {wanted[5]:.2f} of the peak and 7 is {wanted[7]:.2f}; twice that
would be {wanted[10]:.2f} with candidates apart and {wanted[14]:.2f} merged. The steps reach
{noise['fraction_of_peak']:.2f} and {merged['fraction_of_peak']:.2f}. In the way stand:

- **Few channels.** Without any quantization the same candidates run apart at {plain['fraction_of_peak']:.2f} of the peak: that
  is what convolutions of this width allow. Over the three passes 24→24 channels reach {of(32, '24-24', 'k3')} (k3) and
  {of(32, '24-24', 'k5')} (k5), and 24→12 {of(32, '24-12', 'k3')} and {of(32, '24-12', 'k5')}, where 64→64 reach {wide:.2f}
  (k3): the tiles' transforms cost as much for each channel whether few or many are multiplied, and 12 channels fill three
  quarters of a vector of 16.
- **Small kernels and groups.** 1×1 has nothing that a transform could save: {of(32, '24-24', 'k1')} for 24→24,
  {of(32, '24-12', 'k1')} for 24→12, {of(32, '24-24', 'k1 groups 2')} in 2 groups.
- **The tail.** Its candidates read or write 3 channels at four times the size: {of(128, '3-24', 'k5')} and
  {of(128, '24-3', 'k5')} of the peak.
- **Noise.** With candidates apart each convolution has its own: the step takes
  {plain['fraction_of_peak'] / noise['fraction_of_peak']:.2f} times as long as without any. What is not fused into loads
  (`quant_noise`, for weights and ranges, and `mix`) is {share(noise, 'quant_noise', 'mix'):.0f} % of it, the rest is inside
  the convolutions. One draw for a slot and merging remove most of this.
- **What cannot be merged.** The merged convolutions are {share(merged, 'conv_mix'):.0f} % of the merged step, convolutions
  apart {share(merged, 'conv'):.0f} %: those of `growth` candidates, each of which is two in a row with its own noise between,
  and the fixed 8-bit ones."""


def write_page(results, sections, template):
    """`sections` are those that can be measured; what `results` does not have is marked so."""
    about = results.get("about", {})
    parts = {
        "date": lambda _: about["date"],
        "version": lambda _: about["version"],
        "threads": lambda _: about["threads"],
        "lanes": lambda _: about["lanes"],
        "peak": lambda r: f"{r['convolutions'][0]['peak_gflops']:.0f}",
        "published_peak": lambda _: PUBLISHED_PEAK,
        "torch": lambda r: "PyTorch "
        + r["search"]["noise"]["torch"]["version"]
        + " (oneDNN), as Debian has it, runs beside it."
        if about["has_torch"]
        else "PyTorch was not installed: its columns are empty.",
        "thread_scaling": thread_scaling,
    }
    for function in (convolutions, convolution_goals, supernet_convolutions, elementwise, search,
                     search_pairs, large, search_goals, noise_goals, training, scaling, memory, profile, obstacles):  # fmt: skip
        parts[function.__name__] = function

    def fill(match):
        try:
            return str(parts[match.group(1)](results))
        except KeyError as missing:
            if missing.args[0] not in sections:
                raise
            return "(not measured)"

    return re.sub(r"\{\{(\w+)\}\}", fill, template.read_text())

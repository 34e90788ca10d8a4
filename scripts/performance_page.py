"""What scripts/bench-peers measured, as Markdown tables and a roofline picture. By itself: performance_page.py OUT.json."""
import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- measured: begin (scripts/bench-peers writes this) -->", "<!-- measured: end -->"
NAMES = {"latent-step": "latent step", "token-step": "token step, with LM head", "train-step": "Coconut training update",
         "eval": "evaluation: question, thoughts, answer", "load": "load the checkpoint"}


def of(result, benchmark, dtype):
    return next((row for row in result["rows"] if row["benchmark"] == benchmark and row["dtype"] == dtype), None)


def percent(share):
    return f"{100 * share:.0f} %"


def milliseconds(ms):
    return f"{ms:.2f} ms" if ms >= 1 else f"{1e3 * ms:.1f} us"


def figure(row):
    """A row's time in the unit that people compare."""
    ours = row["ours"]
    for name, unit in (("examples_per_s", "examples/s"), ("problems_per_s", "problems/s")):
        if name in ours:
            return f"{ours[name]:.3g} {unit}", ours["ms_median"] * ours[name], unit
    return milliseconds(ours["ms_median"]), None, "ms"


def peer_figure(row, who):
    _, units, unit = figure(row)
    ms = row["peers"][who]["ms_median"]
    return f"{units / ms:.3g} {unit}" if units else milliseconds(ms)


def where(result):
    versions = result["versions"]
    on_device = f"{result['device']}, beside " if "device" in result else ""
    with_instructions = ", ".join(result["instructions"]) or "plain"
    return (f"{on_device}{result['processor']} ({with_instructions}), {result['cores']} cores, {result['threads']} threads; {result['model']}; "
            f"torch {versions['torch']}, transformers {versions['transformers']}, {versions['tacit']}")


def steps_table(result):
    lines = ["| what | dtype | tacit | p95 | of the floor | GB/s | GFLOP/s |", "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for row in result["rows"]:
        ours = row["ours"]
        if "floor_ms" not in ours:
            continue
        lines.append(f"| {NAMES[row['benchmark']]} | {row['dtype']} | {figure(row)[0]} | {milliseconds(ours['ms_p95'])} | "
                     f"{percent(ours['share_of_floor'])} | {ours['gb_per_s']:.1f} of {ours['bandwidth_gb_per_s']:.1f} | "
                     f"{ours['gflop_per_s']:.0f} of {ours['machine_gflop_per_s']:.0f} |")
    return lines


def peers_table(result):
    lines = ["| what | dtype | tacit | peer | its figure | ratio | same result |", "| --- | --- | ---: | --- | ---: | ---: | --- |"]
    for row in result["rows"]:
        for who, peer in row["peers"].items():
            same = {True: "yes", False: "**no**", None: ""}[peer.get("same_result")]
            lines.append(f"| {NAMES[row['benchmark']]} | {row['dtype']} | {figure(row)[0]} | {who} | {peer_figure(row, who)} | "
                         f"{peer['ratio']:.2f} | {same} |")
    return lines


def kernels_table(result):
    kernels = result.get("kernels")
    if not kernels:
        return []
    lines = ["", f"Kernels (machine: {kernels['bandwidth_gb_per_s']:.1f} GB/s, {kernels['machine_gflop_per_s']:.0f} GFLOP/s). Cold: the caches hold "
             "other memory, as between two steps of a model; the rate and its share are of the cold time.", "",
             "| kernel | cold | twin / kernel | warm | twin / kernel | rate | share |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for kernel in kernels["kernels"]:
        of_bytes = kernel["bound"] == "bytes"
        rate = f"{kernel['gb_per_s']:.2f} GB/s" if of_bytes else f"{kernel['gflop_per_s']:.1f} GFLOP/s"
        share = kernel["share_of_bandwidth" if of_bytes else "share_of_flop_rate"]
        lines.append(f"| {kernel['name']} | {1e3 * kernel['ms_median']:.1f} us | {kernel['twin_ratio']:.2f} | {1e3 * kernel['ms_warm_median']:.2f} us | "
                     f"{kernel['twin_warm_ratio']:.2f} | {rate} | {percent(share)} |")
    return lines


def result_page(result, picture):
    sizes = result["sizes"]
    lines = ["# Speed", "", where(result) + ".", "",
             f"Questions of {sizes['question']} tokens, {sizes['latents']} thoughts, {sizes['answer']} tokens of answer (batch "
             f"{sizes['batch']['eval']}); in training {sizes['rest']} tokens after the thoughts (batch {sizes['batch']['train-step']}); steps at batch 1. "
             "Medians of rounds in turns; a ratio is the median over rounds of peer / tacit. The floor is the larger of bytes / read bandwidth and "
             "FLOPs / rate of multiplying matrices, both measured in the same rounds. Command:", "", f"    {result['command']}", "",
             *steps_table(result), "", *peers_table(result), "", *(targets_table(result)[2:] + [""] if "device" in result else []),
             "`hf` is a careful loop over transformers (cache, batches, no vocabulary projection where none is needed), `original` restates Coconut's "
             "own code. \"Same result\" compares hidden states, losses or answers in fp32."]
    for row in result["rows"]:
        if "trace_overhead" in row["ours"]:
            lines.append(f"Recording thoughts in {row['dtype']}: {100 * row['ours']['trace_overhead']:+.1f} % of a latent step.")
    lines += kernels_table(result)
    lines += ["", f"![roofline]({picture})", ""]
    return "\n".join(lines)


def targets(result):
    """What, target, measured, reached: None where this has not been measured."""
    rows = []

    if "device" in result:
        return device_targets(result)

    def add(what, target, row, value, text, reached):
        rows.append((what, target, *((text(value(row)), reached(value(row))) if row else ("", None))))

    def peer(who):
        return lambda row: row["peers"][who]["ratio"]

    def times(x):
        return f"{x:.2f} x"
    for dtype in ("fp32", "bf16"):
        add(f"latent step, batch 1, CPU {dtype}", ">= 90 % of read bandwidth", of(result, "latent-step", dtype),
            lambda row: row["ours"]["share_of_bandwidth"], percent, lambda x: x >= .9)
    for dtype in ("fp32", "bf16"):
        add(f"token step with LM head, CPU {dtype}", ">= 90 % of read bandwidth", of(result, "token-step", dtype),
            lambda row: row["ours"]["share_of_bandwidth"], percent, lambda x: x >= .9)
    for dtype, least in (("fp32", 2.5), ("bf16", 5)):
        add(f"Coconut training update, CPU {dtype}", f">= {least} x the original's in {dtype}" + (" autocast" if dtype == "bf16" else ""),
            of(result, "train-step", dtype), peer("original"), times, lambda x, least=least: x >= least)
    for dtype, least in (("fp32", 2), ("bf16", 4)):
        add(f"evaluation, CPU {dtype}", f">= {least} x careful HF in {dtype}", of(result, "eval", dtype), peer("hf"), times,
            lambda x, least=least: x >= least)
    add("evaluation, CPU fp32", ">= 30 x the original", of(result, "eval", "fp32"), peer("original"), times, lambda x: x >= 30)
    for dtype in ("fp32", "bf16"):
        add(f"recording thoughts, CPU {dtype}", "< 2 % slower", of(result, "latent-step", dtype), lambda row: row["ours"]["trace_overhead"],
            lambda x: f"{100 * x:+.1f} %", lambda x: x < .02)
        add(f"load a checkpoint, {dtype}", "<= 1.2 x reading the file", of(result, "load", dtype),
            lambda row: row["ours"]["touched_ratio_to_read"], times, lambda x: x <= 1.2)
    return rows


def device_targets(result):
    """As targets(), on a GPU."""
    step, update = of(result, "latent-step", "bf16"), of(result, "train-step", "bf16")
    rows = []
    if step:
        ms, ratio = step["ours"]["ms_median"], step["peers"]["hf"]["ratio"]
        rows += [("latent step, batch 1, bf16", "<= 60 us", milliseconds(ms), ms <= .06),
                 ("the same", ">= 10 x HF's eager step", f"{ratio:.1f} x", ratio >= 10)]
    if update:
        ratio = update["peers"]["original"]["ratio"]
        rows.append(("Coconut training update, bf16 autocast", ">= 5 x the original's", f"{ratio:.2f} x", ratio >= 5))
    return rows


def targets_table(result):
    lines = [where(result) + ".", "", "| what | target | measured | reached |", "| --- | --- | ---: | --- |"]
    for what, target, measured, reached in targets(result):
        lines.append(f"| {what} | {target} | {measured or 'not measured'} | {'' if reached is None else 'yes' if reached else 'no'} |")
    return lines


def rewrite(page, lines):
    text = page.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"performance_page: expected '{BEGIN}' and '{END}' in {page}")
    head, tail = text.split(BEGIN)[0], text.split(END, 1)[1]
    page.write_text(head + "\n".join([BEGIN, *lines, END]) + tail)


class Roofline:
    """Operations a byte against operations a second, both logarithmic."""

    LEFT, TOP, WIDTH, HEIGHT, LEGEND = 82, 40, 520, 380, 330
    COLOURS = ["#1b6ca8", "#c8553d", "#3f8f4f", "#8a5fb0", "#b08a1e", "#2a9d8f", "#d1495b", "#6b705c", "#333333", "#e07be0",
               "#5fb8f0"]

    def __init__(self, points, gb_per_s, gflop_per_s, title):
        self.points, self.bandwidth, self.rate, self.title = points, gb_per_s, gflop_per_s, title
        ridge = gflop_per_s / gb_per_s
        xs, ys = [p["x"] for p in points] + [ridge], [p["y"] for p in points] + [gflop_per_s]
        self.x0, self.x1 = self.decade(min(xs), -1), self.decade(max(xs), 1)
        self.y0, self.y1 = self.decade(min(ys), -1), self.decade(max(ys), 1)

    @staticmethod
    def decade(value, direction):
        exponent = math.log10(value)
        return math.floor(exponent - .1) if direction < 0 else math.ceil(exponent + .1)

    def at(self, x, y):
        return (self.LEFT + (math.log10(x) - self.x0) / (self.x1 - self.x0) * self.WIDTH,
                self.TOP + (self.y1 - math.log10(y)) / (self.y1 - self.y0) * self.HEIGHT)

    def grid(self):
        out = []
        for e in range(self.x0, self.x1 + 1):
            x, _ = self.at(10 ** e, 10 ** self.y0)
            out.append(f'<line x1="{x:.1f}" y1="{self.TOP}" x2="{x:.1f}" y2="{self.TOP + self.HEIGHT}" class="grid"/>')
            out.append(f'<text x="{x:.1f}" y="{self.TOP + self.HEIGHT + 18}" text-anchor="middle">{10 ** e:g}</text>')
        for e in range(self.y0, self.y1 + 1):
            _, y = self.at(10 ** self.x0, 10 ** e)
            out.append(f'<line x1="{self.LEFT}" y1="{y:.1f}" x2="{self.LEFT + self.WIDTH}" y2="{y:.1f}" class="grid"/>')
            out.append(f'<text x="{self.LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10 ** e:,g}</text>')
        return out

    def roof(self):
        ridge = self.rate / self.bandwidth
        low = max(10 ** self.x0, 10 ** self.y0 / self.bandwidth)
        corners = [self.at(low, low * self.bandwidth), self.at(ridge, self.rate), self.at(10 ** self.x1, self.rate)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        x, y = self.at(ridge, self.rate)
        return [f'<polyline points="{path}" class="roof"/>',
                f'<text x="{self.LEFT + self.WIDTH - 6}" y="{y - 7:.1f}" text-anchor="end" class="rate">{self.rate:.0f} GFLOP/s</text>',
                f'<text x="{x - 60:.1f}" y="{y - 7:.1f}" text-anchor="end" class="rate">{self.bandwidth:.1f} GB/s</text>']

    def legend(self):
        """By line: the mark's number or none, its text, its group. Whole steps one by one, a kernel's sizes together."""
        lines, kernels = [], {}
        for point in self.points:
            if point["group"] == "steps":
                lines.append((len(lines) + 1, f'{point["name"]}, {percent(point["share"])}', "steps"))
            else:
                kernels.setdefault(point["group"], []).append(point["share"])
        for name, shares in kernels.items():
            lines.append((None, f"{name}, {percent(min(shares))} to {percent(max(shares))}", name))
        return lines

    def marks(self):
        out, numbers, lines = [], [], self.legend()
        groups = list(dict.fromkeys(group for _, _, group in lines))

        def mark(group, x, y):
            colour = self.COLOURS[groups.index(group) % len(self.COLOURS)]
            if group == "steps":
                return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{colour}"/>'
            return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        dots = [self.at(p["x"], p["y"]) for p in self.points if p["group"] == "steps"]
        for point in sorted(self.points, key=lambda p: p["group"] == "steps"):
            x, y = self.at(point["x"], point["y"])
            out.append(mark(point["group"], x, y))
            if point["group"] != "steps":
                continue
            nx, ny = x + 8, y - 8
            while (any(abs(nx - px) < 12 and abs(ny - py) < 12 for px, py in numbers)
                   or any(abs(nx + 3 - px) < 10 and abs(ny - 4 - py) < 10 for px, py in dots)):
                ny -= 13
            numbers.append((nx, ny))
        out += [f'<text x="{nx:.1f}" y="{ny:.1f}" class="number">{i + 1}</text>' for i, (nx, ny) in enumerate(numbers)]
        x = self.LEFT + self.WIDTH + 24
        for i, (number, text, group) in enumerate(lines):
            y = self.TOP + 12 + 17 * i
            out += [mark(group, x, y - 4), f'<text x="{x + 12}" y="{y}">{f"{number}  " if number else ""}{escape(text)}</text>']
        return out

    def svg(self):
        width = self.LEFT + self.WIDTH + 24 + self.LEGEND
        height = max(self.TOP + self.HEIGHT + 52, self.TOP + 24 + 17 * len(self.legend()))
        style = ("text{font:12px sans-serif;fill:#333}.grid{stroke:#ddd}.roof{fill:none;stroke:#333;stroke-width:2}"
                 ".rate{font-weight:bold}.number{font-size:11px;font-weight:bold;fill:#1b6ca8}.title{font-size:14px;font-weight:bold}")
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
            f"<style>{style}</style>", f'<rect width="{width}" height="{height}" fill="white"/>',
            f'<text x="{self.LEFT}" y="22" class="title">{escape(self.title)}</text>', *self.grid(), *self.roof(), *self.marks(),
            f'<text x="{self.LEFT + self.WIDTH / 2}" y="{self.TOP + self.HEIGHT + 38}" text-anchor="middle">operations a byte that must move</text>',
            f'<text transform="translate(16 {self.TOP + self.HEIGHT / 2}) rotate(-90)" text-anchor="middle">GFLOP/s</text>', "</svg>", ""])


def roofline(result):
    points, rates = [], []
    for row in result["rows"]:
        ours = row["ours"]
        if "floor_ms" not in ours:
            continue
        rates.append((ours["bandwidth_gb_per_s"], ours["machine_gflop_per_s"]))
        points.append({"name": f"{row['benchmark']} {row['dtype']}", "group": "steps", "x": ours["flops"] / ours["bytes"], "y": ours["gflop_per_s"],
                       "share": ours["share_of_floor"]})
    kernels = result.get("kernels")
    if kernels:
        rates.append((kernels["bandwidth_gb_per_s"], kernels["machine_gflop_per_s"]))
        for kernel in kernels["kernels"]:
            if kernel["flops"] > 0 and kernel["bytes"] > 0:
                points.append({"name": kernel["name"], "group": kernel["name"].split()[0], "x": kernel["flops"] / kernel["bytes"],
                               "y": kernel["gflop_per_s"], "share": kernel["share_of_floor"]})
    if not points:
        return None
    gb_per_s, gflop_per_s = (max(column) for column in zip(*rates))
    machine = result.get("device") or f"{result['processor']}, {result['threads']} threads"
    return Roofline(points, gb_per_s, gflop_per_s, f"{machine}: share of the floor").svg()


def write(result, out, page=None):
    picture = roofline(result)
    kind = "gpu" if "device" in result else "cpu"
    which = out.name.removeprefix("bench").removeprefix("-gpu").lstrip("-")  # bench-avx2: of another machine
    name = f"roofline-{kind}-{which}.svg" if which else f"roofline-{kind}.svg"
    if picture:
        (out.parent / name).write_text(picture)
    out.with_suffix(".md").write_text(result_page(result, name))
    if page:
        rewrite(page, targets_table(result))


if __name__ == "__main__":
    path = pathlib.Path(sys.argv[1])
    default = path.resolve() == ROOT / "docs/results/bench.json"
    write(json.loads(path.read_text()), path.with_suffix(""), ROOT / "docs/performance.md" if default else None)

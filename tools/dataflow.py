"""The picture of the data flow, from a file to a report: `python -m tools.dataflow` writes nbs/images/dataflow.svg."""

import sys
from html import escape
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "nbs" / "images" / "dataflow.svg"
# (what a stage is called, what it is, its shape or unit)
STAGES = (
    ("raw file", "text, CSV, TSV, JSONL, Parquet; a folder, a hub id", ""),
    ("Task", "rows in splits, their columns, labels and metrics", "train, validation, test"),
    ("Examples", "ids, and which of them are supervised", "a list of ids for each text"),
    ("Batch", "examples padded to one length, as tensors", "ids, mask: (batch, length)"),
    ("(sum, count)", "the loss, and how many targets it is the sum over", "nats, targets"),
    ("Step", "what one update of the weights did", "loss, lr, gradient norm, seconds"),
    ("Report", "the trained model on the test split", "scores from 0 to 1 with 95% intervals, the hardest errors"),
)


class Arrow(NamedTuple):
    "The function that makes one stage of the stage above it."

    module: str  # that promises it
    name: str
    lesson: int  # that exports it


ARROWS = (
    Arrow("ftcourse.data", "load_task", 2),
    Arrow("ftcourse.data", "encode_task", 3),
    Arrow("ftcourse.data", "Batches", 4),
    Arrow("ftcourse.losses", "cross_entropy", 6),
    Arrow("ftcourse.train", "train_steps", 7),
    Arrow("ftcourse.metrics", "evaluate", 10),
)
ALT = "From a file to a report: " + ", ".join(
    f"{a.name} makes {stage[0]} of {before[0]}" for before, a, stage in zip(STAGES, ARROWS, STAGES[1:])
)
# The panel has a ground of its own, so that the text is legible on a page of any colour: (light, dark)
COLOURS = {
    "ground": ("#ffffff", "#1c2128"),
    "edge": ("#8c959f", "#768390"),
    "box": ("#ddeefa", "#12405f"),
    "text": ("#1f2328", "#e6edf3"),
    "quiet": ("#4a535e", "#b4bec9"),
    "call": ("#004f83", "#8cc8f5"),
}
WIDTH, BOX, HIGH, GAP, MARGIN = 600, 150, 36, 40, 20


def style(which):
    "Colours of one scheme (0: light, 1: dark) as CSS."
    drawn = (
        (".ground", "fill:{ground};stroke:{edge}"),
        (".box", "fill:{box};stroke:{edge}"),
        (".line", "stroke:{edge};fill:none"),
        (".tip", "fill:{edge}"),
        (".text", "fill:{text}"),
        (".quiet", "fill:{quiet}"),
        (".call", "fill:{call}"),
    )
    colours = {name: both[which] for name, both in COLOURS.items()}
    return " ".join(f"{name}{{{rule.format(**colours)}}}" for name, rule in drawn)


def words(x, y, kind, text, more=""):
    return f'<text x="{x}" y="{y}" class="{kind}"{more}>{escape(text)}</text>'


def stage(y, name, what, shape):
    "A box, and beside it what it holds."
    middle, beside = MARGIN + BOX // 2, MARGIN + BOX + 16
    lower = y + HIGH // 2 + 5
    lines = [
        f'<rect x="{MARGIN}" y="{y}" width="{BOX}" height="{HIGH}" rx="6" class="box"/>',
        words(middle, lower, "text", name, ' text-anchor="middle" font-weight="bold"'),
        words(beside, lower - 8 if shape else lower, "text", what),
    ]
    return lines + [words(beside, lower + 9, "quiet", shape, ' font-size="13"')] * bool(shape)


def arrow(y, call):
    "An arrow down, and beside it the function that it stands for."
    x, end = MARGIN + BOX // 2, y + GAP
    said = f"{call.module}, lesson {call.lesson:02}"
    return [
        f'<path d="M{x} {y}V{end - 7}" class="line" stroke-width="2"/>',
        f'<path d="M{x - 5} {end - 8}h10l-5 8z" class="tip"/>',
        f'<text x="{x + 16}" y="{y + GAP // 2 + 4}"><tspan class="call" font-family="monospace" font-weight="bold">'
        f'{escape(call.name)}</tspan><tspan class="quiet" font-size="13" dx="10">{escape(said)}</tspan></text>',
    ]


def drawing():
    "The picture as SVG text."
    height = 2 * MARGIN + len(STAGES) * HIGH + len(ARROWS) * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'role="img" aria-labelledby="title about" font-family="system-ui, sans-serif" font-size="15">',
        '<title id="title">Data flow of ftcourse</title>',
        f'<desc id="about">{escape(ALT)}</desc>',
        f"<style>{style(0)} @media (prefers-color-scheme: dark) {{{style(1)}}}</style>",
        f'<rect x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1}" rx="8" class="ground"/>',
    ]
    for i, each in enumerate(STAGES):
        y = MARGIN + i * (HIGH + GAP)
        parts += stage(y, *each)
        if i < len(ARROWS):
            parts += arrow(y + HIGH, ARROWS[i])
    return "\n".join([*parts, "</svg>", ""])


def main(args):
    if "--check" in args:
        same = FILE.exists() and FILE.read_text(encoding="utf-8") == drawing()
        print("no drift: one picture" if same else f"{FILE.relative_to(ROOT)} is not what the code draws")
        return not same
    FILE.write_text(drawing(), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

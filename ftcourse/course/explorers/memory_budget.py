"Explorer: what the training of a language model takes in memory."
from ftcourse.course.widgets.base import Explorer, slide
from ftcourse.train.budget import METHODS, SHAPES, memory_budget

PARTS = ("weights", "optimizer", "gradients", "activations", "logits")
NAMES = {"full": "full", "lora": "LoRA", "qlora": "QLoRA"}
GIB = 2**30


def memory_picture():
    "Figure of a bar for each method, and the function that updates it."
    from matplotlib.patches import Rectangle

    from ftcourse.course.plots import COLOURS, axes

    figure, ax = axes(1, 6.4, 2.6)
    bars = {
        (method, part): ax.add_patch(Rectangle((0, i - 0.35), 0, 0.7, color=COLOURS[j]))
        for i, method in enumerate(METHODS)
        for j, part in enumerate(PARTS)
    }
    peaks = [
        ax.plot([0, 0], [i - 0.42, i + 0.42], color="black", lw=2)[0] for i in range(len(METHODS))
    ]
    said = [ax.text(0, i, "", va="center", fontsize=8) for i in range(len(METHODS))]
    ax.set(ylim=(len(METHODS) - 0.5, -0.5), yticks=range(len(METHODS)), xticks=[])
    ax.set_yticklabels([NAMES[m] for m in METHODS])
    ax.grid(visible=False)
    handles = [bars["full", part] for part in PARTS] + peaks[:1]
    figure.legend(
        handles,
        [*PARTS, "peak"],
        loc="outside upper left",
        frameon=False,
        fontsize=8,
        ncols=6,
    )

    def update(model, rows, length, rank, bytes_each, checkpointing):
        found = {
            method: memory_budget(
                model,
                method,
                rows=rows,
                length=length,
                rank=rank,
                bytes_each=bytes_each,
                checkpointing=checkpointing,
            )
            for method in METHODS
        }
        most = max(sum(b.parts().values()) for b in found.values())
        for i, (method, budget) in enumerate(found.items()):
            left = 0
            for part in PARTS:
                size = budget.parts()[part] / most
                bars[method, part].set(x=left, width=size)
                left += size
            peaks[i].set_xdata([budget.peak() / most] * 2)
            said[i].set(x=left + 0.01, text=f"peak {budget.peak() / GIB:,.1f} GiB")
        ax.set(xlim=(0, 1.25))
        ax.set_title(
            f"{model}, {rows} rows of {length} tokens, rank {rank}, {8 * bytes_each} bits"
            f"{', layers computed twice' if checkpointing else ''}: GiB of memory",
            fontsize=9,
        )
        return [*bars.values(), *peaks, *said, ax.title], None

    return figure, update


def plot_memory(
    model: str = "1B",  # a key of SHAPES
    rows: int = 8,
    length: int = 512,
    rank: int = 8,
    bytes_each: int = 4,
    checkpointing: bool = False,
):
    "Memory of full tuning, LoRA and QLoRA by what it is for; returns the figure."
    figure, update = memory_picture()
    update(model, rows, length, rank, bytes_each, checkpointing)
    return figure


def explore_memory(
    model: str = "1B",
    rows: int = 8,
    length: int = 512,
    rank: int = 8,
    bytes_each: int = 4,
    checkpointing: bool = False,
) -> Explorer:
    "`plot_memory` with a control for each of its choices."
    from ipywidgets import Checkbox, Dropdown

    figure, update = memory_picture()
    return Explorer(
        figure,
        update,
        {
            "model": Dropdown(options=list(SHAPES), value=model, description="model"),
            "rows": slide("rows", rows, 1, 64, 1, "rows of a batch"),
            "length": slide("length", length, 64, 4096, 64, "tokens of a row"),
            "rank": slide("rank", rank, 1, 256, 1, "rank of the updates"),
            "bytes_each": Dropdown(
                options=[("32 bits", 4), ("16 bits", 2)], value=bytes_each, description="weights"
            ),
            "checkpointing": Checkbox(value=checkpointing, description="compute twice"),
        },
    )

"""The memory that an update takes, measured: each in a process of its own."""
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from ftcourse.core.errors import CourseError
from ftcourse.train.budget import METHODS, Shape

def status_bytes(name: str) -> int:
    "A line of /proc/self/status: VmRSS is what is held, VmHWM the most that was."
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    raise KeyError(name)


def llama_of(shape: Shape, method: str, rank: int):
    "A Llama with random weights, made ready for a method."
    from transformers import LlamaConfig, LlamaForCausalLM

    from ftcourse.models.adapters.lora import add_lora
    from ftcourse.models.adapters.quantised import quantise

    network = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=shape.vocab,
            hidden_size=shape.width,
            intermediate_size=shape.inner,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            num_key_value_heads=shape.kv_heads,
            tie_word_embeddings=shape.tied,
            attn_implementation="sdpa",
        )
    )
    if method == "qlora":
        quantise(network)
    return network if method == "full" else add_lora(network, rank)


def two_updates(network, rows: int, length: int, late: bool) -> None:
    "Train twice: the optimizer's numbers are there from the second time on."
    import torch

    optimizer = torch.optim.AdamW(p for p in network.parameters() if p.requires_grad)
    for _ in range(2):
        ids = torch.randint(network.config.vocab_size, (rows, length))
        if not late:
            optimizer.zero_grad()
        loss = network(input_ids=ids, labels=ids, use_cache=False).loss
        if late:
            optimizer.zero_grad()
        loss.backward()
        del loss
        optimizer.step()


def peak_of(
    shape: Shape,
    method: str,
    rows: int,
    length: int,
    rank: int = 8,
    late: bool = False,  # drop the old gradients after the forward pass, not before it
) -> int:  # bytes
    "The most that two updates take, above what was held before there was a network."
    import torch

    torch.manual_seed(0)
    small = Shape(64, 32, 1, 64, 2, 1)
    two_updates(llama_of(small, method, 1), 1, 8, late)  # code is loaded when it is first used
    held = status_bytes("VmRSS")
    network = llama_of(shape, method, rank)
    Path("/proc/self/clear_refs").write_text("5")  # the peak of building does not count
    two_updates(network, rows, length, late)
    return status_bytes("VmHWM") - held


def measured_peaks(
    cases: list[dict],  # arguments of `peak_of`
) -> list[int]:  # bytes
    """The most memory that two updates take, above what Python and torch hold before.

    Raises `CourseError` where there is no /proc to read it from.
    """
    if not os.access("/proc/self/clear_refs", os.W_OK):
        raise CourseError("peaks are read from /proc, which Linux has and this system has not")
    wanted = [case | {"shape": asdict(case["shape"])} for case in cases]
    # freed matrices go back to the system at once, so that the process holds what it uses
    own = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-m", "ftcourse.experiments.peaks", json.dumps(wanted)],
        env={**os.environ, **own, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise CourseError(f"the measuring process failed: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    "Measure the cases of the command line, each in a child of this process; print bytes as JSON."
    import torch
    import transformers.models.llama.modeling_llama  # noqa: F401  before the children are made

    torch.set_num_threads(1)
    found = []
    for case in json.loads(sys.argv[1]):
        shape = Shape(**case.pop("shape"))
        assert case["method"] in METHODS
        read, write = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(write, str(peak_of(shape, **case)).encode())
            finally:
                os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        found.append(int(os.read(read, 100)))
        os.close(read)
    print(json.dumps(found))


if __name__ == "__main__":
    main()

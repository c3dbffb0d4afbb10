"""Writing beside transformers' `generate`: a part of `make bench`.

The same batch of 32 prompts of unequal lengths, the same weights, at most 64 tokens more, one process, in turns. CPU
seconds of each. Greedy texts must be the same, token by token. tiny-gpt goes through our own steps. Other networks go
through transformers' forward: SmolLM2-135M-Instruct where it is installed, asked for what the built-in instructions ask
for; and a Llama of its width with random weights and fewer layers, whose texts never end by themselves.
"""

import random
import re
import statistics
import time

from common import table, verdict
from real import DECODER, Absent, find, plain_folder

AIMS = {"tiny-gpt": 2.0, "SmolLM2": 1.3, "Llama": None}  # times as fast
ROUNDS, TEXTS, TOKENS = 5, 32, 64
LARGE = 3  # rounds where one takes a minute
OPENINGS = ("The film was", "We", "The waiter brought the soup and then he", "On Friday", "My sister visited the hotel")
MORE = ("", " really", " not", " the old hotel and the", " for two hours, and the people")
WAYS = {  # of choosing a token: options of ours, options of theirs
    "greedy": (dict(temperature=0.0), dict(do_sample=False)),
    "drawn": (dict(temperature=1.0), dict(do_sample=True, top_k=0)),
    "drawn, top-p": (dict(temperature=0.8, top_p=0.9), dict(do_sample=True, top_k=0, temperature=0.8, top_p=0.9)),
}


def tiny_gpt():
    "The built-in decoder and prompts for it, as ids."
    from ftcourse.models.load import load_model

    model, dice = load_model("tiny-gpt", head="lm"), random.Random(0)
    texts = [dice.choice(OPENINGS) + dice.choice(MORE) for _ in range(TEXTS)]
    return model, [model.tokenizer(text)["input_ids"] for text in texts]


def llama(layers):
    "A Llama of SmolLM2-135M's width with random weights, and prompts of random ids."
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from ftcourse.models.load import load_model
    from ftcourse.models.model import Model

    torch.manual_seed(0)
    sizes = dict(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=layers)
    heads = dict(num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=2048, tie_word_embeddings=True)
    network = LlamaForCausalLM(LlamaConfig(**sizes, **heads, bos_token_id=1, eos_token_id=2, pad_token_id=0)).eval()
    model = Model(network, load_model("tiny-gpt", head="lm").tokenizer, "lm", info=dict(positions=2048))
    dice = random.Random(0)
    return model, [[1] + [dice.randrange(3, 49152) for _ in range(dice.randrange(4, 60))] for _ in range(TEXTS)]


def smol():
    "SmolLM2-135M-Instruct and requests of the built-in task in its template, as ids. Raises `Absent` without it."
    from ftcourse.data.encode.instructions import prompt_ids
    from ftcourse.models.load import load_model
    from ftcourse.tasks.instructions import built_in_rows

    model = load_model(str(plain_folder(find(DECODER), DECODER.weights)), head="lm")
    message = lambda text: [{"role": "user", "content": text}]
    return model, [prompt_ids(message(row["prompt"]), model.tokenizer) for row in built_in_rows("test", TEXTS)]


def theirs(model, prompts, options, tokens):
    "What `model.generate` writes, padding on the left: ids up to the end token."
    import torch

    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.arange(longest) >= longest - torch.tensor([len(p) for p in prompts])[:, None]
    ids[mask] = torch.tensor([i for p in prompts for i in p])
    end = model.tokenizer.eos_token_id
    with torch.no_grad():
        found = model.network.generate(
            input_ids=ids,
            attention_mask=mask.long(),
            max_new_tokens=tokens,
            pad_token_id=0,
            eos_token_id=end,
            **options,
        )
    rows = [row[longest:].tolist() for row in found]
    return [row[: row.index(end) + 1] if end in row else row for row in rows]


def ours(model, prompts, options, tokens):
    from ftcourse.models.generate import generate

    return [g.ids for g in generate(model, prompts, max_new_tokens=tokens, **options)]


def race(model, prompts, rounds, tokens):
    "{way: CPU seconds of both, in turns}, and the share of greedy texts that are the same."
    cpu = {way: {"theirs": [], "ours": []} for way in WAYS}
    same = 0.0
    for k in range(rounds + 1):  # the first round warms up
        for way, (mine, other) in WAYS.items():
            written = {}
            for name, write, options in (("theirs", theirs, other), ("ours", ours, mine)):
                began = time.process_time()
                written[name] = write(model, prompts, options, tokens)
                if k:
                    cpu[way][name].append(round(time.process_time() - began, 4))
            if way == "greedy":
                same = statistics.mean(a == b for a, b in zip(written["ours"], written["theirs"]))
    return {"cpu": cpu, "same": same}


def generation(quick=False):
    "Both models -> a record."
    rounds, layers, tokens = (1, 1, 8) if quick else (ROUNDS, 8, TOKENS)
    record, networks = {}, {"tiny-gpt": tiny_gpt, "Llama": lambda: llama(layers)}
    if not quick:
        networks["SmolLM2"] = smol
    for name, make in networks.items():
        try:
            model, prompts = make()
        except Absent as e:
            print(f"  generation, {name} left out: {e}", flush=True)
            continue
        turns = min(rounds, LARGE) if name == "SmolLM2" else rounds
        record[name] = race(model, prompts, turns, tokens) | {"layers": layers}
        ratios = {way: min(x["theirs"]) / min(x["ours"]) for way, x in record[name]["cpu"].items()}
        record[name]["ratio"] = {way: round(r, 2) for way, r in ratios.items()}
        print(f"  generation, {name}: {record[name]['ratio']}, the same {record[name]['same']}", flush=True)
    return record


def generation_written(r):
    "The record as Markdown."
    rows = [
        {
            "network": f"{name}, {found['layers']} layers" if name == "Llama" else name,
            "tokens are": way,
            "transformers, CPU s": f"{min(x['theirs']):.3f}",
            "ours": f"{min(x['ours']):.3f}",
            "times as fast": f"{found['ratio'][way]:.2f}",
        }
        for name, found in r.items()
        for way, x in found["cpu"].items()
    ]

    def aim(name, found):
        return f"aim {AIMS[name]} {verdict(min(found['ratio'].values()) >= AIMS[name])}; " if AIMS[name] else ""

    said = " ".join(f"{name}: {aim(name, f)}{f['same']:.0%} of the greedy texts are the same." for name, f in r.items())
    about = re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip()
    return ["## Writing", f"{about} The calmest of the rounds.", table(rows), said]

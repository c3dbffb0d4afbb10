#!/usr/bin/env bash
# transformers 5.24.0 with gguf 0.19.0: a GPT-2 of 64 positions and 260 tokens is read from a GGUF file, and a Llama that
# was read from one is copied into a plain folder.
# Guess before the try: the model of the file; and a folder like any other.
# Seen: the file's context length becomes `n_ctx`, which nothing reads, and `n_positions` stays 1,024, so that loading the
# GPT-2 fails with a mismatch of its position table; told the positions, it loads. Its tokenizer has one token more than
# the file, <|endoftext|>, with an id beyond the word table. The Llama's config says `quantization_config` though its
# weights were unpacked: a model made from that config with those weights is saved once; loaded again, it refuses.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 transformers==5.24.0 accelerate==1.15.0 \
    gguf==0.19.0 numpy==2.4.6 2>/dev/null
cd "$place"
HF_HOME="$place" HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 "$place/env/bin/python" -W ignore - 2>/dev/null <<'PY'
from importlib.metadata import version

import gguf
import numpy as np
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

WIDTH, TOKENS, POSITIONS = 32, 260, 64
bytes_as_text = gguf.vocab.bytes_to_unicode() if hasattr(gguf.vocab, "bytes_to_unicode") else None
if bytes_as_text is None:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    bytes_as_text = bytes_to_unicode()
tokens = ["<pad>", "<s>", "</s>", *(bytes_as_text[b] for b in range(256)), "ab"]
assert len(tokens) == TOKENS
dice = np.random.default_rng(0)
some = lambda *shape: dice.normal(0, 0.02, shape).astype(np.float32)


def write(name, tensors, **more):
    w = gguf.GGUFWriter(f"{name}.gguf", name)
    w.add_context_length(POSITIONS)
    w.add_embedding_length(WIDTH)
    w.add_feed_forward_length(4 * WIDTH)
    w.add_block_count(1)
    w.add_head_count(2)
    if name == "llama":
        w.add_head_count_kv(2)
        w.add_layer_norm_rms_eps(1e-5)
        w.add_rope_freq_base(10_000.0)
        w.add_vocab_size(TOKENS)
    else:
        w.add_layer_norm_eps(1e-5)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list(tokens)
    w.add_token_types([3, 3, 3] + [1] * (TOKENS - 3))
    w.add_token_merges(["a b"])
    w.add_bos_token_id(1)
    w.add_eos_token_id(2)
    w.add_pad_token_id(0)
    for key, value in tensors.items():
        w.add_tensor(key, value)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


norm = lambda key: {f"{key}.weight": np.ones(WIDTH, np.float32), f"{key}.bias": np.zeros(WIDTH, np.float32)}
matrix = lambda key, rows, columns: {f"{key}.weight": some(rows, columns), f"{key}.bias": np.zeros(rows, np.float32)}
write(
    "gpt2",
    {"token_embd.weight": some(TOKENS, WIDTH), "position_embd.weight": some(POSITIONS, WIDTH)}
    | norm("blk.0.attn_norm") | matrix("blk.0.attn_qkv", 3 * WIDTH, WIDTH) | matrix("blk.0.attn_output", WIDTH, WIDTH)
    | norm("blk.0.ffn_norm") | matrix("blk.0.ffn_up", 4 * WIDTH, WIDTH) | matrix("blk.0.ffn_down", WIDTH, 4 * WIDTH)
    | norm("output_norm"),
)
square = {f"blk.0.{key}.weight": some(WIDTH, WIDTH) for key in ("attn_q", "attn_k", "attn_v", "attn_output")}
wide = {f"blk.0.{key}.weight": some(4 * WIDTH, WIDTH) for key in ("ffn_gate", "ffn_up")}
norms = {f"{key}.weight": np.ones(WIDTH, np.float32) for key in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm")}
write(
    "llama",
    {"token_embd.weight": some(TOKENS, WIDTH), "blk.0.ffn_down.weight": some(WIDTH, 4 * WIDTH)} | square | wide | norms,
)

print("transformers", version("transformers"), "gguf", version("gguf"))
config = AutoConfig.from_pretrained(".", gguf_file="gpt2.gguf")
print(f"context length {POSITIONS} in the file: n_ctx {config.n_ctx}, n_positions {config.n_positions}")
assert (config.n_ctx, config.n_positions) == (POSITIONS, 1024), "changed: the positions are read"
try:
    AutoModelForCausalLM.from_pretrained(".", gguf_file="gpt2.gguf", dtype=torch.float32)
except RuntimeError as e:
    print("loading it:", str(e).split(".")[0][:90])
else:
    raise SystemExit("changed: a GPT-2 of other than 1,024 positions loads")
config.n_positions = config.n_ctx
told = AutoModelForCausalLM.from_pretrained(".", gguf_file="gpt2.gguf", config=config, dtype=torch.float32)
print("told the positions, it loads:", tuple(told.get_input_embeddings().weight.shape))
tokenizer = AutoTokenizer.from_pretrained(".", gguf_file="gpt2.gguf")
print(f"{TOKENS} tokens in the file, {len(tokenizer)} in the tokenizer: {tokenizer.get_added_vocab()}")
assert len(tokenizer) == TOKENS + 1, "changed: the tokenizer has the tokens of the file"

packed = AutoModelForCausalLM.from_pretrained(".", gguf_file="llama.gguf", dtype=torch.float32)
copy = AutoModelForCausalLM.from_config(packed.config)
copy.load_state_dict(packed.state_dict())
copy.save_pretrained("copy")
again = AutoModelForCausalLM.from_pretrained("copy")
try:
    again.save_pretrained("copy of the copy")
except ValueError as e:
    print("saving a copy of the unpacked model, loaded again:", str(e)[:70])
else:
    raise SystemExit("changed: the copy can be saved")
PY

"""A language model as one GGUF file, which llama.cpp runs: written here, and run for a check."""
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ftcourse.core.errors import CourseError
from ftcourse.core.files import replace_file
from ftcourse.models.adapters.lora import low_rank_layers
from ftcourse.models.adapters.quantised import quantised_layers
from ftcourse.models.fast.plain import whole

GGUF_TYPES = ("F32", "F16", "Q8_0", "Q4_0", "Q4_1")  # of the matrices; vectors are F32 in each
BLOCK = 32  # numbers of a row that share a scale in the types of 4 and 8 bits


def gguf_package():
    "The package `gguf`. Raises `CourseError` where it is absent."
    try:
        import gguf
    except ImportError:
        raise CourseError(
            "writing a GGUF file takes the package gguf: pip install gguf (or the course with "
            "its extra: pip install ftcourse[llm])"
        ) from None
    return gguf

def tokenizer_entries(tokenizer) -> dict:  # tokens, types, merges, pre
    """What a GGUF file says of a byte-level tokenizer. Raises `CourseError` for another one, whose
    texts llama.cpp would split in another way.
    """
    found = json.loads(tokenizer.backend_tokenizer.to_str())
    model, before = found["model"], found.get("pre_tokenizer") or {}
    steps = before.get("pretokenizers", [before])
    kinds = [step.get("type") for step in steps]
    pre = {("ByteLevel",): "gpt-2", ("Digits", "ByteLevel"): "smollm"}.get(tuple(kinds))
    usual = steps[-1].get("use_regex", True) and not steps[-1].get("add_prefix_space", False)
    if model["type"] != "BPE" or not pre or not usual or found.get("normalizer"):
        raise CourseError(
            f"its tokenizer ({model['type']}, {' and '.join(map(str, kinds))}) is not one that can "
            "be written here: byte-level BPE as in GPT-2 or SmolLM2 can. Convert the saved folder "
            "with llama.cpp's own convert_hf_to_gguf.py"
        )
    special = {t["id"] for t in found.get("added_tokens", []) if t["special"]}
    added = {t["id"] for t in found.get("added_tokens", [])} - special
    tokens = [t for t, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])]
    types = [3 if i in special else 4 if i in added else 1 for i in range(len(tokens))]
    merges = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
    return dict(tokens=tokens, types=types, merges=merges, pre=pre)


def begins_with_bos(tokenizer) -> bool:
    "Whether a text is encoded with the beginning token in front."
    ids = tokenizer("a")["input_ids"]
    return bool(ids) and ids[0] == tokenizer.bos_token_id

def turned(matrix) -> np.ndarray:
    return np.ascontiguousarray(matrix.T)


def interleaved(matrix, heads: int) -> np.ndarray:
    """Rows of a query or key matrix in the order of llama.cpp, which turns neighbours by the rotary
    positions where transformers turns the two halves of a head.
    """
    rows, width = matrix.shape
    halves = matrix.reshape(heads, 2, rows // heads // 2, width)
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(rows, width))


def gpt2_tensors(network) -> Iterator[tuple]:  # (name in GGUF, array)
    "Tensors of a GPT-2, its matrices as (outputs, inputs)."
    weights = {n: t.detach().float().cpu().numpy() for n, t in network.state_dict().items()}
    yield "token_embd.weight", weights["transformer.wte.weight"]
    yield "position_embd.weight", weights["transformer.wpe.weight"]
    names = {
        "ln_1": "attn_norm",
        "attn.c_attn": "attn_qkv",
        "attn.c_proj": "attn_output",
        "ln_2": "ffn_norm",
        "mlp.c_fc": "ffn_up",
        "mlp.c_proj": "ffn_down",
    }
    for i in range(network.config.n_layer):
        for ours, theirs in names.items():
            for end in ("weight", "bias"):
                x = weights[f"transformer.h.{i}.{ours}.{end}"]
                yield f"blk.{i}.{theirs}.{end}", turned(x) if x.ndim == 2 else x
    for end in ("weight", "bias"):
        yield f"output_norm.{end}", weights[f"transformer.ln_f.{end}"]
    if network.lm_head.weight is not network.transformer.wte.weight:
        yield "output.weight", weights["lm_head.weight"]


def llama_tensors(network) -> Iterator[tuple]:  # (name in GGUF, array)
    "Tensors of a Llama."
    weights = {n: t.detach().float().cpu().numpy() for n, t in network.state_dict().items()}
    c = network.config
    yield "token_embd.weight", weights["model.embed_tokens.weight"]
    names = {
        "input_layernorm": "attn_norm",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "post_attention_layernorm": "ffn_norm",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
    }
    heads = {"attn_q": c.num_attention_heads, "attn_k": c.num_key_value_heads}
    for i in range(c.num_hidden_layers):
        for ours, theirs in names.items():
            x = weights[f"model.layers.{i}.{ours}.weight"]
            x = interleaved(x, heads[theirs]) if theirs in heads else x
            yield f"blk.{i}.{theirs}.weight", x
    yield "output_norm.weight", weights["model.norm.weight"]
    if network.lm_head.weight is not network.model.embed_tokens.weight:
        yield "output.weight", weights["lm_head.weight"]

WRITERS = {"gpt2": gpt2_tensors, "llama": llama_tensors}


def refuse_unwritable_model(model, type: str) -> None:
    "Raise `CourseError` for a model that a GGUF file of this type cannot hold."
    if type not in GGUF_TYPES:
        raise CourseError(f"type={type!r}: choose one of {', '.join(GGUF_TYPES)}")
    if model.kind != "lm":
        raise CourseError(
            f"a GGUF file holds a model that writes text, and this one is of kind {model.kind!r}: "
            'llama.cpp knows no such head. Load a decoder with head="lm"'
        )
    if low_rank_layers(model):
        raise CourseError(
            "this model has low-rank updates, which are not part of its matrices yet: export "
            "M.merged(), or on the command line a folder that was saved by M.merged().save(…)"
        )
    if quantised_layers(model):
        raise CourseError(
            "this model is quantised, and a GGUF file has codes of its own, so the weights would "
            "be rounded twice. Export the model as it was before, or say dequantise(model) first"
        )
    config = whole(model.quick_network).config
    if config.model_type not in WRITERS:
        raise CourseError(
            f"{config.model_type} is not written here, {' and '.join(WRITERS)} are: save the model "
            "and convert its folder with llama.cpp's convert_hf_to_gguf.py"
        )
    gelu = getattr(config, "activation_function", getattr(config, "hidden_act", ""))
    odd = [n for n in ("attention_bias", "mlp_bias") if getattr(config, n, False)]
    rope = getattr(config, "rope_parameters", None) or {}
    if gelu not in ("gelu_new", "gelu_pytorch_tanh", "silu"):
        odd.append(f"activation {gelu}")
    if rope.get("rope_type", "default") != "default":
        odd.append(f"rotary positions of type {rope['rope_type']}")
    if odd:
        raise CourseError(
            f"this {config.model_type} has {' and '.join(odd)}, which is not written here: save "
            "the model and convert its folder with llama.cpp's convert_hf_to_gguf.py"
        )
    if model.quick_tokenizer.eos_token_id is None:
        raise CourseError(
            "its tokenizer has no end token, so the exported model would never stop: set "
            "tokenizer.eos_token to the token that the model was trained to end with"
        )


def refuse_widths(tensors: dict, type: str) -> None:
    "Raise `CourseError` for a matrix whose rows the blocks of a type do not divide."
    if type in ("F32", "F16"):
        return
    for name, x in tensors.items():
        if is_matrix(name, x) and x.shape[1] % BLOCK:
            raise CourseError(
                f"type={type!r} has blocks of {BLOCK} weights, and a row of {name} has "
                f"{x.shape[1]}: choose F16 or F32"
            )


def is_matrix(name: str, x: np.ndarray) -> bool:
    "Whether a tensor is written in the type that was asked for. Positions are looked up, and small."
    return x.ndim == 2 and not name.startswith("position_embd")

def export_gguf(
    model,  # a Model of kind "lm", a GPT-2 or Llama, without updates
    file: str | os.PathLike,  # which is replaced
    type: str = "Q8_0",  # of the matrices: "F32", "F16", "Q8_0", "Q4_0", "Q4_1"
) -> Path:
    """Write a GGUF file with weights, tokenizer and end token.

    It appears whole or not at all. Raises `CourseError` for a model that such a file cannot hold.
    """
    refuse_unwritable_model(model, type)
    gguf = gguf_package()
    network, tokenizer = whole(model.quick_network), whole(model.quick_tokenizer)
    config, said = network.config, tokenizer_entries(tokenizer)
    tensors = dict(WRITERS[config.model_type](network))
    refuse_widths(tensors, type)
    file = Path(file).expanduser().absolute()
    if file.is_dir():
        raise CourseError(f"{file} is a folder: name a file, such as {file / 'model.gguf'}")
    spare = tensors["token_embd.weight"].shape[0] - len(said["tokens"])  # rows without a token
    said["tokens"] += [f"[PAD{i}]" for i in range(spare)]
    said["types"] += [5] * spare
    file.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(file) as new:
        w = gguf.GGUFWriter(str(new), config.model_type)
        w.add_name(str(model.info.get("source", "model")))
        w.add_context_length(config.max_position_embeddings)
        w.add_embedding_length(config.hidden_size)
        w.add_block_count(config.num_hidden_layers)
        w.add_head_count(config.num_attention_heads)
        if config.model_type == "gpt2":
            w.add_feed_forward_length(config.n_inner or 4 * config.n_embd)
            w.add_layer_norm_eps(config.layer_norm_epsilon)
        else:
            rope = getattr(config, "rope_parameters", None) or {}
            w.add_feed_forward_length(config.intermediate_size)
            w.add_layer_norm_rms_eps(config.rms_norm_eps)
            w.add_head_count_kv(config.num_key_value_heads)
            w.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
            w.add_rope_freq_base(rope.get("rope_theta", 10_000.0))
            w.add_vocab_size(config.vocab_size)
        w.add_tokenizer_model("gpt2")
        w.add_tokenizer_pre(said["pre"])
        w.add_token_list(said["tokens"])
        w.add_token_types(said["types"])
        w.add_token_merges(said["merges"])
        bos, eos, pad = (getattr(tokenizer, f"{n}_token_id") for n in ("bos", "eos", "pad"))
        w.add_eos_token_id(eos)
        w.add_bos_token_id(eos if bos is None else bos)
        w.add_add_bos_token(begins_with_bos(tokenizer))
        if pad is not None and pad != eos:
            w.add_pad_token_id(pad)
        if getattr(tokenizer, "chat_template", None):
            w.add_chat_template(tokenizer.chat_template)
        kind = gguf.GGMLQuantizationType[type]
        for name, x in tensors.items():
            if is_matrix(name, x) and type != "F32":
                w.add_tensor(name, gguf.quants.quantize(x, kind), raw_dtype=kind)
            else:
                w.add_tensor(name, x)
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()
    return file


def read_gguf(
    file: str | os.PathLike,
) -> dict:  # name: array of 32 bits
    "Tensors of a GGUF file, as the numbers that they stand for."
    gguf = gguf_package()
    reader = gguf.GGUFReader(str(file))
    return {
        t.name: gguf.quants.dequantize(t.data, t.tensor_type).reshape(t.shape[::-1].tolist())
        for t in reader.tensors
    }

def llama_cpp(
    file: str | os.PathLike,  # a GGUF file
    prompts: Sequence[str],
    max_new_tokens: int = 32,
) -> list[tuple[str, str]]:  # (text, why it ended: "stop" at the end token, or "length")
    """What llama.cpp writes behind prompts, the likeliest token each time.

    Raises `CourseError` where the package xllamacpp is absent, and for a file it cannot read.
    """
    try:
        import xllamacpp
    except ImportError:
        raise CourseError(
            "running a GGUF file takes llama.cpp: pip install xllamacpp (or the course with its "
            "extra: pip install ftcourse[llm])"
        ) from None
    if not Path(file).is_file():
        raise CourseError(f"{file} is not there: write it with export_gguf")
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.n_ctx = 0  # as many positions as the model has
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.verbosity = -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as e:
        raise CourseError(f"llama.cpp cannot load {file} ({e}): write it again") from None
    said = []
    for prompt in prompts:
        asked = {"prompt": prompt, "max_tokens": max_new_tokens, "temperature": 0}
        found = server.handle_completions(asked)
        if "choices" not in found:
            raise CourseError(f"llama.cpp refuses {prompt[:40]!r}: {str(found)[:200]}")
        choice = found["choices"][0]
        said.append((choice["text"], choice["finish_reason"]))
    return said

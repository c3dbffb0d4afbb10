"""The teacher's vocabulary, pruned: letters and signs all stay, of the longer pieces those that English needs most."""

import json
from collections import Counter
from pathlib import Path

from tokenizers import Tokenizer

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONFIG = dict(
    cls_token="[CLS]",
    do_lower_case=True,
    mask_token="[MASK]",
    model_max_length=128,
    pad_token="[PAD]",
    sep_token="[SEP]",
    strip_accents=None,
    tokenize_chinese_chars=True,
    tokenizer_class="BertTokenizer",
    unk_token="[UNK]",
)


def bare(piece: str) -> str:
    return piece[2:] if piece.startswith("##") and len(piece) > 2 else piece


def is_latin(letter: str) -> bool:
    "Latin letters, digits, punctuation, currencies and other signs of European text."
    return ord(letter) < 0x250 or 0x2000 <= ord(letter) < 0x2300


def prune(
    teacher: Path,  # folder with tokenizer.json
    texts: list[str],
    size: int,  # pieces to keep, special ones included
    folder: Path,  # where tokenizer.json and tokenizer_config.json go
) -> list[int]:  # of each piece kept, its id in the teacher's vocabulary
    """Keep the special tokens, every Latin letter and sign, and the longer pieces that are met oftenest.

    A piece's score is how often the texts have it and, since the vocabulary of BERT is sorted by frequency, the count
    of a word of its rank in a text of that size: what our texts lack is not lost.
    """
    whole = Tokenizer.from_file(str(teacher / "tokenizer.json"))
    whole.no_truncation()
    whole.no_padding()
    counts = Counter()
    for e in whole.encode_batch(texts, add_special_tokens=False):
        counts.update(e.tokens)
    ids = whole.get_vocab()
    in_order = sorted(ids, key=ids.get)
    letters = [t for t in in_order if len(bare(t)) == 1 and is_latin(bare(t))]
    longer = [
        t
        for t in in_order
        if len(bare(t)) > 1 and bare(t).isascii() and t not in SPECIAL and not t.startswith("[unused")
    ]
    first = min(ids[t] for t in longer)

    def score(t):  # Zipf: a word's frequency falls with its rank
        expected = 6 if t.startswith("##") else 2e5 / (ids[t] - first + 60)
        return counts[t] + expected

    best = sorted(longer, key=score, reverse=True)[: size - len(SPECIAL) - len(letters)]
    kept = [*SPECIAL, *letters, *sorted(best, key=ids.get)]
    new = {t: i for i, t in enumerate(kept)}
    made = json.loads((teacher / "tokenizer.json").read_text(encoding="utf-8"))
    made["model"]["vocab"] = new
    made["truncation"] = made["padding"] = None
    for token in made["added_tokens"]:
        token["id"] = new[token["content"]]
    after = made["post_processor"]
    for token in after.get("special_tokens", {}).values():
        token["ids"] = [new[t] for t in token["tokens"]]
    for end in ("sep", "cls"):
        if end in after:
            after[end][1] = new[after[end][0]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(CONFIG, indent=1) + "\n")
    return [ids[t] for t in kept]

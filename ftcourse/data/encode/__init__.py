"""From texts to examples: tokens, windows over long texts, answers as spans, chats, and what is supervised."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "texts": ["encode", "encode_texts", "encode_task"],
        "examples": ["Example", "Examples"],
        "stored": ["StoredExamples", "store_examples", "store_task"],
        "show": ["Tokens", "show_tokens", "UnkReport", "unk_report"],
        "chat": ["encode_chat", "plain_chat", "templated_chat"],
        "spans": ["Span", "Answer", "decode", "best_null_threshold"],
        "subwords": ["learn_bpe", "apply_bpe", "wordpiece"],
        "tokenize": ["pieces"],
    },
)

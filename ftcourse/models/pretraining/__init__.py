"""Pretraining: masking, tokenizers, where a network starts, and its objectives."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "masking": ["MaskedBatches"],
        "tokenizers": ["new_tokenizer", "shipped_tokenizer", "character_tokenizer"],
        "start": ["new_model", "empty_network", "start_from_counts"],
    },
)

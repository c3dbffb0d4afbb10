"""Networks with their tokenizer and labels: loading, predicting, their parts by hand, and pretraining."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "model": ["Model"],
        "load": ["load_model"],
        "parts": ["blocks", "parameter_table", "freeze"],
        "forward": ["pool_last", "evaluating"],
        "by_hand": ["attention", "split_heads", "encoder_block", "decoder_block"],
        "hub": ["shipped_models", "find_model"],
        "gguf": ["export_gguf"],
        "onnx": ["export_onnx", "run_onnx"],
    },
)

"""From a raw file to batches: tasks, loading, encoding, the built-in world. No torch until a batch is made."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "task": ["KINDS", "Task"],
        "replay": ["with_replay"],
        "problems": ["Problem", "BadRows"],
        "load.load": ["load_task", "as_task"],
        "encode.texts": ["encode_task", "encode_texts"],
        "encode.examples": ["Example", "Examples"],
        "batches": ["Batch", "Batches", "pad"],
    },
)

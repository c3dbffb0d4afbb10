"""The training loop as an iterator, and what it stands on: optimizer, schedule, history, checkpoints, hardware."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "loop": ["train_steps", "fit", "Loop"],
        "update": ["NotFinite", "Objective"],
        "history": ["Step", "History"],
        "schedule": ["learning_rate", "warmup_steps"],
        "checkpoints": ["Run"],
        "optimizer": ["adamw"],
        "hardware": ["GraphicsCard", "graphics_card", "precision_for", "rows_at_once"],
        "memory": ["shrink_to_memory"],
        "hf_trainer": ["trainer_for"],
    },
)

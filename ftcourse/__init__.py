"""Fine-tuning language models: three verbs, and every room they are made of.

    M = train_model(D_pre)
    M = fine_tune_model(M, D_T)
    performance = evaluate_model(M, test_set)

Importing this package loads neither torch nor transformers: a name is fetched when it is first used (PEP 562).
"""
__version__ = "0.1.0"

__all__ = ["train_model", "fine_tune_model", "evaluate_model", "load_task", "load_model", "HyperParams", "use_profile"]

_HOME = {
    "train_model": "recipes", "fine_tune_model": "recipes", "evaluate_model": "recipes",
    "load_task": "tasks", "HyperParams": "hparams", "use_profile": "settings",
}


def load_model(name, task=None, **options):
    "A model by name, folder or hub id, with the head that `task` needs: `ftcourse.models.load_model`, whose module loads torch and is fetched by the call."
    from ftcourse.models import load_model
    return load_model(name, task, **options)


def __getattr__(name):
    if name not in _HOME: raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it promises {', '.join(__all__)}")
    from importlib import import_module
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__(): return sorted({*globals(), *__all__})

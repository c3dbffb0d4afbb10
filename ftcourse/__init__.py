"""Fine-tuning language models: three verbs, and every folder they are made of.

    M = train_model(D_pre)
    M = fine_tune_model(M, D_T)
    performance = evaluate_model(M, test_set)

Importing this package loads neither torch nor transformers: a name is fetched when it is first used (PEP 562).
"""

from ftcourse.core import __version__ as __version__

__all__ = [
    "train_model",
    "fine_tune_model",
    "evaluate_model",
    "load_task",
    "load_model",
    "HyperParams",
    "use_profile",
    "CourseError",
]

_HOME = {
    "train_model": "recipes",
    "fine_tune_model": "recipes",
    "evaluate_model": "recipes",
    "load_task": "data.load.load",
    "HyperParams": "core.hparams",
    "use_profile": "core.settings",
    "CourseError": "core.errors",
}


def load_model(name, task=None, **options):
    """A model by name, folder or hub id, with the head that `task` needs: see `ftcourse.models.load_model`.

    That module loads torch, so it is fetched by the call.
    """
    from ftcourse.models.load import load_model

    return load_model(name, task, **options)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it promises {', '.join(__all__)}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})

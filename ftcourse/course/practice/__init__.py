"""Exercises that name a mistake, quizzes, and what a reader has solved."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exercises": ["Exercise"],
        "quizzes": ["Quiz", "quiz"],
        "progress": ["Progress", "class_progress"],
    },
)

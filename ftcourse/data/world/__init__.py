"""The built-in world: a seeded generator of reviews, topics, facts and pairs, and the nine GLUE tasks in miniature."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "generator": ["generate", "documents", "review_row", "topic_row", "pair_row", "fact_row", "distinct_rows"],
        "glue": ["MINIATURE", "MiniTask"],
    },
)

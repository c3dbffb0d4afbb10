"""The exercises of each lesson, exported from what stands behind it."""

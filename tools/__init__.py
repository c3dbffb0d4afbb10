"""Build tools of the repository: notebooks to package and tests, the stamped address, the site. Not in the wheel."""

"""The site: its pages, their links, and plain HTML of them without Quarto."""

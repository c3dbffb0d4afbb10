"""The README's map of the course: `python -m tools.course_map` writes nbs/images/course_map.svg."""

from pathlib import Path

from ftcourse.course.drawings import course_map

FILE = Path(__file__).resolve().parent.parent / "nbs" / "images" / "course_map.svg"


def markdown(path):
    "The picture as an image with its alt text, for a page that finds the file at `path`."
    return f"![{course_map().alt}]({path})"


if __name__ == "__main__":
    course_map().save(FILE)

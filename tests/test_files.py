"""The one writer of files: the new one whole, or the old one, and nothing beside it."""

import errno
import os

import pytest

from ftcourse.core.files import replace_file, replace_folder, write_atomic


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    write_atomic(tmp_path / "a.json", "old")
    write_atomic(tmp_path / "a.json", "né")
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "né"
    assert names(tmp_path) == ["a.json"]


def test_a_file_is_on_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    write_atomic(tmp_path / "a.json", "new")
    assert calls[:2] == ["fsync", "replace"]


def test_where_writing_a_file_fails_the_old_one_stays(tmp_path):
    write_atomic(tmp_path / "a.json", "old")
    with pytest.raises(KeyboardInterrupt), replace_file(tmp_path / "a.json") as new:
        new.write_text("half")
        raise KeyboardInterrupt
    assert (tmp_path / "a.json").read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_text_that_cannot_be_encoded_leaves_nothing(tmp_path):
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        write_atomic(tmp_path / "a.json", "\ud800")
    assert names(tmp_path) == []


def filled(folder, **files):
    with replace_folder(folder, keep=lambda p: p.suffix == ".txt") as new:
        for name, text in files.items():
            (new / name.replace("_", ".")).write_text(text)


def test_a_folder_is_replaced_but_for_what_it_shall_keep(tmp_path):
    folder = tmp_path / "made" / "model"
    filled(folder, a_json="old", notes_txt="mine", both_txt="old")
    filled(folder, b_json="new", both_txt="new")
    assert names(folder) == ["b.json", "both.txt", "notes.txt"]
    assert (folder / "both.txt").read_text() == "new"
    assert names(folder.parent) == ["model"]


def test_where_filling_a_folder_fails_the_old_one_stays(tmp_path):
    filled(tmp_path / "model", a_json="old")
    with pytest.raises(KeyboardInterrupt), replace_folder(tmp_path / "model") as new:
        (new / "b.json").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path / "model") == ["a.json"]
    assert names(tmp_path) == ["model"]


def test_where_the_new_folder_cannot_take_its_place_the_old_one_is_put_back(tmp_path, monkeypatch):
    filled(tmp_path / "model", a_json="old")
    replace = os.replace

    def full(source, target):
        if str(source).endswith(".new"):
            raise OSError(errno.ENOSPC, "no space left")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        filled(tmp_path / "model", b_json="new")
    assert names(tmp_path / "model") == ["a.json"]
    assert names(tmp_path) == ["model"]

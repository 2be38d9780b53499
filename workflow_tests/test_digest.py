"""The digest that reruns a rule when library code was edited."""

import shutil

import pytest

from bonecast.digest import LIBRARY, code_digest


@pytest.fixture
def library(tmp_path):
    folder = tmp_path / "library"
    (folder / "measure").mkdir(parents=True)
    (folder / "measure" / "density.py").write_text("a = 1\n")
    (folder / "measure" / "radiomics.py").write_text("b = 1\n")
    (folder / "images.py").write_text("c = 1\n")
    return folder


@pytest.fixture(autouse=True)
def forget():
    """Digests are kept for one run of the workflow; each test edits files."""
    code_digest.cache_clear()


def edited(library, path, text="a = 2\n"):
    (library / path).write_text(text)
    code_digest.cache_clear()


def test_an_edit_changes_it_and_undoing_the_edit_restores_it(library):
    before = code_digest("measure/density.py", library=library)
    edited(library, "measure/density.py")
    assert code_digest("measure/density.py", library=library) != before
    edited(library, "measure/density.py", "a = 1\n")
    assert code_digest("measure/density.py", library=library) == before


def test_modules_not_named_do_not_change_it(library):
    before = code_digest("measure/density.py", "images.py", library=library)
    edited(library, "measure/radiomics.py")
    assert code_digest("measure/density.py", "images.py", library=library) == before


def test_a_folder_stands_for_all_its_modules(library):
    before = code_digest("measure", library=library)
    edited(library, "measure/radiomics.py")
    assert code_digest("measure", library=library) != before


def test_templates_count_and_caches_do_not(library):
    (library / "measure" / "page.html.j2").write_text("a")
    before = code_digest("measure", library=library)
    edited(library, "measure/density.pyc")
    assert code_digest("measure", library=library) == before
    edited(library, "measure/page.html.j2")
    assert code_digest("measure", library=library) != before


def test_touching_or_moving_the_project_does_not_change_it(library, tmp_path):
    before = code_digest("measure", "images.py", library=library)
    (library / "images.py").touch()
    moved = shutil.copytree(library, tmp_path / "elsewhere")
    code_digest.cache_clear()
    assert code_digest("measure", "images.py", library=moved) == before


@pytest.mark.parametrize("path", ["measure/nothing.py", "nothing"])
def test_a_misspelt_module_is_named(library, path):
    with pytest.raises(FileNotFoundError, match=path):
        code_digest(path, library=library)


def test_the_library_is_found():
    assert len(code_digest("images.py")) == 12
    assert (LIBRARY / "images.py").is_file()

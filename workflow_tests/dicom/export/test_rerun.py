"""The target run again: after new files, after changes by hand, after a crash."""

import os
import shutil

from bonecast.dicom import listing
from bonecast.dicom.export import tables
from bonecast.dicom.listing import list_files


def test_a_second_run_changes_nothing(export):
    export.fill()
    export.build()
    before = export.state()
    summary = export.build()
    assert summary.headers_read == summary.new == summary.lists_changed == 0
    assert export.state() == before


def test_new_files_change_only_their_patient(export):
    export.fill()
    export.build()
    ids = {row["participant_id"] for row in export.table()}
    before = export.state()
    export.add("new", number=2, slices=1)
    export.add("new", number=9)
    summary = export.build()
    assert (summary.headers_read, summary.new, summary.lists_changed) == (4, 1, 2)
    rows = export.table()
    assert {row["participant_id"] for row in rows[:-1]} == ids
    assert rows[-1]["participant_id"] == export.id_of("ID9")  # at the end: batches stay
    changed = {name for name, state in export.state().items() if before.get(name) != state}
    lists = {name for name in changed if name.startswith("lists/")}
    assert lists == {export.row_of("ID2")["path"], rows[-1]["path"]}
    assert export.row_of("ID2")["files"] == "4"


class Crash(BaseException):
    """What a killed process looks like from inside."""


def test_a_run_that_ends_between_two_files_is_made_good_by_the_next(export, monkeypatch):
    for number in (1, 2, 3):
        export.add("a", number=number)
    gone = export.add("b", number=4, slices=2)
    export.build()
    rows = [export.row_of(name) | {"site": name} for name in ("ID3", "ID1", "ID2", "ID4")]
    export.write(rows[:2] + rows[3:])
    export.add("c", number=1, slices=1)
    export.add("c", number=5, slices=1)
    gone[0].unlink()
    start = export.home.with_name("start")
    shutil.copytree(export.home, start)
    export.build()
    undisturbed = export.contents()
    whole, crashes = listing.write_if_changed, 0
    for last in range(20):
        shutil.rmtree(export.home)
        shutil.copytree(start, export.home)
        written = []

        def crash(path, text, last=last, written=written):
            if len(written) == last:
                raise Crash
            is_new = whole(path, text)
            written.extend([path] * is_new)
            return is_new

        with monkeypatch.context() as patched:
            patched.setattr(listing, "write_if_changed", crash)
            patched.setattr(tables, "write_if_changed", crash)
            try:
                export.build()
            except Crash:
                crashes += 1
            else:
                break
        export.build()
        assert export.contents() == undisturbed, last
    assert crashes > 5


def test_a_file_that_changed_gives_its_list_a_new_date(export):
    paths = export.add("a", number=1)
    export.build()
    before = export.state()
    os.utime(paths[0])
    assert export.build().lists_changed == 1
    path = export.row_of("ID1")["path"]
    assert export.state()[path][0] == before[path][0]
    assert export.state()[path][1] > before[path][1]


def test_what_a_person_changed_stays(export):
    for number in (1, 2, 3):
        export.add("a", number=number)
    export.build()
    rows = [export.row_of(name) | {"site": "north"} for name in ("ID1", "ID2", "ID3")]
    rows[0] |= {"warnings": "looked at", "series": "S02"}
    removed = rows.pop(1)
    rows.append({"participant_id": "mine", "path": "elsewhere"})
    export.write(rows)
    export.add("b", number=1, slices=1)
    summary = export.build()
    assert export.table()[0]["warnings"] == "looked at"
    assert [row["site"] for row in export.table()] == ["north", "north", ""]
    assert export.table()[0]["series"] == "S02"
    assert export.row_of("ID1")["files"] == "4"
    assert export.table()[-1]["participant_id"] == "mine"
    left = {row["participant_id"]: row["reason"] for row in export.table("left_out")}
    assert left == {removed["participant_id"]: "removed_by_hand"}
    assert summary.new == 0
    again = export.state()
    export.build()
    assert export.state() == again


def test_a_row_whose_files_are_gone_stays_with_a_warning(export):
    gone = export.add("a", number=1)
    fewer = export.add("b", number=2)
    export.build()
    name = export.id_of("ID1")
    for path in (*gone, fewer[0]):
        path.unlink()
    assert export.build().gone == 1
    row = export.row_of("ID1")
    assert (row["participant_id"], row["files"], row["warnings"]) == (name, "0", "files gone")
    assert list_files(export.home / row["path"]) == []
    assert "1 files fewer than before" in export.row_of("ID2")["warnings"]
    export.add("c", number=1)
    export.build()
    assert export.row_of("ID1")["files"] == "3"

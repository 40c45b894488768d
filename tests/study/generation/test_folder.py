"""A folder that is being filled: whose it is, what is done, how it is finished."""

import hashlib
import json

import pandas as pd
import pytest

from common.errors import InputError
from study.generation.folder import WORK, GenerationFolder, read_manifest

REQUEST = {"model": {"sha256": "a" * 64}, "count": 5, "seed": 0}


def begun(path, request=REQUEST):
    folder = GenerationFolder(path, request)
    assert folder.open() is False
    return folder


def test_a_new_folder_says_what_is_being_made_from_the_first_moment(tmp_path):
    folder = begun(tmp_path / "new" / "g")
    assert read_manifest(tmp_path / "new" / "g") == {"complete": False, "request": REQUEST}
    assert folder.done == {} and folder.work.is_dir()


def test_blocks_that_are_done_are_known_again_in_any_order(tmp_path):
    folder = begun(tmp_path / "g")
    for block, digest in ((3, "c" * 64), (0, "a" * 64)):
        folder.mark(block, digest)
    folder.release()
    again = begun(tmp_path / "g")
    assert again.done == {3: "c" * 64, 0: "a" * 64}
    assert again.digest() == hashlib.sha256(("a" * 64 + "c" * 64).encode()).hexdigest()


def test_half_a_line_is_dropped_for_good(tmp_path):
    folder = begun(tmp_path / "g")
    folder.mark(0, "a" * 64)
    folder.release()
    with open(folder.work / "done", "a") as record:
        record.write("1 bbb")
    again = begun(tmp_path / "g")
    assert again.done == {0: "a" * 64}
    again.mark(1, "b" * 64)
    assert (again.work / "done").read_text() == f"0 {'a' * 64}\n1 {'b' * 64}\n"


def test_two_processes_do_not_fill_one_folder(tmp_path):
    first = begun(tmp_path / "g")
    with pytest.raises(InputError, match="another process is generating into this folder"):
        GenerationFolder(tmp_path / "g", REQUEST).open()
    first.release()
    begun(tmp_path / "g")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"seed": 1}, r"\(seed: 0 there, 1 asked for\)"),
        ({"model": {"sha256": "b" * 64}}, r"\(model\.sha256: aaaaaaaaaaaa\.\.\. there, bbbbbbbbbbbb\.\.\. asked for\)"),
        ({"enlarge": {"sha256": "b"}}, r"\(enlarge\.sha256: nothing there, b asked for\)"),
    ],
)
def test_another_request_is_refused_and_says_what_differs(tmp_path, change, says):
    begun(tmp_path / "g").release()
    with pytest.raises(InputError, match=says):
        GenerationFolder(tmp_path / "g", REQUEST | change).open()
    with pytest.raises(InputError, match="holds another generation"):
        GenerationFolder(tmp_path / "g", {k: v for k, v in REQUEST.items() if k != "seed"}).open()


@pytest.mark.parametrize("content", ["{", "[]", '{"complete": true}', '{"request": 3}'])
def test_a_manifest_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"manifest\.json is not one of this program; choose a new folder"):
        GenerationFolder(tmp_path, REQUEST).open()
    assert (tmp_path / "manifest.json").read_text() == content


def test_what_a_kill_left_before_the_manifest_is_no_obstacle(tmp_path):
    (tmp_path / WORK).mkdir()
    begun(tmp_path)


def test_other_peoples_files_are(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match="not empty, and no generation was begun there"):
        GenerationFolder(tmp_path, REQUEST).open()
    with pytest.raises(InputError, match="a file; expected a folder"):
        GenerationFolder(tmp_path / "thesis.tex", REQUEST).open()
    with pytest.raises(InputError, match="Not a directory"):
        GenerationFolder(tmp_path / "thesis.tex" / "g", REQUEST).open()


def test_catalogues_of_blocks_become_one_in_the_order_of_the_galaxies(tmp_path):
    folder = begun(tmp_path / "g")
    for block, statuses in ((1, ["ok"]), (0, ["ok", "no fit"])):
        table = pd.DataFrame({"id": [2 * block + i for i in range(len(statuses))], "status": statuses})
        table.to_parquet(folder.part(block))
    assert folder.join_catalogue(2) == {"ok": 2, "no fit": 1}
    assert list(pd.read_parquet(tmp_path / "g" / "catalogue.parquet")["id"]) == [0, 1, 2]


def test_a_finished_folder_holds_no_working_files_and_is_not_opened_again(tmp_path):
    folder = begun(tmp_path / "g")
    folder.mark(0, "a")
    manifest = folder.finish({"pixels": "x"})
    assert manifest == {"complete": True, "request": REQUEST, "pixels": "x"} == read_manifest(tmp_path / "g")
    assert [p.name for p in (tmp_path / "g").iterdir()] == ["manifest.json"]
    assert GenerationFolder(tmp_path / "g", json.loads(json.dumps(REQUEST))).open() is True

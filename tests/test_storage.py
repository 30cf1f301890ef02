import json
import os

import pytest

from siamese_lib.errors import InputError
from siamese_lib.files import atomic_write, write_json, write_text


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old" and temporary.parent == path.parent
        raise error
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_finished_write_takes_its_place(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    for text in ("first", "second"):
        with atomic_write(str(path)) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text and list(path.parent.iterdir()) == [path]


def test_the_temporary_file_ends_like_the_target(tmp_path):
    """np.savez and Pillow go by the ending; two writers at once never share a file."""
    with atomic_write(tmp_path / "a.npz") as one, atomic_write(tmp_path / "a.npz") as other:
        assert one.suffix == ".npz" and one != other and one.name.startswith(".")


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "atomic", "")
    modes = [os.stat(tmp_path / name).st_mode for name in ("plain", "atomic")]
    assert modes[0] == modes[1]


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        InputError,
        match=r"cannot write .*file/x\.json: (Not a directory|File exists); make the folder writable",
    ):
        write_json(tmp_path / "file" / "x.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_json_keeps_hangul_and_refuses_nan(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"class": "가", "loss": [0.5, None]})
    assert "가" in path.read_text(encoding="utf-8") and path.read_text(encoding="utf-8").endswith("}\n")
    assert json.loads(path.read_text(encoding="utf-8")) == {"class": "가", "loss": [0.5, None]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text(encoding="utf-8"))["class"] == "가" and list(tmp_path.iterdir()) == [
        path
    ]

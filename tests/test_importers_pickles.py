"""Pickled files are never opened, and every reader says so in one sentence."""

import pickle

import pytest

from foreign_lines import LOGS, write
from siwork.files.lines import existing
from siwork.files.pickles import refuse_pickle
from siwork.importers import from_trl, from_verl, trainers
from siwork.schema import ImportFormatError

READERS = [getattr(trainers, name) for name in dir(trainers) if name.startswith("from_")]


class Payload:
    """Leaves a mark when it is opened."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
def test_a_torch_file_is_refused_with_a_way_out(reader):
    with pytest.raises(
        ImportFormatError, match=r"0\.pt is a pickled file: .* siwork never does; write JSON lines instead"
    ):
        reader(LOGS / "slime/rollout_data/0.pt")


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@pytest.mark.parametrize("path", ["slime", "slime/rollout_data"])
def test_a_folder_of_them_is_refused(reader, path):
    with pytest.raises(ImportFormatError, match=r"holds nothing but pickled files to read, 0\.pt for one"):
        reader(LOGS / path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_name_hides_nothing_and_nothing_is_run(tmp_path, protocol):
    mark, place = tmp_path / "ran", tmp_path / "1.jsonl"
    place.write_bytes(pickle.dumps(Payload(mark), protocol))
    for reader in READERS:
        with pytest.raises(ImportFormatError, match="is a pickled file"):
            reader(place)
    assert not mark.exists()


def test_a_torch_archive_under_another_name(tmp_path):
    place = tmp_path / "rollouts.jsonl"
    place.write_bytes((LOGS / "slime/rollout_data/0.pt").read_bytes())
    with pytest.raises(ImportFormatError, match="is a pickled file"):
        refuse_pickle(place)


def test_other_files_pass(tmp_path):
    refuse_pickle(write(tmp_path / "1.jsonl", [{"a": 1}]))
    refuse_pickle(tmp_path)
    refuse_pickle(tmp_path / "lost")
    assert existing(tmp_path) == tmp_path


def test_checkpoints_beside_a_log_are_no_matter(tmp_path):
    (tmp_path / "model.pt").write_bytes(b"\x80\x02.")
    write(tmp_path / "completions.jsonl", [{"step": ["1"], "prompt": ["a"], "completion": ["b"], "acc": [1.0]}])
    assert len(trainers.from_swift(tmp_path).rows) == 1


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000])
def test_paths_that_cannot_be(path):
    with pytest.raises(ImportFormatError, match="does not exist"):
        trainers.from_areal(path)


@pytest.mark.parametrize("read", [from_trl, from_verl])
def test_the_first_readers_refuse_them_too(tmp_path, read):
    place = tmp_path / "batch.pt"
    place.write_bytes(pickle.dumps({"a": 1}, protocol=4))
    with pytest.raises(ImportFormatError, match="is a pickled file"):
        read(place)

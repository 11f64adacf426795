"""Programs take turns, and rows are compared."""

from benchmarking.children import Child, FailedError
from benchmarking.entries import Entry
from benchmarking.suite import compare_all, take_turns, translate_in_turns


class Scripted(Child):
    """A child that writes down when it is asked, and fails when told."""

    def __init__(self, name, log, fails_at=99):
        self.name, self.log, self.fails_at = name, log, fails_at

    def ask(self, do, **arguments):
        self.log.append(self.name)
        if self.log.count(self.name) > self.fails_at:
            raise FailedError("out of device memory")
        return {"milliseconds": 10.0 * self.log.count(self.name)}


def row(name, **more):
    program = "peer" if name.startswith("peer") else "ours"
    shared = {"batch_size": 1, "image_size": 32, "dtype": "float32", "device": "cpu"}
    return {"program": program, "name": name, "data": "cached", **shared, **more}


def test_turns_go_there_and_back_and_the_first_does_not_count():
    log = []
    entries = [Entry(row(name), Scripted(name, log)) for name in "abc"]
    take_turns(entries, 2)
    assert "".join(log) == "cba" + "abc" + "cba"
    assert [[run["milliseconds"] for run in entry.runs] for entry in entries] == [[20.0, 30.0]] * 3


def test_programs_translate_in_turns_and_are_compared_by_it():
    log = []
    names = ("cached", "peer x")
    entries = [
        Entry(row(name, ms=1.0), Scripted(name, log), runs=[{"milliseconds": 1.0}])
        for name in names
    ]
    translate_in_turns(entries, 2)
    assert [len(entry.inferences) for entry in entries] == [2, 2]
    (found,) = compare_all(entries)
    assert (found["ratio"], found["inference"]["ratio"]) == (1.0, 1.0)
    assert found["inference"]["ours_ms"] == 25.0  # the second and the third


def test_what_fails_is_left_out_and_the_others_go_on():
    log = []
    entries = [Entry(row("a"), Scripted("a", log, fails_at=1)), Entry(row("b"), Scripted("b", log))]
    take_turns(entries, 3)
    assert (log.count("a"), log.count("b")) == (2, 4)
    assert entries[0].row["failed"] == "out of device memory"
    assert len(entries[1].runs) == 3


def test_each_row_of_ours_is_compared_with_each_of_the_peer_that_was_measured():
    times = {"cached": 2.0, "streamed": 3.0, "peer x": 4.0, "peer y": 6.0, "peer z": None}
    entries = []
    for name, ms in times.items():
        measured = {"failed": "no"} if ms is None else {"ms": ms}
        entries.append(Entry(row(name, **measured), runs=[{"milliseconds": ms}] * (ms is not None)))
    found = [(one["peer"], one["ours_ms"], one["ratio"]) for one in compare_all(entries)]
    assert found == [
        *(("peer x", 2.0, 0.5), ("peer y", 2.0, 2 / 6)),
        *(("peer x", 3.0, 0.75), ("peer y", 3.0, 0.5)),
    ]

"""Several threads and processes over one folder, and processes that die."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cms.errors import SearchUnavailable
from cms.search import Engine, Visible
from tests.search.tools import Open, document, found, shorten

_WRITE = """
import sys
from pathlib import Path
from cms.search import open_engine
from tests.search.tools import document
engine = open_engine(Path(sys.argv[1]), engine=sys.argv[2], fingerprint="test", batch_documents=20)
first, last, mark = int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
def report(done):
    print(done, flush=True)
engine.update((document(f"d{n:04}", f"laks {mark} nummer{n} " + f"ord{n} " * 50) for n in range(first, last)), [], report)
"""


def _writer(name: str, folder: Path, first: int, last: int, mark: str = "x") -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore", "-c", _WRITE, str(folder), name, str(first), str(last), mark]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_that_write_at_once_both_succeed(folder: Path, engine_name: str, open_index: Open) -> None:
    writers = [_writer(engine_name, folder, 0, 100, "one"), _writer(engine_name, folder, 50, 150, "two")]
    outcomes = [writer.communicate(timeout=120) for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], outcomes
    engine = open_index(folder)
    assert len(engine.ids()) == len(found(engine, "laks")) == 150
    assert len(found(engine, "one OR two")) == 150


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.3])
def test_a_killed_writer_leaves_a_whole_index_and_the_next_update_continues(
    folder: Path, engine_name: str, open_index: Open, delay: float
) -> None:
    writer = _writer(engine_name, folder, 0, 3_000)
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(delay)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    engine = open_index(folder)
    before = len(engine.ids())
    assert len(found(engine, "laks")) == before < 3_000
    engine.update((document(f"d{n:04}", f"laks nummer{n}") for n in range(before + 50)), [])
    assert len(found(engine, "laks")) == len(engine.ids()) == before + 50


def test_threads_that_search_while_another_writes_see_whole_commits(folder: Path, open_index: Open) -> None:
    engine = open_index(folder, batch_documents=10)
    problems: list[object] = []
    done = threading.Event()

    def search() -> None:
        while not done.is_set():
            for text, other in (("laks", "torsk"), ("par", "-nothing")):
                try:
                    one, two = found(engine, text), found(engine, other)
                    if len(one) % 10 or len(two) < len(one):
                        problems.append((text, len(one), len(two)))
                except Exception as error:
                    problems.append(error)

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(0, 120, 10):
        engine.update([document(f"d{m}", f"laks torsk par ord{m}") for m in range(n, n + 10)], [])
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(found(engine, "laks")) == 120


def test_a_reset_by_one_process_is_taken_over_by_the_others(engine: Engine, folder: Path, open_index: Open) -> None:
    other = open_index(folder)
    engine.update([document("a", "laks")], [])
    assert found(other, "laks") == ["a"]
    shorten(max(path for path in folder.glob("g-*/*") if path.suffix in {".seg", ".idx"}))
    assert open_index(folder).ids() == frozenset()
    engine.update([document("b", "laks")], [])
    assert (found(engine, "laks"), found(other, "laks")) == (["b"], ["b"])


def test_a_reset_of_what_another_process_has_healed_keeps_its_work(
    engine: Engine, folder: Path, open_index: Open
) -> None:
    engine.update([document("a", "laks")], [])
    other = open_index(folder)
    shorten(max(path for path in folder.glob("g-*/*") if path.suffix in {".seg", ".idx"}))
    for broken in (engine, other):
        with pytest.raises(SearchUnavailable):
            broken.search("laks", locale=None, visible=Visible({"a"}))
    engine.reset()
    engine.update([document("b", "laks")], [])
    other.reset()
    assert found(other, "laks") == ["b"]


def test_a_reset_of_a_whole_index_empties_it(engine: Engine) -> None:
    engine.update([document("a", "laks")], [])
    engine.reset()
    assert engine.ids() == frozenset()

"""The model, a few rounds of it; ``python -m tests.search.model --rounds 500`` goes further."""

from pathlib import Path

from tests.search.model import run


def test_no_history_of_a_site_leads_to_a_wrong_answer(engine_name: str, folder: Path) -> None:
    history = run(engine_name, folder, rounds=10, seed=7)
    assert history.wrong == []
    assert history.asked > 100

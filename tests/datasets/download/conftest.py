import pytest
from file_server import serve_files


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between two tries
    with serve_files() as state:
        yield state

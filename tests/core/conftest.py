import pytest
from support.own_code import write_net


@pytest.fixture
def ran(tmp_path):
    """A file that own code of these tests adds a line to whenever it runs."""
    return tmp_path / "ran"


@pytest.fixture
def net(tmp_path, ran):
    """A file of own code with a class Net, outside of any run's folder."""
    path = tmp_path / "project" / "net.py"
    path.parent.mkdir()
    return write_net(path, ran)

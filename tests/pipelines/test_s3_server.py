"""The embedded S3 server: a real weed process in every test."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from components.store import s3
from components.store.errors import UserError
from pipelines import s3_server
from pipelines.s3_server import DROPPED, S3Server, running


@contextmanager
def used(server: S3Server) -> Iterator[s3.Folder]:
    """A folder on the server, through a client of its own."""
    try:
        with server.applied():
            s3._client.cache_clear()
            folder = s3.Folder("s3://bucket/folder")
            folder.ensure_bucket()
            yield folder
    finally:
        s3._client.cache_clear()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def refusal(data: Path, **settings: int) -> UserError:
    with pytest.raises(UserError) as raised, running(data, **settings):
        pass
    return raised.value


@pytest.fixture
def found_ports(monkeypatch) -> Iterator[list[dict[str, int]]]:
    """The ports found for each start; the first time, somebody else takes one before the server does."""
    found: list[dict[str, int]] = []
    honest = s3_server._free_ports
    with closing(socket.create_server(("127.0.0.1", 0))) as thief:

        def free_ports(port: int) -> dict[str, int]:
            lost = {} if found else {"master.port": thief.getsockname()[1]}
            found.append(honest(port) | lost)
            return found[-1]

        monkeypatch.setattr(s3_server, "_free_ports", free_ports)
        yield found


def test_objects_and_credentials_survive_a_restart_and_no_process_does(tmp_path):
    with running(tmp_path) as first, used(first) as folder:
        folder.write("kept", b"text")
    assert not alive(first.pid)
    with pytest.raises(KeyboardInterrupt), running(tmp_path) as second, used(second) as folder:
        assert folder.read("kept") == b"text"
        raise KeyboardInterrupt
    assert not alive(second.pid)
    assert (first.access_key, first.secret_key) == (second.access_key, second.secret_key)
    assert stat.S_IMODE((tmp_path / "s3.json").stat().st_mode) == 0o600
    assert not [path for path in Path("/tmp").glob("seaweedfs-*.sock") if first.endpoint.split(":")[-1] in path.name]


def test_two_servers_are_strangers_and_one_folder_has_one_server(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_CA_BUNDLE", "")  # which botocore would refuse
    monkeypatch.setenv("AWS_PROFILE", "of-the-caller")
    one, other = tmp_path / "one", tmp_path / "other"
    with running(one) as mine, running(other) as theirs:
        with used(mine) as folder:
            folder.write("only-here", b"text")
            assert not set(DROPPED) & set(os.environ)
        with used(theirs) as folder:
            assert not folder.exists("only-here")
            os.environ["AWS_SECRET_ACCESS_KEY"] = "wrong"  # until `applied` puts everything back
            s3._client.cache_clear()
            with pytest.raises(UserError, match="credentials were refused"):
                next(folder.list())
        assert os.environ["AWS_PROFILE"] == "of-the-caller"
        busy = refusal(one)
    assert busy.code == "S3_DATA_IN_USE"
    assert str(mine.pid) in busy.found


def test_a_server_left_behind_by_a_killed_run_is_named(tmp_path):
    program = (
        "import os, pathlib, sys; from pipelines.s3_server import running\n"
        "with running(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    )
    run = subprocess.run([sys.executable, "-c", program, tmp_path], cwd=Path(__file__).parents[2])
    assert run.returncode == -signal.SIGKILL
    pid = int((tmp_path / "lock").read_text())
    try:
        assert alive(pid)
        assert refusal(tmp_path).fix.endswith(f"kill {pid}")
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_port_lost_to_somebody_else_is_replaced(tmp_path, found_ports):
    with running(tmp_path) as server:
        assert server.endpoint == f"http://127.0.0.1:{found_ports[1]['s3.port']}"
    assert len(found_ports) == 2


def test_a_taken_port_is_refused(tmp_path):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        error = refusal(tmp_path, port=port)
    assert error.code == "PORT_TAKEN"
    assert str(port) in error.what


def test_a_server_that_dies_at_start_says_why(tmp_path):
    (tmp_path / "objects").mkdir()
    (tmp_path / "objects" / "filerldb2").write_text("no folder")
    error = refusal(tmp_path)
    assert error.code == "S3_SERVER_FAILED"
    assert "filerldb2" in error.found
    assert "weed.log" in error.fix


def test_a_missing_binary_is_named_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", "")
    assert refusal(tmp_path / "data").code == "SEAWEEDFS_MISSING"
    assert not (tmp_path / "data").exists()

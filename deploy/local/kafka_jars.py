"""Apache Kafka's own jars, from Maven, where java (17 or later) and mvn are there."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.child import Launch, run

POM = Path(__file__).with_name("kafka-pom.xml")
OLDEST_JAVA = 17
PATIENCE = 300.0
"""Seconds a first download may take."""


class KafkaNotAvailable(Exception):
    """Apache Kafka cannot be had on this machine; the message says why."""


def find_java() -> str:
    """A java of version 17 or later: `$JAVA_HOME`, else on the path. Raises KafkaNotAvailable."""
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        raise KafkaNotAvailable("there is no java")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', answer.stderr)
    if found is None or int(found[1]) < OLDEST_JAVA:
        raise KafkaNotAvailable(f"java is older than {OLDEST_JAVA}: {answer.stderr.strip()}")
    return java


def jars_folder(cache: Path) -> Path:
    """Where this version's jars are kept under `cache`; another pom, another folder."""
    return cache.absolute() / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]


def jars_version(cache: Path) -> str:
    """The version of the fetched jars."""
    jar = next(jars_folder(cache).glob("kafka-server-[0-9]*.jar"))
    return jar.stem.removeprefix("kafka-server-")


def why_not_available(cache: Path) -> str | None:
    """Why Apache Kafka cannot be had here, or None if it can (nothing is downloaded to find out)."""
    try:
        find_java()
    except KafkaNotAvailable as reason:
        return str(reason)
    if not jars_folder(cache).exists() and shutil.which("mvn") is None:
        return "there is no mvn to fetch Apache Kafka's jars"
    return None


def fetch_jars(cache: Path) -> Path:
    """The folder of the jars, fetched at first need; several processes may ask at once. Raises KafkaNotAvailable."""
    folder = jars_folder(cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    mvn = shutil.which("mvn")
    if mvn is None:
        raise KafkaNotAvailable("there is no mvn to fetch Apache Kafka's jars")
    new = folder.with_name(folder.name + ".new")
    shutil.rmtree(new, ignore_errors=True)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={new}"]
    try:
        answer = run(Launch(argv=[mvn, "-B", "-q", "-f", str(POM), *goal], env=os.environ), PATIENCE)
    except subprocess.TimeoutExpired as slow:
        raise KafkaNotAvailable(f"mvn did not fetch Apache Kafka's jars within {PATIENCE:.0f} s") from slow
    if answer.returncode or not list(new.glob("kafka_*.jar")):
        raise KafkaNotAvailable(f"mvn could not fetch Apache Kafka's jars: {answer.stdout.strip()[-500:]}")
    new.rename(folder)

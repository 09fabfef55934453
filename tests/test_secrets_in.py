import gzip
import sqlite3
import subprocess
import zipfile

import pytest
from secrets_in import holding

SECRET = "canary-0123456789"


def in_git(folder, packed):
    for command in (["init", "--quiet"], ["add", "--all"], ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "x"],
                    *([["gc", "--quiet"]] if packed else [])):  # fmt: skip
        subprocess.run(["git", *command], cwd=folder, check=True)
    (folder / "note").unlink()


def in_sqlite(folder):
    with sqlite3.connect(folder / "store.db") as store:
        store.execute("CREATE TABLE tags (value)")
        store.execute("INSERT INTO tags VALUES (?)", ["x" * 4050 + SECRET * 10])


def in_zip(folder):
    with zipfile.ZipFile(folder / "trace.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("log", SECRET * 3)


PLANTS = {
    "log": lambda folder: (folder / ".hidden").write_text(f"Authorization: Bearer {SECRET}\n"),
    "name": lambda folder: (folder / f"cache-{SECRET}").mkdir(),
    "gzip": lambda folder: (folder / "log.gz").write_bytes(gzip.compress(b"a" * 50 + SECRET.encode())),
    "inside": lambda folder: (folder / "blob").write_bytes(b"\x00head" + gzip.compress(SECRET.encode() * 2) + b"tail"),
    "zip": in_zip,
    "sqlite": in_sqlite,
    "git": lambda folder: ((folder / "note").write_text(SECRET * 3), in_git(folder, packed=False)),
    "pack": lambda folder: ((folder / "note").write_text(SECRET * 3), in_git(folder, packed=True)),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_secret_is_found_and_nothing_else(tmp_path, plant):
    (tmp_path / "log").write_text("canary-9876543210")
    (tmp_path / "random").write_bytes(bytes(range(256)) * 400 + b"\x78\x9c" * 20)
    assert holding(SECRET, tmp_path) == []
    PLANTS[plant](tmp_path)
    assert len(holding(SECRET, tmp_path)) == 1

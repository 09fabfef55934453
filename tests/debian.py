"""Debian's packages that tests use: installed first where that can be done."""

import os
import shutil
import subprocess

import pytest

INSTALL_SECONDS = 240


def install(what: str, packages: dict[str, str]) -> None:
    """`packages`: by the program that each brings. Skips the test, saying why, where they aren't there and can't be installed."""
    missing = sorted({package for program, package in packages.items() if not shutil.which(program)})
    if not missing:
        return
    reason = f"needs {what}: apt-get install {' '.join(missing)}"
    if os.getuid() or not shutil.which("apt-get"):
        pytest.skip(f"{reason} (not tried: that takes Debian and root)")
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
        try:
            done = subprocess.run(["apt-get", "--quiet", *command], capture_output=True, text=True, timeout=INSTALL_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{reason} (tried, and not done in {INSTALL_SECONDS} s)")
        if done.returncode:
            pytest.skip(f"{reason} (tried: {done.stderr.strip()[-200:]})")

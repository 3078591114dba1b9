"""The installed state is the one that the requirement files describe, and it works.

What only `make` promises is checked where `make` installed; other environments skip it.
"""

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]

locked_only = pytest.mark.skipif(
    not (Path(sys.prefix) / ".installed").is_file(),
    reason="not the environment that `make` installs from requirements/lock.txt",
)


def requirements(file_name: str) -> Iterator[Requirement]:
    lines = (ROOT / "requirements" / file_name).read_text(encoding="utf-8").splitlines()
    return (Requirement(line) for line in lines if line.strip() and not line.startswith("#"))


def pins(file_name: str) -> dict[str, Version]:
    """Map the distributions of a file that apply to this machine to their exact version."""
    applying = (r for r in requirements(file_name) if r.marker is None or r.marker.evaluate())
    return {canonicalize_name(r.name): exact_version(r) for r in applying}


def exact_version(requirement: Requirement) -> Version:
    (specifier,) = requirement.specifier
    assert specifier.operator == "==", f"{requirement} is not exact"
    return Version(specifier.version)


def installed() -> dict[str, Version]:
    # Only here: an imported setuptools puts the copies it carries on sys.path.
    site_packages = sysconfig.get_path("purelib")
    # A build of the same version, such as 2.13.0+cpu, is that version.
    return {
        canonicalize_name(d.metadata["Name"]): Version(Version(d.version).public)
        for d in metadata.distributions(path=[site_packages])
    }


@locked_only
def test_installed_versions_are_the_locked_ones():
    have, locked = installed(), pins("lock.txt")
    wrong = {
        name: (want, have.get(name)) for name, want in locked.items() if have.get(name) != want
    }
    assert not wrong, "requirements/lock.txt and .venv differ: delete .venv and run make again"


@locked_only
def test_lock_names_everything_installed():
    ours = {"mnv4-vision", "pip"}
    cuda = re.compile(r"nvidia-|cuda-|triton$")  # pinned by torch's CUDA builds themselves
    extra = {name for name in installed() if name not in ours and not cuda.match(name)}
    assert extra <= set(pins("lock.txt"))


@locked_only
def test_dependencies_are_consistent():
    check = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout


@locked_only
def test_metadata_carries_the_minimum_versions():
    declared = {
        canonicalize_name(r.name): str(r.specifier)
        for r in map(Requirement, metadata.requires("mnv4_vision"))
    }
    assert declared == {name: f">={version}" for name, version in pins("minimum.txt").items()}


def test_lock_is_not_older_than_the_minimum():
    locked, minimum = pins("lock.txt"), pins("minimum.txt")
    assert minimum.keys() - locked.keys() == {"mlflow", "wandb"}  # excluded in pyproject.toml
    assert not {name: v for name, v in minimum.items() if name in locked and locked[name] < v}


def test_opencv_decodes_what_it_encodes():
    image = np.add.outer(np.arange(48), 3 * np.arange(64)).astype(np.uint8)
    ok, png = cv2.imencode(".png", image)
    assert ok
    np.testing.assert_array_equal(cv2.imdecode(png, cv2.IMREAD_GRAYSCALE), image)


@locked_only
def test_the_headless_opencv_won():
    # The other wheel's cv2 cannot be imported without libGL, which servers do not have.
    assert re.search(r"GUI: +(\S+)", cv2.getBuildInformation()).group(1) == "NONE"


def test_every_openmmlab_package_imports_without_compiled_operators():
    code = (
        "import mnv4_vision, mmcv.ops, mmdet.models, mmseg.models, timm, importlib;"
        "importlib.invalidate_caches()"  # asks every import hook, so ours too
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


INSTALL_FILES = ["Makefile", "setup.py", "pyproject.toml", ".ci/run", "requirements"]
INSTALL_SOURCE = re.compile(r"--(extra-)?index-url|--find-links|file://|\bgit\+|https?://")


def text_files(names: list[str]) -> Iterator[Path]:
    for name in names:
        path = ROOT / name
        yield from (p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def test_installation_leaves_the_package_source_to_pip():
    named = [p.name for p in text_files(INSTALL_FILES) if INSTALL_SOURCE.search(p.read_text())]
    assert not named, "which index pip uses is the user's setting"


def test_no_file_names_a_path_of_one_machine():
    path_of_one_machine = re.compile(r"(?<![\w.~/])/(root|home|opt|work|Users)/")
    suffixes = {".py", ".md", ".toml", ".txt", ".json", ""}
    folders = ["mnv4_vision", "configs", "tools", "tests", "docs", "benchmarks", "README.md"]
    files = [p for p in text_files(folders + INSTALL_FILES) if p.suffix in suffixes]
    assert not [p for p in files if path_of_one_machine.search(p.read_text(encoding="utf-8"))]

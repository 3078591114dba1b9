"""Package metadata. Lower bounds come from requirements/minimum.txt, nothing is typed twice."""

import ast
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

# Every other line of requirements/minimum.txt is needed to run at all.
EXTRAS = {
    "timm": ["timm"],
    "lmdb": ["lmdb"],
    "wandb": ["wandb"],
    "mlflow": ["mlflow"],
    "dev": ["lmdb", "pytest", "pytest-timeout", "ruff", "timm"],
}


def read_bounds() -> dict[str, str]:
    """Map each distribution of requirements/minimum.txt to its requirement, `name>=version`."""
    lines = (ROOT / "requirements" / "minimum.txt").read_text(encoding="utf-8").splitlines()
    pins = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return {pin.partition("==")[0]: pin.replace("==", ">=") for pin in pins}


def read_version() -> str:
    """Return `__version__` without importing the package, which would need torch."""
    source = (ROOT / "mnv4_vision" / "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__":
            return ast.literal_eval(node.value)
    raise RuntimeError("mnv4_vision/__init__.py does not assign __version__")


bounds = read_bounds()
optional = {name for names in EXTRAS.values() for name in names}

setup(
    name="mnv4_vision",
    version=read_version(),
    description="MobileNetV4 for classification, detection and segmentation on OpenMMLab",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author="The mnv4_vision contributors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="mobilenetv4 object-detection segmentation openmmlab mobile",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    packages=find_packages(include=["mnv4_vision", "mnv4_vision.*"]),
    python_requires=">=3.10,<3.13",
    install_requires=[bound for name, bound in bounds.items() if name not in optional],
    extras_require={extra: [bounds[name] for name in names] for extra, names in EXTRAS.items()},
    zip_safe=False,
)

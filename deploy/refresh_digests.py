"""Asks the registries what the pinned tags are today, and writes it wherever a pin stands.

python3 deploy/refresh_digests.py                                 every image of deploy/images.env
python3 deploy/refresh_digests.py REDIS_IMAGE                     only this one
python3 deploy/refresh_digests.py REDIS_IMAGE=redis:8.12.0-alpine    this one, to another tag
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "deploy" / "images.env"


def digest(tag: str) -> str:
    """Return the digest of the tag's index, for all architectures, without a pull."""
    command = ["docker", "buildx", "imagetools", "inspect", tag, "--format", "{{.Manifest.Digest}}"]
    found = subprocess.check_output(command, text=True).strip()  # noqa: S603 - a tag of the pins
    if not re.fullmatch("sha256:[0-9a-f]{64}", found):
        sys.exit(f"{tag}: the registry answered {found!r}, which is no digest")
    return found


def replace(old: str, new: str) -> int:
    """Write `new` for `old` in every tracked file, and return in how many."""
    command = ["git", "grep", "-lzF", "--untracked", "-e", old]
    found = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603 - it only reads
    files = [ROOT / name for name in found.stdout.split("\0") if name]
    for path in files:
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    return len(files)


def main(arguments: list[str]) -> None:
    """Bring the named images up to date, or all."""
    wanted = dict(argument.partition("=")[::2] for argument in arguments)
    pins = dict(re.findall(r"^(\w+_IMAGE)=(\S+)$", PINS.read_text("utf-8"), re.MULTILINE))
    if unknown := wanted.keys() - pins.keys():
        sys.exit(f"{PINS.name} has no {', '.join(sorted(unknown))}; it has {', '.join(pins)}")
    for name in wanted or pins:
        tag = wanted.get(name) or pins[name].partition("@")[0]
        pin = f"{tag}@{digest(tag)}"
        changed = replace(pins[name], pin) if pin != pins[name] else 0
        print(f"{name}: {pin}, {f'new in {changed} files' if changed else 'as it was'}")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])

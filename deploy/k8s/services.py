"""Tells kustomize what it cannot find out: which services there are, and when a migration is new.

python3 deploy/k8s/services.py                  write the lists of services and the Jobs' names
python3 deploy/k8s/services.py --check          only say what is out of date
python3 deploy/k8s/services.py orders=IMAGE@sha256:DIGEST    let production run that image, too
"""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("local", "production")
UNRELEASED = "registry.example.org/chassis/{}@sha256:" + 64 * "0"
LIST = """\
# Written by deploy/k8s/services.py.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
{}
"""
RELEASE = """\
# Written by deploy/k8s/services.py: the image in production. A Job cannot be changed, so its name
# carries a hash of what is in it.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
  - name: chassis/{service}
    newName: {name}
    digest: {digest}
patches:
  - target:
      kind: Job
    options:
      allowNameChange: true
    patch: |-
      - {{op: replace, path: /metadata/name, value: {service}-migrate-{suffix}}}
"""


def deployed(root: Path, overlay: str) -> list[str]:
    """Return the services that have the overlay, by name."""
    found = root.glob(f"services/*/deploy/{overlay}/kustomization.yaml")
    return sorted(path.parts[-4] for path in found)


def suffix(rendered: str) -> str:
    """Return ten hexadecimal digits of the hash of the Jobs in a rendering, but for their names."""
    jobs = "\n".join(text for text in rendered.split("\n---\n") if "\nkind: Job\n" in text)
    nameless = re.sub(r"\n  name: \S+", "", jobs)
    return hashlib.sha256(nameless.encode()).hexdigest()[:10]


def lists(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield for each overlay the file that lists its services, and what belongs in it."""
    for overlay in OVERLAYS:
        folder = root / f"deploy/k8s/overlays/{overlay}/services"
        entries = [f"  - ../../../../../services/{service}/deploy/{overlay}"
                   for service in deployed(root, overlay)]  # fmt: skip
        yield folder / "kustomization.yaml", LIST.format("\n".join(entries))


def release(root: Path, service: str, image: str | None = None) -> tuple[Path, str]:
    """Return the file that says what of `service` runs in production, and what belongs in it.

    A new `image` is written at once, since the Job's name depends on it.
    """
    path = root / f"services/{service}/deploy/production/release/kustomization.yaml"
    if image or not path.exists():
        name, _, digest = (image or UNRELEASED.format(service)).partition("@")
        path.parent.mkdir(exist_ok=True)
        path.write_text(RELEASE.format(service=service, name=name, digest=digest, suffix="new"))
    name, digest = re.findall(r"(?:newName|digest): (\S+)", path.read_text())
    unnamed = suffix(_render(path.parents[1]))
    return path, RELEASE.format(service=service, name=name, digest=digest, suffix=unnamed)


def main(arguments: list[str]) -> int:
    """Write, or with `--check` compare, every file; return 1 if one was found out of date."""
    check = "--check" in arguments
    images = dict(argument.split("=", 1) for argument in arguments if argument != "--check")
    for service, image in images.items():
        if service not in deployed(ROOT, "production") or not re.search(r"@sha256:\w{64}$", image):
            sys.exit(f"{service}={image}: must be SERVICE=IMAGE@sha256:DIGEST of a known service")
    services = deployed(ROOT, "production")
    wanted = [*lists(ROOT), *(release(ROOT, name, images.get(name)) for name in services)]
    stale = [(path, text) for path, text in wanted if not path.exists() or path.read_text() != text]
    for path, text in stale:
        if not check:
            path.write_text(text)
        sys.stdout.write(f"{'stale' if check else 'wrote'}: {path.relative_to(ROOT)}\n")
    return 1 if check and stale else 0


def _render(folder: Path) -> str:
    kubectl = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or "kubectl"
    command = [kubectl, "kustomize", str(folder)]
    return subprocess.check_output(command, text=True)  # noqa: S603 - a fixed command on our folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

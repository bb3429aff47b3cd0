"""What making a service writes, known before anything is written."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from chassis_core.cli.scaffold import record
from chassis_core.cli.scaffold.refusal import Refused, refuse_name
from chassis_core.cli.scaffold.rendering import rendered
from chassis_core.cli.scaffold.shared import entered
from chassis_core.contract import Contract, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written, by path from the root.

    Attributes:
        root: the folder of the platform.
        folder: the folder of the service, which is not there yet.
        contract: with the new service in it.
        made: the text of each new file.
        edited: the new text of each file that all services share.
    """

    root: Path
    folder: str
    contract: Contract
    made: Mapping[str, str]
    edited: Mapping[str, str]

    def write(self) -> None:
        """Write everything, or nothing when something cannot be written.

        Raises:
            Refused: a file cannot be written.
        """
        paths = [self.root / path for path in self.edited]
        before = {path: path.read_bytes() for path in paths if path.is_file()}
        try:
            for path, text in [*self.made.items(), *self.edited.items()]:
                (self.root / path).parent.mkdir(parents=True, exist_ok=True)
                (self.root / path).write_text(text, "utf-8")
        except OSError as error:
            self._undo(before)
            raise Refused(f"nothing is written: {error}") from error
        except BaseException:
            self._undo(before)
            raise

    def _undo(self, before: Mapping[Path, bytes]) -> None:
        shutil.rmtree(self.root / self.folder, ignore_errors=True)
        for path, content in before.items():
            path.write_bytes(content)
        for path in (self.root / name for name in (*self.made, *self.edited)):
            if path not in before and path.is_file():
                path.unlink()


def planned(
    root: Path, name: str, *, port: int | None = None, admin_port: int | None = None
) -> Plan:
    """Return what a new service needs; nothing is written.

    Args:
        root: the folder of the platform.
        name: of the service.
        port: of its public listener; the next after the highest if there is none.
        admin_port: of its admin listener; the next after the highest if there is none.

    Raises:
        ContractError: the folder has no contract.
        Refused: the service cannot be made there.
    """
    known = load(root)
    contract = _grown(known, name, port, admin_port)
    refuse_name(root, known, name)
    made = rendered(contract, name)
    if taken := [path for path in made if (root / path).exists()]:
        raise Refused(f"{', '.join(taken)} would be overwritten: move it away first")
    records = record.read(root) | {name: record.record_of(made)}
    edited = {**entered(root, contract, name), record.LOCK: record.written(records)}
    return Plan(root=root, folder=f"services/{name}", contract=contract, made=made, edited=edited)


def _grown(contract: Contract, name: str, port: int | None, admin_port: int | None) -> Contract:
    members = contract.services.values()
    ports = {
        "port": port or max(member.port for member in members) + 1,
        "admin_port": admin_port or max(member.admin_port for member in members) + 1,
    }
    known = contract.model_dump()
    try:
        return Contract.model_validate(known | {"services": {**known["services"], name: ports}})
    except ValidationError as error:
        raise Refused(error.errors()[0]["msg"].removeprefix("Value error, ")) from None

from typing import ClassVar

import pytest
from chassis_core import Session
from chassis_core.concerns.database import Database, metadata_naming, unique_violation
from chassis_core.problem import Conflict
from chassis_core.testing import running
from fastapi import APIRouter
from sqlalchemy import ForeignKey, MetaData, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=metadata_naming)


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    parent: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    version: Mapped[int] = mapped_column()
    __mapper_args__: ClassVar = {"version_id_col": version}


router = APIRouter()


@router.post("/accounts/{email}", status_code=201)
async def create(email: str, session: Session) -> None:
    session.add(Account(email=email))
    try:
        await session.flush()
    except IntegrityError as error:
        if unique_violation(error):
            raise Conflict("this address is taken") from error
        raise


@router.post("/orphans", status_code=201)
async def create_orphan(session: Session) -> None:
    session.add(Account(email="o", parent=99))


@router.put("/accounts/{email}")
async def change(email: str, session: Session) -> None:
    account = (await session.scalars(select(Account).where(Account.email == email))).one()
    await session.execute(Account.__table__.update().values(version=7))
    account.email = "changed"


@pytest.fixture
async def accounts(db: Database) -> Database:
    async with db.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    return db


async def test_a_duplicate_is_recognised_on_either_store(accounts: Database, app_on) -> None:
    async with running(app_on(accounts, router)) as client:
        assert (await client.post("/accounts/a")).status_code == 201
        assert (await client.post("/accounts/a")).status_code == 409


async def test_a_duplicate_is_named(accounts: Database) -> None:
    names = {"sqlite": "accounts.email", "postgresql": "uq_accounts_email"}
    async with accounts.session() as session:
        session.add_all([Account(email="a"), Account(email="a")])
        with pytest.raises(IntegrityError) as failure:
            await session.flush()
        await session.rollback()
    assert unique_violation(failure.value) == names[accounts.engine.dialect.name]


async def test_a_missing_reference_is_no_duplicate_and_not_2xx(accounts: Database, app_on) -> None:
    async with accounts.session() as session:
        session.add(Account(email="a", parent=99))
        with pytest.raises(IntegrityError) as failure:
            await session.flush()
        await session.rollback()
    assert unique_violation(failure.value) is None
    async with running(app_on(accounts, router)) as client:
        assert (await client.post("/orphans")).status_code == 500


@pytest.mark.parametrize("headers, status", [({}, 409), ({"If-Match": '"1"'}, 412)])
async def test_a_row_changed_meanwhile_is_a_conflict(
    accounts: Database, app_on, headers: dict[str, str], status: int
) -> None:
    async with running(app_on(accounts, router)) as client:
        await client.post("/accounts/a")
        assert (await client.put("/accounts/a", headers=headers)).status_code == status


async def test_a_fault_of_the_statement_is_500_and_shows_nothing(
    accounts: Database, app_on
) -> None:

    wrong = APIRouter()

    @wrong.get("/wrong")
    async def select_nothing(session: Session) -> None:
        await session.execute(text("SELECT secret FROM nowhere"))

    async with running(app_on(accounts, wrong)) as client:
        answer = await client.get("/wrong")
        assert answer.status_code == 500
        assert "nowhere" not in answer.text

"""Investord's main path, written the usual way with FastAPI and PostgreSQL: app.py PORT DATABASE_URL"""

import asyncio
import os
import secrets
import sys
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID, uuid4

import asyncpg
import orjson
import uvicorn
from fastapi import FastAPI, Form, Header, HTTPException, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

CLIENT_ID = UUID(os.environ.get("CLIENT_ID", "ebabcf4d-61c3-4942-875c-e265a7c2d062"))
CLIENT_SECRET = os.environ.get("CLIENT_SECRET", "a client's secret")

Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]
Name = Annotated[str, Field(min_length=2, max_length=100)]
City = Annotated[str, Field(min_length=1, max_length=85)]
SocialSecurity = "^([0-9]{2}(0[1-9]|[12][0-9]|3[01])(0[1-9]|1[0-2])[0-9]{2}[A-Z][0-9]{3})?$"


class Address(BaseModel, extra="forbid"):
    address_line1: str = Field(max_length=100)
    address_line2: str = Field(None, max_length=100)
    postcode: str = Field(pattern=r"^[a-zA-Z0-9\s\-]{1,10}$")
    city: City
    state: str = Field(None, max_length=50)
    country: Country


class Fatca(BaseModel, extra="forbid"):
    status: bool
    confirmed_at: AwareDatetime


class Consent(BaseModel, extra="forbid"):
    consent_document_id: UUID
    confirmed_at: AwareDatetime


class CreateUser(BaseModel, extra="forbid"):  # what is None here was not sent, and is not answered
    first_name: Name
    last_name: Name
    salutation: Literal["", "SALUTATION_MALE", "SALUTATION_FEMALE", "SALUTATION_FEMALE_MARRIED", "SALUTATION_DIVERSE"] = None
    title: Literal["", "DR", "PROF", "PROF_DR", "DIPL_ING", "MAGISTER"] = None
    gender: Literal["", "MALE", "FEMALE", "DIVERSE"] = None
    birth_date: date
    birth_city: City = None
    birth_country: Country = None
    birth_name: str = Field(None, max_length=100)
    nationalities: list[Country] = Field(min_length=1, max_length=1000)
    postal_address: Address | None = None
    address: Address
    email: str = Field(None, max_length=100, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    phone_number: str = Field(None, pattern="^([0-9]{8,15})?$")
    fatca: Fatca = None
    terms_and_conditions: Consent = None
    data_privacy_and_sharing_agreement: Consent = None
    social_security_number: str = Field(None, pattern=SocialSecurity)
    branch_id: UUID = None
    tags: list[Literal["CLIENT_EMPLOYEE"]] = Field(None, max_length=1)
    decease_date: date | Literal[""] = None


class Grant(BaseModel, extra="forbid"):
    client_id: UUID
    client_secret: str = Field(min_length=1, max_length=1000)
    grant_type: Literal["client_credentials"]
    scope: str = Field(min_length=1, max_length=1000)


@asynccontextmanager
async def lifespan(app):
    async def reset(connection):  # the default is one more round trip each time a connection is given back
        pass

    settings = {"min_size": 8, "max_size": 8, "reset": reset, "ssl": False}  # by default asyncpg takes TLS if it can
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], **settings) as app.state.db:
        yield


app = FastAPI(lifespan=lifespan, openapi_url=None)


def json(content):
    body = content if isinstance(content, bytes | str) else orjson.dumps(content, default=str, option=orjson.OPT_UTC_Z)
    return Response(body, media_type="application/json")


def user(id, created_at, updated_at, status, person):
    return {"id": id, "created_at": created_at, "updated_at": updated_at, **person, "status": status}


@app.get("/healthz")
async def healthz():
    return json({"status": "ok"})


@app.post("/auth/token")
async def token(grant: Annotated[Grant, Form()]):
    if grant.client_id != CLIENT_ID or not secrets.compare_digest(grant.client_secret.encode(), CLIENT_SECRET.encode()):
        raise HTTPException(401)
    access_token = secrets.token_urlsafe(32)
    insert = "INSERT INTO tokens (hash, client_id, scope, expires_at) VALUES ($1, $2, $3, now() + interval '1 day')"
    await app.state.db.execute(insert, sha256(access_token.encode()).digest(), grant.client_id, grant.scope)
    return json({"access_token": access_token, "expires_in": 86399, "token_type": "bearer", "scope": grant.scope})


# One statement is one transaction, and one round trip.
CREATE = """
    WITH fresh AS (
        INSERT INTO idempotency (key, digest, answer, created_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING key
    ), event AS (
        INSERT INTO events (id, user_id, type, created_at) SELECT $5, $6, 'USER.CREATED', $4 FROM fresh
    )
    INSERT INTO users (id, created_at, updated_at, status, person) SELECT $6, $4, $4, 'ACTIVE', $7 FROM fresh"""


@app.post("/users")
async def create(body: CreateUser, request: Request, idempotency_key: Annotated[UUID, Header()]):
    digest, id, now = sha256(await request.body()).digest(), uuid4(), datetime.now(UTC)
    person = body.model_dump(exclude_unset=True)
    person.setdefault("postal_address", person["address"])
    answer = json(user(id, now, now, "ACTIVE", person))
    text = orjson.dumps(person, option=orjson.OPT_UTC_Z).decode()
    values = (idempotency_key, digest, answer.body.decode(), now, uuid4(), id, text)
    if await app.state.db.execute(CREATE, *values) == "INSERT 0 1":
        return answer
    kept = await app.state.db.fetchrow("SELECT digest, answer FROM idempotency WHERE key = $1", idempotency_key)
    if kept["digest"] != digest:
        raise HTTPException(422)
    return json(kept["answer"])


def from_row(row):
    return user(row["id"], row["created_at"], row["updated_at"], row["status"], orjson.loads(row["person"]))


@app.get("/users/{id}")
async def read(id: UUID):
    select = "SELECT id, created_at, updated_at, status, person FROM users WHERE id = $1"
    if (row := await app.state.db.fetchrow(select, id)) is None:
        raise HTTPException(404)
    return json(from_row(row))


@app.get("/users")
async def page(offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=0, le=1000)] = 100):
    select = "SELECT id, created_at, updated_at, status, person FROM users ORDER BY created_at, id LIMIT $1 OFFSET $2"
    async with app.state.db.acquire() as connection:
        rows = await connection.fetch(select, limit, offset)
        total = await connection.fetchval("SELECT count(*) FROM users")
    meta = {"offset": offset, "limit": limit, "count": len(rows), "total_count": total, "sort": "created_at", "order": "ASC"}
    return json({"meta": meta, "data": [from_row(row) for row in rows]})


async def make_tables(url):
    connection = await asyncpg.connect(url, ssl=False)
    await connection.execute(Path(__file__).parent.with_name("schema.sql").read_text())
    await connection.close()


if __name__ == "__main__":
    port, os.environ["DATABASE_URL"] = int(sys.argv[1]), sys.argv[2]
    asyncio.run(make_tables(os.environ["DATABASE_URL"]))
    settings = {"loop": "uvloop", "http": "httptools", "access_log": False, "log_level": "warning", "proxy_headers": False}
    uvicorn.run("app:app", port=port, workers=os.cpu_count(), timeout_keep_alive=75, **settings)

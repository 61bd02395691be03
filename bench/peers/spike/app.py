import asyncio, hashlib, hmac, os, re, secrets, time, uuid, gc
from datetime import datetime, timedelta, timezone
from functools import partial
import msgspec, jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from litestar import Litestar, post, get, Request, Response
import stores
from domain import *
from batch import Batched

E = os.environ.get
STORE, SHAPE, FULL, HINT, ALG = (
    E("STORE", "redis"),
    E("SHAPE", "one"),
    E("FULL", "0") == "1",
    E("HINT", "0") == "1",
    E("ALG", "EdDSA"),
)
BATCH = E("BATCH", "1") == "1"
JOIN = E("JOIN", "0") == "1"
DSN = E("DSN")
RPORT = int(E("REDIS_PORT", "6391"))
KEY = b"k" * 32
SQ = E("SQLITE", "spike-run/spike.db")
PASS = re.compile(r"HSP-[0-9]{4}-[0-9]{4}", re.A)


class PassIn(msgspec.Struct):
    pass_code: str


class VerifyIn(msgspec.Struct):
    pass_code: str
    otp: str
    challenge_id: str | None = None


class ValidOut(msgspec.Struct):
    valid: bool
    phone_masked: str


class SentOut(msgspec.Struct):
    sent: bool
    phone_masked: str
    expires_in: int
    resend_in: int
    challenge_id: str


class UserOut(msgspec.Struct):
    id: str
    email: str
    first_name: str
    last_name: str
    phone_number: str


class PassOut(msgspec.Struct):
    pass_code: str
    status: str
    plan_name: str
    expires_at: str
    days_until_expiry: int
    is_expired: bool


class VerifyOut(msgspec.Struct):
    success: bool
    access_token: str
    refresh_token: str
    token_type: str
    expires_in: int
    user: UserOut
    pass_: PassOut = msgspec.field(name="pass")


class Err(msgspec.Struct):
    error: str
    attempts_remaining: int | None = None


H_ = {}


def bad(code, err, rem=None):
    return Response(Err(err, rem), status_code=code)


def mask(p):
    return "***-***-" + p[-4:]


def now_():
    return datetime.now(timezone.utc)


LOCK_RULES = (("lookup_rate_limited", LOOKUP),)
CHK_RULES = (("lookup_rate_limited", LOOKUP), ("rate_limited", CHECK))
ASK_RULES = (("rate_limited", CLIENT), ("phone_rate_limited", PHONE))


def noter(flow, phone, client):
    t = now_()
    fp = hmac.digest(KEY, phone.encode(), "sha256")[:16] if phone else b""
    rid = secrets.token_hex(8)
    return lambda outcome: (t, flow, "phone_verification", outcome, fp, client, rid)


def nonce_of(phone):
    return (
        hashlib.blake2s(phone.encode(), digest_size=16).digest()
    )  # scripted randomness: the generator must know the code; the product: secrets.token_bytes(16)


class PassLogin:
    def __init__(self, records, passes, sms, tokens, evidence):
        self.r, self.passes, self.sms, self.tokens, self.evidence = (
            records,
            passes,
            sms,
            tokens,
            evidence,
        )

    async def send(self, code, client):
        if FULL:
            o = await self.r.transition(
                (UsageKey("lookup", client),), partial(charge, LOCK_RULES, now_())
            )
            if type(o) is Refused:
                return o, None
        p = await self.passes(code)
        if p is None:
            return None, None
        phone = p[4]
        slot = Slot(str(p[0]), "phone_verification")
        now = now_()
        nonce = nonce_of(phone)
        fresh = Challenge(secrets.token_urlsafe(12), nonce, phone, now, now + LIFE)
        note = noter("send", phone, client)
        uk = (UsageKey("client", client), UsageKey("phone", phone))
        if SHAPE == "one":
            o = await self.r.transition((*uk, slot), partial(ask, ASK_RULES, now, fresh, note))
        elif SHAPE == "two":  # the house's sketch: usage first, then the challenge
            o = await self.r.transition(uk, partial(charge, ASK_RULES, now))
            if type(o) is Admitted:
                o = await self.r.transition((slot,), partial(ask, (), now, fresh, note))
        elif (
            SHAPE == "blind"
        ):  # cooldown as a third usage; the slot holds the challenge alone and is overwritten unread
            o = await self.r.transition(
                (*uk, UsageKey("cool", slot.subject)),
                partial(
                    charge, (*ASK_RULES, ("resend_too_soon", (Quota(1, COOL),))), now, note=note
                ),
            )
            if type(o) is Admitted:
                await self.r.blind(slot, SlotRecord(fresh, now))
                o = Issued(fresh)
        if JOIN:
            await self.evidence(("a", note(type(o).__name__)))  # the row before the message
        if type(o) is Issued:
            await self.sms(phone, code_of(KEY, nonce, slot, phone))
        return o, p

    async def check(self, code, client, guess):
        if FULL:
            o = await self.r.transition(
                (UsageKey("lookup", client), UsageKey("check", client)),
                partial(charge, CHK_RULES, now_()),
            )
            if type(o) is Refused:
                return o, None, None
        p = await self.passes(code)
        if p is None:
            return None, None, None
        phone = p[4]
        slot = Slot(str(p[0]), "phone_verification")
        now = now_()
        note = noter("verify", phone, client)
        o = await self.r.transition(
            (slot,), partial(check, now, partial(matches, KEY, slot, phone, guess), note)
        )
        if type(o) is not Verified:
            if JOIN:
                await self.evidence(("a", note(type(o).__name__)))
            return o, p, None
        acc, ref, row = self.tokens(p)
        if JOIN:
            await self.evidence(("ar", (note("verified"), row)))
        else:
            await self.evidence(("r", row))
        return o, p, (acc, ref)


async def sms_stub(phone, code):
    return "SM1"


def make_tokens():
    key = (
        ed25519.Ed25519PrivateKey.generate()
        if ALG == "EdDSA"
        else ec.generate_private_key(ec.SECP256R1())
    )

    def f(p):
        t = int(time.time())
        sid = secrets.token_hex(16)
        raw = secrets.token_urlsafe(32)
        acc = jwt.encode(
            {
                "iss": "otp",
                "aud": "hsp",
                "sub": str(p[0]),
                "iat": t,
                "nbf": t,
                "exp": t + 900,
                "jti": secrets.token_hex(16),
                "sid": sid,
                "token_type": "access",
                "amr": ["otp", "sms"],
                "purpose": "phone_verification",
            },
            key,
            algorithm=ALG,
            headers={"kid": "k1"},
        )
        return (
            acc,
            raw,
            (hmac.digest(KEY, raw.encode(), "sha256"), sid, p[0], now_() + timedelta(days=30)),
        )

    return f


async def open_house():
    if STORE == "sqlite":
        import aiosqlite

        async def conn():
            db = await aiosqlite.connect(SQ, isolation_level=None)
            for p in (
                "journal_mode=wal",
                "synchronous=" + E("SYNC", "normal"),
                "busy_timeout=" + E("BUSY", "5000"),
                "cache_size=-32000",
                "mmap_size=268435456",
                "temp_store=memory",
            ):
                await db.execute("pragma " + p)
            return db

        w, r = await conn(), await conn()
        exp = datetime(2027, 1, 1, tzinfo=timezone.utc)
        q = "select u.id,u.email,u.first_name,u.last_name,u.phone_number,p.pass_code,p.pass_status,p.expires_at,l.name,u.is_verified from pass_purchases p join users u on u.id=p.user_id join plans l on l.id=p.plan_id where p.pass_code=? and p.payment_status='paid'"

        def rd(codes):
            return [
                (*x[:7], exp, *x[8:]) if (x := r._conn.execute(q, (c,)).fetchone()) else None
                for c in codes
            ]

        passes = Batched(lambda b: r._execute(rd, b))

        def wr(items):
            c = w._conn
            c.execute("begin immediate")
            for _, row in items:
                c.execute(
                    "insert into refresh values(?,?,?,?)",
                    (row[0], row[1], row[2], row[3].timestamp()),
                )
                c.execute(
                    "update users set is_verified=1 where id=? and not is_verified", (row[2],)
                )
            c.execute("commit")
            return [None] * len(items)

        ev = Batched(lambda b: w._execute(wr, b))
        return PassLogin(stores.SqliteRecords(w, BATCH), passes, sms_stub, make_tokens(), ev)
    from sqlalchemy import text, bindparam, String, Uuid
    from sqlalchemy.dialects.postgresql import ARRAY
    from sqlalchemy.ext.asyncio import create_async_engine

    auto = create_async_engine(
        DSN, pool_size=8, max_overflow=0, isolation_level="AUTOCOMMIT", pool_reset_on_return=None
    )
    st = text(
        "select p.pass_code k,u.id,u.email,u.first_name,u.last_name,u.phone_number,p.pass_code,p.pass_status,p.expires_at,l.name,u.is_verified from pass_purchases p join users u on u.id=p.user_id join plans l on l.id=p.plan_id where p.pass_code=any(:cs) and p.payment_status='paid'"
    ).bindparams(bindparam("cs", type_=ARRAY(String)))

    async def rd(codes):
        async with auto.connect() as c:
            rows = {x[0]: tuple(x)[1:] for x in await c.execute(st, {"cs": codes})}
        return [rows.get(c) for c in codes]

    passes = Batched(rd, workers=2)
    aud = text(stores.AUD)
    one = text(
        "with a as ("
        + stores.AUD
        + "), r as (insert into spike_refresh select * from unnest(cast(:r1 as bytea[]),cast(:r2 as text[]),cast(:r3 as uuid[]),cast(:r4 as timestamptz[]))) update users set is_verified=true where id=any(cast(:u as uuid[])) and not is_verified"
    )

    async def wr(items):
        a = [r for k, r in items if k == "a"] + [r[0] for k, r in items if k == "ar"]
        r = [r for k, r in items if k == "r"] + [r[1] for k, r in items if k == "ar"]
        async with auto.connect() as c:
            if not r:
                await c.execute(aud, stores.aud_params(a))
            else:
                await c.execute(
                    one,
                    {
                        **stores.aud_params(a),
                        **dict(zip(("r1", "r2", "r3", "r4"), map(list, zip(*r)))),
                        "u": sorted(x[2] for x in r),
                    },
                )
        return [None] * len(items)

    ev = Batched(wr)
    if STORE == "redis":
        import redis.asyncio as ra

        cl = ra.Redis(
            connection_pool=ra.BlockingConnectionPool(
                host="127.0.0.1", port=RPORT, db=3, max_connections=16, timeout=5
            )
        )
        rec = await stores.RedisRecords(
            cl, None if JOIN else ev, HINT, E("COAL", "1") == "1"
        ).start()
    else:
        tx = create_async_engine(DSN, pool_size=8, max_overflow=0)
        rec = stores.PgRecords(tx, BATCH, int(E("W", "1")))
    return PassLogin(rec, passes, sms_stub, make_tokens(), ev)


def client(request):
    return request.headers.get("x-forwarded-for") or request.client.host


@post("/customer/send-otp/", status_code=200)
async def send(data: PassIn, request: Request) -> SentOut:
    code = data.pass_code.strip().upper()
    if not PASS.fullmatch(code):
        return bad(400, "invalid_pass")
    o, p = await H_["l"].send(code, client(request))
    match o:
        case Issued(c):
            return SentOut(True, mask(c.phone), 600, 30, c.id)
        case Refused(why, _):
            return bad(429, why)
        case _:
            return bad(400, "invalid_pass")


@post("/customer/verify-otp/", status_code=200)
async def verify(data: VerifyIn, request: Request) -> VerifyOut:
    code = data.pass_code.strip().upper()
    g = data.otp.strip()
    if not PASS.fullmatch(code):
        return bad(400, "invalid_pass")
    if len(g) != 6 or not g.isascii() or not g.isdigit():
        return bad(400, "malformed_otp")
    o, r, t = await H_["l"].check(code, client(request), g.encode())
    match o:
        case Verified(c):
            exp = r[7]
            return VerifyOut(
                True,
                t[0],
                t[1],
                "Bearer",
                900,
                UserOut(str(r[0]), r[1], r[2], r[3], r[4]),
                PassOut(r[5], r[6], r[8], exp.isoformat(), (exp - now_()).days, False),
            )
        case Wrong(n):
            return bad(400, "invalid_otp", n)
        case NotLive():
            return bad(400, "otp_expired")
        case Exhausted():
            return bad(400, "too_many_attempts")
        case Refused(why, _):
            return bad(429, why)
        case _:
            return bad(400, "invalid_pass")


@get("/stats")
async def stats() -> dict[str, int]:
    return stores.STATS | {"pid": os.getpid()}


@get("/reset")
async def reset() -> dict[str, int]:
    if hasattr(H_["l"].r, "seen"):
        H_["l"].r.seen.clear()
    return {"ok": 1}


async def startup(app):
    H_["l"] = await open_house()
    gc.collect()
    gc.freeze()
    gc.set_threshold(20000, 20, 50)


app = Litestar(
    [send, verify, stats, reset],
    on_startup=[startup],
    openapi_config=None,
    debug=False,
    logging_config=None,
)

import asyncio, os, sqlite3, time, random
from collections import OrderedDict
from codec import name, dump, load, ttl_ms
from batch import Batched

CAS = """
local n=#KEYS
local cur=redis.call('MGET',unpack(KEYS))
local same=true
for i=1,n do cur[i]=cur[i] or ''; if cur[i]~=ARGV[i] then same=false end end
if not same then return cur end
for i=1,n do local v=ARGV[n+i]; if v~='=' then redis.call('SET',KEYS[i],v,'PX',ARGV[2*n+i]) end end
return 1
"""
STATS = {"transitions": 0, "retries": 0, "worst": 0}


def tally(tries):
    STATS["transitions"] += 1
    STATS["retries"] += tries
    STATS["worst"] = max(STATS["worst"], tries)


class RedisRecords:
    """Compare-and-set over several keys in one script; reads and scripts of one loop turn share a pipeline. hint: start from what this process last saw (or nothing), unread."""

    def __init__(
        self, client, journal=None, hint=0, coalesce=True, rw=int(os.environ.get("RW", "8"))
    ):
        self.cl, self.journal, self.hint = client, journal, hint
        self.seen = OrderedDict()
        self.ex = Batched(self._flush, workers=rw, most=128) if coalesce else None

    async def start(self):
        self.sha = await self.cl.script_load(CAS)
        return self

    async def _flush(self, cmds):
        async with self.cl.pipeline(transaction=False) as p:
            for c in cmds:
                p.execute_command(*c)
            return await p.execute(raise_on_error=False)

    def _x(self, *c):
        return self.ex(c) if self.ex else self.cl.execute_command(*c)

    async def transition(self, keys, decide):
        names = [name(k) for k in keys]
        n = len(names)
        tries = 0
        fresh = False
        if self.hint:
            cur = [self.seen.get(x, b"") for x in names]
        else:
            cur = await self._x("MGET", *names) if n > 1 else [await self._x("GET", names[0])]
            fresh = True
        while True:
            cur = [c or b"" for c in cur]
            held = tuple([load(k, c) for k, c in zip(keys, cur)])
            d = decide(held)
            new = [b"=" if a is b else dump(k, b) for k, a, b in zip(keys, held, d.becomes)]
            if fresh and all([x == b"=" for x in new]):
                break
            r = await self._x(
                "EVALSHA", self.sha, n, *names, *cur, *new, *[ttl_ms(k) for k in keys]
            )
            if r == 1:
                break
            cur = r
            fresh = True
            tries += 1
        if self.hint:
            for x, a, b in zip(names, cur, new):
                self.seen[x] = a if b == b"=" else b
            while len(self.seen) > 200000:
                self.seen.popitem(False)
        tally(tries)
        if d.note is not None and self.journal:
            await self.journal(("a", d.note))
        return d.outcome

    async def blind(self, key, rec):
        await self._x("SET", name(key), dump(key, rec), "PX", ttl_ms(key))


AUD = "insert into spike_audit(at,flow,purpose,outcome,fingerprint,client,request) select * from unnest(cast(:a1 as timestamptz[]),cast(:a2 as text[]),cast(:a3 as text[]),cast(:a4 as text[]),cast(:a5 as bytea[]),cast(:a6 as text[]),cast(:a7 as text[]))"


def aud_params(notes):
    return (
        dict(zip(("a1", "a2", "a3", "a4", "a5", "a6", "a7"), map(list, zip(*notes))))
        if notes
        else {f"a{i}": [] for i in range(1, 8)}
    )


class PgRecords:
    """FOR UPDATE in key order on what is there, version checked for what is not; notes in the same transaction. batch: all waiting transitions share one transaction."""

    def __init__(self, eng, batch=True, workers=1, lock=True):
        from sqlalchemy import text, bindparam, String, LargeBinary, BigInteger
        from sqlalchemy.dialects.postgresql import ARRAY

        self.eng = eng
        self.batch = Batched(self._work, workers=workers) if batch else None
        self.sel = text(
            "select key,body,version from records where key=any(:k) order by key"
            + (" for update" if lock else "")
        ).bindparams(bindparam("k", type_=ARRAY(String)))
        self.up = text(
            "insert into records as r(key,body,version) select * from unnest(:k,:b,:v) on conflict(key) do update set body=excluded.body,version=excluded.version where r.version=excluded.version-1"
        ).bindparams(
            bindparam("k", type_=ARRAY(String)),
            bindparam("b", type_=ARRAY(LargeBinary)),
            bindparam("v", type_=ARRAY(BigInteger)),
        )
        self.aud = text(AUD)

    async def transition(self, keys, decide):
        if self.batch:
            return await self.batch((keys, decide))
        return (await self._work([(keys, decide)]))[0]

    async def _work(self, items):
        names = sorted({name(k) for ks, _ in items for k in ks})
        tries = 0
        while True:
            out, notes, state, ver, dirty = [], [], {}, {}, {}
            async with self.eng.connect() as c:
                async with c.begin() as tx:
                    raw = {r[0]: (r[1], r[2]) for r in await c.execute(self.sel, {"k": names})}
                    for ks, decide in items:
                        held = tuple(
                            [
                                state[n]
                                if (n := name(k)) in state
                                else load(k, raw[n][0])
                                if n in raw
                                else None
                                for k in ks
                            ]
                        )
                        d = decide(held)
                        for k, a, b in zip(ks, held, d.becomes):
                            if a is not b:
                                n = name(k)
                                state[n] = b
                                dirty[n] = k
                        out.append(d.outcome)
                        if d.note is not None:
                            notes.append(d.note)
                    if dirty:
                        w = sorted(dirty)
                        r = await c.execute(
                            self.up,
                            {
                                "k": w,
                                "b": [dump(dirty[n], state[n]) for n in w],
                                "v": [raw[n][1] + 1 if n in raw else 1 for n in w],
                            },
                        )
                        if r.rowcount != len(w):
                            await tx.rollback()
                            tries += 1
                            continue
                    if notes:
                        await c.execute(self.aud, aud_params(notes))
            tally(tries)
            return out


class SqliteRecords:
    """One BEGIN IMMEDIATE per round, one thread hop; decide runs in that thread."""

    def __init__(self, db, batch=True):
        self.db = db
        self.batch = Batched(self._work) if batch else None

    async def transition(self, keys, decide):
        if self.batch:
            return await self.batch((keys, decide))
        return (await self._work([(keys, decide)]))[0]

    async def _work(self, items):
        return await self.db._execute(self._sync, items)

    def _sync(self, items):
        c = self.db._conn
        t = 0
        while True:
            try:
                c.execute("begin immediate")
                break
            except sqlite3.OperationalError:
                STATS["busy"] = STATS.get("busy", 0) + 1
                t += 1
                time.sleep(0.001)
        try:
            out = []
            for keys, decide in items:
                names = [name(k) for k in keys]
                held = tuple(
                    [
                        load(k, r[0])
                        if (r := c.execute("select body from records where key=?", (n,)).fetchone())
                        else None
                        for k, n in zip(keys, names)
                    ]
                )
                d = decide(held)
                for k, n, a, b in zip(keys, names, held, d.becomes):
                    if a is not b:
                        c.execute(
                            "insert into records(key,body) values(?,?) on conflict(key) do update set body=excluded.body",
                            (n, dump(k, b)),
                        )
                if d.note is not None:
                    c.execute(
                        "insert into audit(at,flow,purpose,outcome,fp,client,request) values(?,?,?,?,?,?,?)",
                        (d.note[0].timestamp(), *d.note[1:]),
                    )
                out.append(d.outcome)
            c.execute("commit")
        except BaseException:
            c.execute("rollback")
            raise
        tally(t)
        return out

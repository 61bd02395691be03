"""Records as bytes. Instants are microseconds since 1970 in an int."""

from array import array
from datetime import datetime, timedelta, timezone
import msgspec
from domain import *

E0 = datetime(1970, 1, 1, tzinfo=timezone.utc)
US = timedelta(microseconds=1)


def us(t):
    d = t - E0
    return (d.days * 86400 + d.seconds) * 1000000 + d.microseconds


def at(n):
    return E0 + timedelta(microseconds=n)


enc = msgspec.msgpack.Encoder().encode
dec = msgspec.msgpack.Decoder().decode


def name(k):
    return f"s:{k.purpose}:{k.subject}" if type(k) is Slot else f"u:{k.scope}:{k.who}"


def dump(k, r):
    if type(k) is Slot:
        c = r.challenge
        return enc(
            (
                1,
                c and (c.id, c.nonce, c.phone, us(c.issued_at), us(c.expires_at), c.wrong, c.ended),
                r.asked_at and us(r.asked_at),
                [us(x) for x in r.failures],
                r.run,
            )
        )
    return array("q", [us(x) for x in r]).tobytes()


def load(k, b):
    if not b:
        return None
    if type(k) is Slot:
        _, c, a, f, run = dec(b)
        return SlotRecord(
            c and Challenge(c[0], c[1], c[2], at(c[3]), at(c[4]), c[5], c[6]),
            a and at(a),
            tuple([at(x) for x in f]),
            run,
        )
    return tuple([at(x) for x in array("q", b)])


def ttl_ms(k):
    return 2592000000 if type(k) is Slot else 86400000 if k.scope == "phone" else 3600000

"""
Puts every changed pass into hsp-otp: after the commit, in a thread, until hsp-otp has taken it.

A pass whose `version_put` is not its `version` is waiting. Because that is in the database, nothing
is lost if the process ends: the thread of any process, or `manage.py put_passes`, puts it later.
Putting the same pass twice does no harm.
"""

import logging
import threading
from datetime import UTC
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from django.db import connections, transaction
from django.db.models import F
from django.db.models.signals import post_save
from django.dispatch import receiver

from accounts.models import PassPurchase, User
from accounts.otp_service import UnavailableError, call

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0

logger = logging.getLogger(__name__)
_changed = threading.Event()


@receiver(post_save, sender=User)
@receiver(post_save, sender=PassPurchase)
def note_change(
    instance: User | PassPurchase, update_fields: frozenset[str] | None = None, **_: object
) -> None:
    """Mark what has changed in the same transaction, and wake the thread once it is committed."""
    if update_fields == frozenset({"last_login"}):
        return
    own = {"user": instance} if isinstance(instance, User) else {"pk": instance.pk}
    PassPurchase.objects.filter(**own).update(version=uuid4())
    transaction.on_commit(_wake)


def put_waiting() -> bool:
    """Put all passes that are waiting, and return whether hsp-otp answered to each."""
    waiting = PassPurchase.objects.exclude(version_put=F("version"))
    try:
        for key in list(waiting.values_list("pk", flat=True)):
            _put(key)
    except UnavailableError as error:
        logger.warning("hsp-otp takes no passes: %s", error)
        return False
    return True


def _put(key: UUID) -> None:
    settled = False
    while not settled:
        purchase = PassPurchase.objects.select_related("user", "plan").get(pk=key)
        path = f"/v1/passes/{quote(purchase.pass_code, safe='')}"
        status, answer = call("PUT", path, _body(purchase))
        refused = status in {HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT}
        if not refused and status != HTTPStatus.OK:
            raise UnavailableError(f"status {status}")
        refusal = str(answer.get("error")) if refused else ""
        if refused:  # trying again would not help: somebody has to correct the pass or its user
            logger.error("hsp-otp refused the purchase %s: %s", key, refusal)
        # If it has changed meanwhile, an older content may have arrived last: put it again.
        settled = bool(
            PassPurchase.objects.filter(pk=key, version=purchase.version).update(
                version_put=purchase.version, refusal=refusal
            )
        )


def _body(purchase: PassPurchase) -> dict[str, Any]:
    user, ends = purchase.user, purchase.expires_at
    return {
        "payment_status": purchase.payment_status,
        "plan_name": purchase.plan.name,
        "expires_at": ends and ends.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "user": {
            "id": str(user.pk),
            "email": user.email,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "phone_number": user.phone_number,
        },
    }


def _wake() -> None:
    _start()
    _changed.set()


@cache
def _start() -> None:
    # At the first change and not at import: a thread does not survive the fork of a WSGI server.
    threading.Thread(target=_work, name="put-passes", daemon=True).start()


def _work() -> None:
    taken, pause = True, FIRST_PAUSE_SECONDS
    while True:
        _changed.wait(LONGEST_PAUSE_SECONDS if taken else pause)
        _changed.clear()
        taken = False
        try:
            taken = put_waiting()
        except Exception:
            logger.exception("the passes could not be put")
        finally:
            connections.close_all()
        pause = FIRST_PAUSE_SECONDS if taken else min(2 * pause, LONGEST_PAUSE_SECONDS)

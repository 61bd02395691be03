"""Puts passes that are waiting: after an import, or if no server is running."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import PassPurchase
from accounts.passes import put_waiting


class Command(BaseCommand):
    """Puts the waiting passes once."""

    help = "Put passes that hsp-otp does not have yet."

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --all, for an hsp-otp whose database is new or was restored."""
        parser.add_argument("--all", action="store_true", help="put the others again, too")

    def handle(self, *, all: bool, **_: object) -> None:  # noqa: A002 - the option's name
        """Put them, and fail if hsp-otp did not answer."""
        if all:
            PassPurchase.objects.update(version_put=None)
        if not put_waiting():
            raise CommandError("hsp-otp did not answer: run the command again")
        refused = PassPurchase.objects.exclude(refusal="").count()
        self.stdout.write(f"hsp-otp has all passes; it refused {refused}")

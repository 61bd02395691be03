"""The app of customers and their passes."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Connects the signals once the models are loaded."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Connect the receivers in `passes`."""
        from accounts import passes  # noqa: F401, PLC0415 - they need the models

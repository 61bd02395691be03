"""Customers, plans and passes, as the old backend has them; three columns at the end are new."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A customer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    phone_number = models.CharField(max_length=20, blank=True)

    class Meta:
        db_table = "users"


class Plan(models.Model):
    """What a pass entitles to."""

    name = models.CharField(max_length=100)

    class Meta:
        db_table = "plans"

    def __str__(self) -> str:
        return self.name


class PassPurchase(models.Model):
    """A pass, from the purchase on."""

    class Payment(models.TextChoices):
        """Only a paid pass signs in."""

        PENDING = "pending"
        PAID = "paid"
        REFUNDED = "refunded"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="passes")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT)
    pass_code = models.CharField(max_length=13, unique=True)
    payment_status = models.CharField(max_length=20, choices=Payment, default=Payment.PENDING)
    expires_at = models.DateTimeField(null=True, blank=True)
    # New: the latest change, and the one that hsp-otp has; as long as they differ, the pass waits.
    version = models.UUIDField(default=uuid.uuid4, editable=False)
    version_put = models.UUIDField(null=True, editable=False)
    # New: the error word if hsp-otp refused the pass, for the people who correct it.
    refusal = models.CharField(max_length=40, blank=True, editable=False)

    class Meta:
        db_table = "pass_purchases"

    def __str__(self) -> str:
        return str(self.id)

"""What a signup has collected, and the proofs that have been used."""

from django.db import models


class UsedProof(models.Model):
    """A proof that has opened step 2 once."""

    jti = models.CharField(primary_key=True, max_length=64)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.jti


class Applicant(models.Model):
    """Somebody who has reached step 3."""

    phone_number = models.CharField(max_length=20, unique=True)
    full_name = models.CharField(max_length=200)
    date_of_birth = models.DateField()

    def __str__(self) -> str:
        return str(self.pk)

"""Settings of the project. The section at the end is about hsp-otp."""

import os
from pathlib import Path

DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = os.environ.get("DJANGO_HOSTS", "localhost").split(",")

INSTALLED_APPS = ["django.contrib.sessions", "signup"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DJANGO_DATABASE", Path(__file__).with_name("neobank.db")),
        # Otherwise SQLite does not wait for a writer if a transaction begins by reading.
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        "ATOMIC_REQUESTS": True,  # a proof is used up only if its number is kept
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "urls"
WSGI_APPLICATION = "wsgi.application"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG

# hsp-otp: its address, and as in its settings HSP_OTP_JWT_ISSUER, HSP_OTP_PROOF_AUDIENCE and
# HSP_OTP_JWT_ALGORITHM.
HSP_OTP_URL = os.environ["HSP_OTP_URL"].rstrip("/")
HSP_OTP_ISSUER = "hsp-otp"
HSP_OTP_PROOF_AUDIENCE = "hsp-otp-signup"
HSP_OTP_ALGORITHM = "ES256"

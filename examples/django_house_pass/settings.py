"""Settings of the project. The section at the end is about hsp-otp."""

import os
from pathlib import Path

DEBUG = os.environ.get("DJANGO_DEBUG") == "1"
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = os.environ.get("DJANGO_HOSTS", "localhost").split(",")
PAYMENT_SECRET = os.environ["PAYMENT_SECRET"].strip()

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "accounts",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.contrib.auth.context_processors.auth"]},
    }
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DJANGO_DATABASE", Path(__file__).with_name("house_pass.db")),
        # Otherwise SQLite does not wait for a writer if a transaction begins by reading.
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
        "ATOMIC_REQUESTS": True,  # a change and the note that it has to be put are one commit
    }
}
ROOT_URLCONF = "urls"
WSGI_APPLICATION = "wsgi.application"
AUTH_USER_MODEL = "accounts.User"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
SESSION_COOKIE_SECURE = not DEBUG
CSRF_COOKIE_SECURE = not DEBUG

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.HspOtpAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

# hsp-otp: its address, and the API key with the scopes `passes` and `exchange`.
HSP_OTP_URL = os.environ["HSP_OTP_URL"].rstrip("/")
HSP_OTP_API_KEY = os.environ["HSP_OTP_API_KEY"].strip()
# As in hsp-otp: HSP_OTP_JWT_ISSUER, HSP_OTP_JWT_AUDIENCE and HSP_OTP_JWT_ALGORITHM.
HSP_OTP_ISSUER = "hsp-otp"
HSP_OTP_AUDIENCE = "hsp-otp"
HSP_OTP_ALGORITHM = "ES256"
# How long to go on using the key set before fetching it again.
HSP_OTP_KEY_SET_SECONDS = float(os.environ.get("HSP_OTP_KEY_SET_SECONDS", "300"))

"""Django's settings, all derived from the typed configuration (gateway/config). Nothing is decided twice."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

from django.templatetags.static import static

from gateway.config import load
from gateway.config.secrets import load_secrets
from gateway.stores.caches import channel_layers, django_caches
from gateway.stores.databases import django_databases

BASE_DIR = Path(__file__).resolve().parent.parent

GATEWAY = load()
SECRETS = load_secrets(GATEWAY)
DATA_DIR = GATEWAY.data_dir

_public = urlsplit(GATEWAY.server.public_url)

SECRET_KEY = SECRETS.django_secret
DEBUG = GATEWAY.server.debug  # refused with server.production
ALLOWED_HOSTS = ["*"]  # Host is never used for decisions; a proxy in front narrows it
ROOT_URLCONF = "gateway.urls"
ASGI_APPLICATION = "gateway.asgi.application"
AUTH_USER_MODEL = "tenants.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    # Replaces runserver by an ASGI one; comes before staticfiles. Elsewhere Twisted would cost 0.4 s and 20 MB.
    *(["daphne"] if "runserver" in sys.argv else []),
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "ninja",
    "django_prometheus",
    "gateway",
    "tenants",
    "catalog",
    "budgets",
    "metering",
]

MIDDLEWARE = [  # of the ordinary site; /v1 has its own handler (gateway/api/handler.py)
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "gateway.site.security_headers.SecurityHeadersMiddleware",
    "gateway.site.static_files.StaticFiles",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "gateway.site.session_expiry.SessionAge",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = django_databases(GATEWAY.database, DATA_DIR)
CACHES = django_caches(GATEWAY.redis)

PASSWORD_HASHERS = ["tenants.sign_in.password_hasher.PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = ["gateway.formats"]
STATIC_URL = "/static/"
SERVESTATIC_USE_FINDERS = True  # served straight from the packages: nothing to collect before the first start
SERVESTATIC_AUTOREFRESH = False

MESSAGE_STORAGE = "tenants.back_office.notices.SealedStorage"  # messages contain tokens of keys
SESSION_COOKIE_AGE = int(GATEWAY.admin.session.max_age)
SESSION_ENGINE = "gateway.site.session_store"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = GATEWAY.server.production or _public.scheme == "https"
# Browsers accept such a name only over TLS and from this very host, not from a sibling or parent domain.
_prefix = "__Host-" if SESSION_COOKIE_SECURE else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{_prefix}sessionid", f"{_prefix}csrftoken"
# If a proxy terminates TLS, forms come from an https address that Django does not see by itself.
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if _public.netloc else []
LOGIN_REDIRECT_URL = "admin:index"  # if the sign-in page itself was opened
CSRF_FAILURE_VIEW = "gateway.site.csrf_failure.form_refused"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

CHANNEL_LAYERS = channel_layers(GATEWAY.redis)
LOGGING_CONFIG = None  # gateway/observability/log_format.py configures logging once, from the configuration

UNFOLD = {
    "SITE_TITLE": "Open Model Gateway",
    "SITE_HEADER": "Open Model Gateway",
    "SITE_URL": "/",
    "STYLES": [lambda _: static("gateway/pages.css")],
    "SCRIPTS": [lambda _: static("gateway/expressions.js")],  # before Alpine, so that Alpine needs no eval
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda _: static("gateway/favicon.svg")},
    ],
}

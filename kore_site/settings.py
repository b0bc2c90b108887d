"""Every switch of Kore, read from the environment once and typed.

An empty environment gives the embedded product: SQLite and a secret key kept in `var/`.
`docs/operations.md` lists the variables for running it for real.
"""

from pathlib import Path

import environ
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from kore_site.navigation import UNFOLD  # noqa: F401  (read by unfold)
from kore_site.secret_key import read_secret_key

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)

# Embedded: no DATABASE_URL. Everything lives in VAR_DIR and nothing else is needed.
DATABASE_URL = env.str("DATABASE_URL", default="")
EMBEDDED = not DATABASE_URL
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = read_secret_key(given=env.str("SECRET_KEY", default=""), embedded=EMBEDDED, folder=VAR_DIR)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
BEHIND_HTTPS = env.bool("BEHIND_HTTPS", default=False)

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.guardian",
    "unfold.contrib.import_export",
    "kore_site.apps.KoreAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "guardian",
    "import_export",
    "django_q",
    "health_check",
    "kore_site.apps.KoreSiteConfig",
    "sync",
    "gdpr",
    "ticketing",
    "contacts",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Pages of 50 dense rows shrink twentyfold; Django masks the CSRF token against BREACH.
    "django.middleware.gzip.GZipMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "kore_site.refusals.RefusedWrites",
    "kore_site.view_as.ViewAs",
    "kore_site.middleware.OrganisationTimeZone",
    "kore_site.recent_contacts.RecentContacts",
    "kore_site.embedding.Framing",
]

ROOT_URLCONF = "kore_site.urls"
WSGI_APPLICATION = "kore_site.wsgi.application"
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
    }
]

DATABASES = {"default": env.db_url_config(DATABASE_URL or f"sqlite:///{VAR_DIR / 'kore.sqlite3'}")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE: a transaction that reads and then writes never meets a lock that it cannot wait for.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-65536;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

AUTHENTICATION_BACKENDS = [
    "kore_site.sign_in.OneQueryBackend",
    "guardian.backends.ObjectPermissionBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
ANONYMOUS_USER_NAME = None
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_HTTPS
# CRMs whose pages may show the TDM in a frame, such as https://example.lightning.force.com. A cookie goes
# into another site's frame only when it says so, and over HTTPS alone.
CRM_FRAME_ORIGINS = env.list("CRM_FRAME_ORIGINS", default=[])
if CRM_FRAME_ORIGINS:
    SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "None"
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
SECURE_SSL_REDIRECT = False
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Every directive is spelt out: django-csp would otherwise add its own default. Unfold's Alpine needs
# unsafe-eval and inline styles; nothing wider.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.str("TIME_ZONE", default="Europe/London")
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = ["kore_site.formats"]

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "kore_site" / "static"]
STATIC_ROOT = VAR_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns of a missing folder, though it serves what finders find
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = VAR_DIR / "files"

# The cluster. A task that outlives `timeout` is killed; one that is not confirmed after `retry` starts
# again, so: longest task < timeout < retry. A dead night is picked up sooner, by its own schedule.
Q_CLUSTER = {
    "name": "kore",
    "orm": "default",
    "workers": env.int("CLUSTER_WORKERS", default=2),
    "timeout": 4 * 3600,
    "retry": 5 * 3600,
    "max_attempts": 3,
    "ack_failures": True,
    "catch_up": False,
    "poll": 1,
    "save_limit": 500,
    "label": "Background tasks",
}

# Connections to ticketing systems. Loopback and private addresses, and sources in files of this machine,
# only where this is said; credentials are encrypted with a key file of their own, made on first use.
ALLOW_LOOPBACK_SOURCES = env.bool("ALLOW_LOOPBACK_SOURCES", default=False)
ALLOWED_SOURCE_HOSTS = env.list("ALLOWED_SOURCE_HOSTS", default=[])
SOURCE_FILE_ROOTS = [
    Path(path)
    for path in env.list(
        "SOURCE_FILE_ROOTS", default=["/"] if ALLOW_LOOPBACK_SOURCES else [str(VAR_DIR / "sources")]
    )
]
CREDENTIAL_KEY_FILE = env.str("CREDENTIAL_KEY_FILE", default=str(VAR_DIR / "credential_keys"))

# Uploads and the grouping engine.
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_MB", default=512) * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
GROUPING_MEMORY = env.str("GROUPING_MEMORY", default="2GB")
GROUPING_THREADS = env.int("GROUPING_THREADS", default=2)

IMPORT_EXPORT_SKIP_ADMIN_LOG = True
IMPORT_EXPORT_USE_TRANSACTIONS = True

EMAIL_CONFIG = env.email("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="kore@localhost")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {"splink": {"level": "WARNING"}},  # tells of every query it plans
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
}

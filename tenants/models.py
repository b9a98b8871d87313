"""People, tenants, keys, the audit trail and the version of everything that servers keep in memory.

The database refuses invalid rows; nothing here is imported by the hot path.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models as db
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.timezone import now
from typing_extensions import override

from tenants.differences import DONE


class UserManager(BaseUserManager["User"]):
    """Creates people; e-mail addresses are compared in lower case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Return a new person; without a password a local sign-in as them is impossible."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, **{"is_staff": True, "is_superuser": True} | fields)

    @override
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Signs in by e-mail; a superuser is what the API calls a super admin."""

    email = db.EmailField("e-mail address", unique=True)
    name = db.CharField(max_length=200, blank=True)
    is_active = db.BooleanField(default=True)
    is_staff = db.BooleanField(default=False, help_text="May sign in to this site.")
    created_at = db.DateTimeField(default=now, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        constraints = (
            db.UniqueConstraint(
                Lower("email"),
                name="user_email_any_case",
                violation_error_message="There is a person with this e-mail address already.",
            ),
        )

    @override
    def __str__(self) -> str:
        return self.email

    @override
    def clean(self) -> None:
        super().clean()
        self.email = self.email.strip().lower()

    def get_full_name(self) -> str:
        """Return the name that pages show for this person beside the address; "" when none was stated."""
        return self.name

    @property
    def is_super_admin(self) -> bool:
        return self.is_superuser


class TenantKind(db.TextChoices):
    ORGANIZATION = "organization"
    PERSONAL = "personal"


class TenantStatus(db.TextChoices):
    ACTIVE = "active"
    SUSPENDED = "suspended"


class Tenant(db.Model):
    """The paying party. An empty time zone is the reporting zone; `models` null permits every enabled model."""

    name = db.CharField(max_length=200, unique=True)
    kind = db.CharField(max_length=16, choices=TenantKind, default=TenantKind.ORGANIZATION)
    status = db.CharField(max_length=16, choices=TenantStatus, default=TenantStatus.ACTIVE)
    timezone = db.CharField(
        "time zone", max_length=64, blank=True, help_text="IANA name; empty: the reporting zone."
    )
    models = db.JSONField(null=True, blank=True, help_text="Aliases this tenant may use; empty: all of them.")
    stores_answers = db.BooleanField(default=False, help_text="Keep finished streams for idempotent replay.")
    created_at = db.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = (
            db.CheckConstraint(condition=Q(kind__in=TenantKind.values), name="tenant_kind_known"),
            db.CheckConstraint(condition=Q(status__in=TenantStatus.values), name="tenant_status_known"),
            db.CheckConstraint(condition=~Q(name=""), name="tenant_name_given"),
        )

    @override
    def __str__(self) -> str:
        return self.name


class Role(db.TextChoices):
    OWNER = "owner"
    ADMIN = "admin"
    VIEWER = "viewer"
    USER = "user"


class Membership(db.Model):
    """A person's role in a tenant."""

    tenant = db.ForeignKey(Tenant, on_delete=db.CASCADE, related_name="memberships")
    user = db.ForeignKey(User, on_delete=db.CASCADE, related_name="memberships")
    role = db.CharField(max_length=16, choices=Role, default=Role.USER)
    created_at = db.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = (
            db.UniqueConstraint(
                fields=("tenant", "user"),
                name="membership_once",
                violation_error_message="This person is a member of this tenant already.",
            ),
            db.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
        )

    @override
    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.tenant}"


class Priority(db.TextChoices):
    INTERACTIVE = "interactive"
    BATCH = "batch"


class ApiKey(db.Model):
    """A virtual key. Only the HMAC of its secret is stored; `pepper_id` names the pepper it was made with.

    After a rotation the previous secret stays valid until `previous_until`.
    """

    tenant = db.ForeignKey(Tenant, on_delete=db.CASCADE, related_name="api_keys")
    name = db.CharField(max_length=200)
    prefix = db.CharField(max_length=32, unique=True)
    secret_hmac = db.CharField(max_length=64, editable=False)
    pepper_id = db.CharField(max_length=16, editable=False)
    previous_hmac = db.CharField(max_length=64, blank=True, editable=False)
    previous_until = db.DateTimeField(null=True, blank=True, editable=False)
    scopes = db.JSONField(default=list, blank=True, help_text="Families of endpoints; empty: all of them.")
    models = db.JSONField(null=True, blank=True, help_text="Aliases this key may use; empty: the tenant's.")
    allowed_ips = db.JSONField(
        "allowed IP addresses", default=list, blank=True, help_text="Addresses or CIDRs; empty: any."
    )
    priority = db.CharField(max_length=16, choices=Priority, default=Priority.INTERACTIVE)
    expires_at = db.DateTimeField(null=True, blank=True)
    revoked_at = db.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = db.DateTimeField(null=True, blank=True, editable=False)
    created_at = db.DateTimeField(default=now, editable=False)
    created_by = db.ForeignKey(
        User, null=True, blank=True, editable=False, on_delete=db.SET_NULL, related_name="+"
    )

    class Meta:
        constraints = (
            db.CheckConstraint(condition=Q(priority__in=Priority.values), name="api_key_priority_known"),
            db.CheckConstraint(condition=~Q(secret_hmac=""), name="api_key_secret_given"),
            db.CheckConstraint(condition=~Q(prefix=""), name="api_key_prefix_given"),
        )
        verbose_name = "API key"

    @override
    def __str__(self) -> str:
        return f"{self.name} (sk-{self.prefix})"

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= now()


class AuditEvent(db.Model):
    """Who changed what, before and after, from where. Written with the change; never a secret."""

    at = db.DateTimeField(default=now)
    actor = db.CharField(max_length=254)
    action = db.CharField(max_length=64)
    resource = db.CharField(max_length=64)
    resource_id = db.CharField("resource ID", max_length=200)
    name = db.CharField(
        max_length=200, blank=True, default="", db_default="", help_text="Of what was changed."
    )
    before = db.JSONField(null=True)
    after = db.JSONField(null=True)
    ip = db.CharField("IP address", max_length=45, blank=True)
    user_agent = db.CharField(max_length=400, blank=True)

    class Meta:
        indexes = (
            db.Index(fields=("at",), name="audit_at"),
            db.Index(fields=("resource", "resource_id"), name="audit_resource"),
            db.Index(fields=("resource_id",), name="audit_resource_id"),
            db.Index(fields=("name",), name="audit_name"),
            db.Index(fields=("actor",), name="audit_actor"),
            db.Index(fields=("action",), name="audit_action"),
        )

    @override
    def __str__(self) -> str:
        return f"{DONE.get(self.action, self.action)}: {self.name or self.resource_id} (by {self.actor})"


class ConfigVersion(db.Model):
    """One row, "config": raised by every change that a running server must notice."""

    name = db.CharField(max_length=32, primary_key=True)
    version = db.BigIntegerField(default=0)

    @override
    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class BootstrapItem(db.Model):
    """What bootstrap has created once: if its row is gone, an administrator deleted it, and it stays gone."""

    resource = db.CharField(max_length=32)
    name = db.CharField(max_length=400)

    class Meta:
        constraints = (db.UniqueConstraint(fields=("resource", "name"), name="bootstrap_item_once"),)

    @override
    def __str__(self) -> str:
        return f"{self.resource} {self.name}"

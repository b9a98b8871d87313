"""Sections of sign-in and of provider accounts: admin sessions, SSO, global credentials. Data only."""

from __future__ import annotations

from pydantic import Field

from gateway.config.fields import Section, Wait


class Session(Section):
    jwt_secret: str = Field(
        "",
        repr=False,
        description="The one secret; every other is derived from it unless set. 32 bytes or more.",
    )
    access_token_ttl: Wait = Field(900.0, description="Life of an access token.")
    refresh_token_ttl: Wait = Field(86400.0, description="Life of a refresh token.")
    cookie_name: str = Field(
        "og_admin_session",
        min_length=1,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Cookie of the refresh token.",
    )
    max_age: Wait = Field(
        43200.0, description="A person must sign in again after this time, also without a pause."
    )
    idle_timeout: Wait = Field(
        3600.0, description="A person who opens no page for so long must sign in again."
    )


class LocalSignIn(Section):
    enabled: bool = Field(default=True, description="Sign in with e-mail and password.")


class Oidc(Section):
    enabled: bool = Field(default=False, description="Sign in through an identity provider.")
    issuer: str = Field("", description="Its address.")
    client_id: str = Field("", description="The gateway's name there.")
    client_secret: str = Field("", repr=False, description="The gateway's secret there.")
    redirect_url: str = Field(
        "", description="Callback registered there; empty: derived from `server.public_url`."
    )
    scopes: tuple[str, ...] = Field(
        ("openid", "email", "profile"), description="The scopes that are requested."
    )
    allowed_domains: tuple[str, ...] = Field((), description="Mail domains let in; empty lets in all.")
    http_timeout: Wait = Field(5.0, description="Longest wait for the identity provider.")
    roles_claim: str = Field("", description="Claim that holds a person's roles.")
    allowed_roles: tuple[str, ...] = Field((), description="Roles let in; empty lets in all.")
    admin_roles: tuple[str, ...] = Field(
        (), description="Roles that make a super admin, and whose lack unmakes one."
    )


class Admin(Section):
    session: Session = Session()
    local: LocalSignIn = LocalSignIn()
    oidc: Oidc = Oidc()


class OpenAICompatible(Section):
    base_url: str = Field("", description="Endpoint of `openai-compatible` entries that name none.")
    api_key: str = Field("", repr=False, description="Credential for `base_url`; never sent to another host.")


class Providers(Section):
    openai_key: str = Field("", repr=False, description="Sent only to api.openai.com.")
    anthropic_key: str = Field("", repr=False, description="Sent only to api.anthropic.com.")
    azure_openai_key: str = Field("", repr=False, description="Sent only to `azure_openai_endpoint`.")
    azure_openai_endpoint: str = Field("", description="Endpoint of `azure` entries that name none.")
    azure_openai_version: str = Field(
        "v1",
        description="API version of `azure` entries that name none: `v1`, the versionless API, or a dated one.",
    )
    aws_access_key_id: str = Field("", description="For `bedrock`; empty: the usual AWS chain.")
    aws_secret_access_key: str = Field("", repr=False, description="Belongs to `aws_access_key_id`.")
    aws_region: str = Field("", description="Region of `bedrock` entries that name none.")
    gcp_project_id: str = Field("", description="Project of `vertex` entries that name none.")
    gcp_json_credentials: str = Field(
        "", repr=False, description="Service account for `vertex`: JSON, raw or base64."
    )
    hugging_face_token: str = Field("", repr=False, description="Sent only to Hugging Face's own hosts.")
    openai_compatible: OpenAICompatible = OpenAICompatible()

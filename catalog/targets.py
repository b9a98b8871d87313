"""Builds the target of a deployment from its row: address, credential, timeouts, facts. Blocking: it reads the row's
credential. What cannot work raises InvalidDeployment.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace

from catalog.facts.of_rows import facts_of_row
from catalog.models import Deployment as DeploymentRow
from catalog.models import ManagedBy
from catalog.models import Model as ModelRow
from catalog.pricing.price_map import Known
from catalog.prompt_limits import row_facts
from catalog.row_problems import of_model, of_provider, of_target
from catalog.secrets.encryption import CredentialUnreadable, key_id
from catalog.secrets.sealing import API_KEY, Seal, destination, open_metadata
from catalog.snapshot import Deployment, Model
from gateway.config import Config
from gateway.config.normalization import bare
from providers.registry import address, default_secret, family_of, metadata_for, region_of, wire_model
from providers.target import Secret, Target, Timeouts


class InvalidDeployment(Exception):
    """Why a deployment cannot serve; the text is for administrators."""


class Source(msgspec.Struct, frozen=True):
    """What a snapshot is built from, besides the rows."""

    config: Config
    encryption_key: bytes
    simulator_url: str = ""
    trusted_endpoints: frozenset[str] = frozenset()  # those that the operator wrote into the configuration

    def __post_init__(self) -> None:
        written = frozenset(row.endpoint for row in self.config.model_catalog if row.endpoint)
        msgspec.structs.force_setattr(self, "trusted_endpoints", written)


def target_of(source: Source, model: ModelRow, row: DeploymentRow, known: Known | None) -> Target:
    """Return where and how a deployment is called, and what is known of its model. Raises InvalidDeployment."""
    if why := row.problem or of_provider(row.provider) or of_model(row.provider, model.model_type):
        raise InvalidDeployment(why)
    base_url = _base_url(source, row)
    secret = _secret(source, row, base_url)
    config = source.config.providers
    metadata = metadata_for(row.provider, base_url, _metadata(source, row), secret, config)
    if why := of_target(row.provider, base_url, secret, metadata):
        raise InvalidDeployment(why)
    target = Target(
        id=row.pk,
        alias=model.alias,
        name=row.name,
        provider=row.provider,
        upstream_model=row.upstream_model,
        base_url=base_url,
        secret=Secret(secret),
        api_version=row.api_version or (config.azure_openai_version if row.provider == "azure" else ""),
        region=region_of(row.provider, row.region, config),
        timeouts=_timeouts(source, row),
        metadata=metadata,
        is_guarded=_is_guarded(source, row),
        facts=facts_of_row(row_facts(model, row, known)),
    )
    return replace(target, wire_model=wire_model(target), api=family_of(target))


def _is_guarded(source: Source, row: DeploymentRow) -> bool:
    """Whether a person may have typed the address; an edited row may still have the configured one."""
    may_be_typed = row.edited or row.origin != ManagedBy.FILE
    return may_be_typed and bool(row.endpoint) and row.endpoint not in source.trusted_endpoints


def _timeouts(source: Source, row: DeploymentRow) -> Timeouts:
    """`first_byte` of a row holds for every call; without it a whole response may take `server.provider_timeout`."""
    own = {name: float(value) for name, value in row.timeouts.items()}
    return Timeouts(**{"answer": own.get("first_byte", source.config.server.provider_timeout), **own})


def _base_url(source: Source, row: DeploymentRow) -> str:
    if row.provider == "simulator":
        if source.config.server.production:
            raise InvalidDeployment("the simulator is refused in production")
        return source.simulator_url
    return address(row.provider, row.endpoint, row.region, source.config.providers)


def _secret(source: Source, row: DeploymentRow, base_url: str) -> str:
    if row.credential is None:
        return default_secret(row.provider, base_url, source.config.providers)
    try:
        return bare(_seal(source, row).open(API_KEY, row.credential.ciphertext))
    except CredentialUnreadable as error:
        raise _unreadable(source, error, "credential") from error


def _metadata(source: Source, row: DeploymentRow) -> dict[str, str]:
    try:
        return open_metadata(_seal(source, row), row.metadata)
    except CredentialUnreadable as error:
        raise _unreadable(source, error, f"'{error.name}'") from error


def _seal(source: Source, row: DeploymentRow) -> Seal:
    origin = destination(row.provider, row.endpoint, source.config.providers)
    return Seal(source.encryption_key, row.seal_id or "", origin)


def _unreadable(source: Source, error: CredentialUnreadable, what: str) -> InvalidDeployment:
    if error.sealed_with == key_id(source.encryption_key):
        fault = "was given for another address: type it again for this one"
        return InvalidDeployment(f"the stored {what} {fault}")
    return InvalidDeployment(f"the stored {what} cannot be read with this encryption key")


def with_same_account(models: dict[str, Model]) -> dict[str, Model]:
    """Return the models with each target knowing the other deployments that are reached with its credential."""
    accounts: dict[bytes, set[int]] = defaultdict(set)
    for target in _targets(models.values()):
        accounts[target.account()].add(target.id)
    if all(len(ids) == 1 for ids in accounts.values()):
        return models

    def informed(deployment: Deployment) -> Deployment:
        others = frozenset(accounts[deployment.target.account()] - {deployment.target.id})
        return replace(deployment, target=replace(deployment.target, same_account=others))

    return {
        alias: replace(
            model,
            deployments=tuple(informed(each) for each in model.deployments),
            shadows=tuple(informed(each) for each in model.shadows),
        )
        for alias, model in models.items()
    }


def _targets(models: Iterable[Model]) -> Iterator[Target]:
    for model in models:
        yield from (deployment.target for deployment in (*model.deployments, *model.shadows))

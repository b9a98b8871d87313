"""Services are the only writers of configuration (docs/decisions/0021-one-write-path.md).

Every other write to the database is listed here with what it writes and why. The finder reads the source, so a writer
that no test runs is found too. That the pages of the administration use the services is proven by
tests/integration/gateway/test_back_office_writes.py.
"""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

import pytest

from tests.support.sources import SOURCES, is_ours, name_of

SERVICES = ("tenants/services/", "catalog/services/", "budgets/services.py")
CONFIGURATION = frozenset(
    {"Tenant", "User", "Group", "Membership", "ApiKey"}
    | {"Model", "Deployment", "Credential", "Price", "RateLimit", "Budget"}
)
# Writes of rows that are no configuration: module -> what they are called on ("SQL": a statement), and the reason.
OWN_ROWS: dict[str, tuple[set[str], str]] = {
    "catalog/health/probes.py": ({"HealthProbe"}, "results of probes"),
    "gateway/bootstrap.py": ({"ledger"}, "what bootstrap has created once"),
    "gateway/cleanup.py": ({"Session"}, "expired sessions"),
    "gateway/idempotency/rows.py": ({"IdempotencyRecord", "started"}, "the records of Idempotency-Keys"),
    "gateway/jobs/runs.py": ({"JobRun"}, "when a periodic job ran"),
    "gateway/server/known_secret.py": ({"KnownSecret"}, "the fingerprint of the pepper of this installation"),
    "gateway/site/session_store.py": ({"super()"}, "sessions of people"),
    "gateway/supervisor/worker_rows.py": ({"ServingWorker", "own_row"}, "workers that serve now"),
    "metering/ledger/bulk_insert.py": ({"SQL"}, "the ledger"),
    "metering/ledger/changed_hours.py": ({"SQL"}, "hours whose sums are stale"),
    "metering/ledger/spend_windows.py": ({"SQL"}, "the ledger's totals"),
    "metering/ledger/write.py": ({"SQL"}, "the ledger"),
    "metering/reports/retention.py": ({"ChangedHour", "blank", "state"}, "sums and calls that are too old"),
    "metering/reports/rollup.py": (
        {"HourlyUsage", "RollupState", "SQL", "ChangedHour", "state"},
        "sums by hour",
    ),
    "metering/request_log/rows.py": ({"LoggedRequest"}, "calls that were refused"),
    "metering/settlement/news.py": ({"Settlement"}, "what settlements tell the workers"),
    "metering/settlement/late_settlement.py": (
        {"SQL", "Settlement", "event"},
        "the ledger; with an audit row",
    ),
    "tenants/audit.py": ({"AuditEvent"}, "the audit row itself, for the services"),
    "tenants/bootstrap.py": ({"BootstrapItem"}, "what bootstrap has created once"),
    "tenants/config_version.py": ({"ConfigVersion"}, "the version itself, for the services"),
    "tenants/models.py": ({"self", "user"}, "Django's own commands create people with this manager"),
}
# Parts of the write path that only services use: what is imported -> modules that may import it besides.
PRIMITIVES = {
    "tenants.services.rows": set[str](),
    "tenants.config_version.bump_version": set[str](),
    "tenants.audit.record": {"metering/settlement/late_settlement.py"},
}

OF_ROWS = {"save", "delete"}
OF_MANAGERS = {
    "bulk_create",
    "bulk_update",
    "create",
    "create_superuser",
    "create_user",
    "get_or_create",
    "update_or_create",
}
OF_QUERYSETS = {"update"}
MAKES_QUERYSETS = re.compile(r"\bobjects\b|_default_manager|\.(all|exclude|filter|select_for_update|using)\(")
IS_QUERYSET = re.compile(r"QuerySet|Manager")
STATEMENT = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM)\s")


class Write(NamedTuple):
    """`on`: the first name of what is written, such as a model or a variable; "SQL" for a statement."""

    on: str
    call: str
    line: int


def writes(source: str) -> list[Write]:
    """Return the calls that write to a database, as far as the source shows."""
    tree = ast.parse(source)
    querysets = querysets_of(tree)
    found = [_call(node, querysets) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return sorted(
        {write for write in found if write is not None} | _statements(tree), key=lambda each: each.line
    )


def querysets_of(tree: ast.AST) -> set[str]:
    """Return the variables that hold a queryset somewhere in the module."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and MAKES_QUERYSETS.search(ast.unparse(node.value)):
            found.update(target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.NamedExpr) and MAKES_QUERYSETS.search(ast.unparse(node.value)):
            found.add(node.target.id)
        elif isinstance(node, ast.arg) and IS_QUERYSET.search(ast.unparse(node.annotation or node)):
            found.add(node.arg)
    return found


def _call(node: ast.Call, querysets: set[str]) -> Write | None:
    if not isinstance(node.func, ast.Attribute):
        return None
    verb, receiver = node.func.attr, node.func.value
    verb = verb[1:] if verb[1:] in OF_ROWS | OF_MANAGERS | OF_QUERYSETS and verb[0] == "a" else verb
    is_a_class = isinstance(receiver, ast.Name) and receiver.id[:1].isupper()
    is_a_queryset = bool(MAKES_QUERYSETS.search(ast.unparse(receiver))) or _root(receiver) in querysets
    if (
        (verb in OF_ROWS and not _does_not_commit(node))
        or (verb in OF_MANAGERS and not is_a_class)
        or (verb in OF_QUERYSETS and is_a_queryset)
    ):
        return Write(_root(receiver), node.func.attr, node.lineno)
    return None


def _does_not_commit(node: ast.Call) -> bool:
    """Whether the call is that of a form which only prepares its row."""
    return any(each.arg == "commit" and ast.unparse(each.value) == "False" for each in node.keywords)


def _root(node: ast.expr) -> str:
    """Return the first name of a chain: `Tenant` of `Tenant.objects.filter(…)`, `super()` of `super().save`."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return "super()" if node.func.id == "super" else node.func.id
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ast.unparse(node)


def _statements(tree: ast.AST) -> set[Write]:
    return {
        Write("SQL", "execute", node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value)
    }


def imports(source: str) -> set[str]:
    """Return the full names of what a module imports: modules, and names of modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module, *(f"{node.module}.{each.name}" for each in node.names)})
    return found


def strangers(name: str, source: str) -> list[Write]:
    """Return the writes of a module that may not be there."""
    if name.startswith(SERVICES):
        return []
    own, _ = OWN_ROWS.get(name, (set(), ""))
    return [write for write in writes(source) if write.on not in own or write.on in CONFIGURATION]


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return {name_of(path): path.read_text("utf-8") for path in SOURCES if is_ours(path)}


def test_only_services_write_configuration(files):
    found = {name: strangers(name, source) for name, source in files.items()}
    assert {name: several for name, several in found.items() if several} == {}


def test_what_is_listed_is_still_written(files):
    assert {
        name: own - {write.on for write in writes(files.get(name, ""))}
        for name, (own, _) in OWN_ROWS.items()
        if own - {write.on for write in writes(files.get(name, ""))}
    } == {}


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_only_services_use_the_parts_of_the_write_path(files, primitive):
    users = {name for name, source in files.items() if primitive in imports(source)}
    assert {name for name in users if not name.startswith(SERVICES)} == PRIMITIVES[primitive]
    assert users - PRIMITIVES[primitive]


PLANTED = """
class Page:
    def save_model(self, request, obj, form, change):
        obj.save()
        form.save(commit=False)
        super().save()

def plant(names: QuerySet[Tenant], cursor):
    Tenant.objects.create(name="acme")
    Tenant.objects.using("other").filter(pk=1).update(status="suspended")
    ApiKey(name="x").save(update_fields=["name"])
    rows = Price.objects.filter(free=True)
    rows.update(free=False)
    rows.delete()
    names.update(name="x")
    tenant.api_keys.bulk_create([])
    facts.update(name="x")
    Directory.create("journal")
    cursor.execute("UPDATE tenants_tenant SET status = 'active'")

async def later():
    await Deployment.objects.aget_or_create(name="x")
    await row.asave()
    User.objects.create_superuser("root@example.com")
"""


def test_planted_writers_are_found():
    assert [(write.on, write.call) for write in writes(PLANTED)] == [
        ("obj", "save"),
        ("super()", "save"),
        ("Tenant", "create"),
        ("Tenant", "update"),
        ("ApiKey", "save"),
        ("rows", "update"),
        ("rows", "delete"),
        ("names", "update"),
        ("tenant", "bulk_create"),
        ("SQL", "execute"),
        ("Deployment", "aget_or_create"),
        ("row", "asave"),
        ("User", "create_superuser"),
    ]


@pytest.mark.parametrize(
    "name", ["catalog/forms.py", "gateway/admin_api/tenants.py", "catalog/health/probes.py"]
)
def test_a_planted_writer_is_refused_outside_the_services(name):
    assert len(strangers(name, PLANTED)) == len(writes(PLANTED))
    assert strangers("tenants/services/keys.py", PLANTED) == []


def test_configuration_is_refused_in_a_module_that_has_rows_of_its_own():
    source = "HealthProbe.objects.all().delete()\nDeployment.objects.all().delete()\n"
    assert strangers("catalog/health/probes.py", source) == [Write("Deployment", "delete", 2)]
    assert "tenants.services.rows" in imports("from tenants.services import rows")
    assert "tenants.config_version.bump_version" in imports("from tenants.config_version import bump_version")

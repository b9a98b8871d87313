"""What holds on every page of the administration: labels spelled right, ids as they are, texts escaped, few queries.

Walks all that is registered, so a page that is added later is looked at too.
"""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.safestring import SafeData

from budgets.models import Budget, RateLimit, SpendWindow
from catalog.models import Credential, Deployment, HealthProbe, Model, Price
from metering.models import UsageEvent
from tenants.models import ApiKey, AuditEvent, Membership, Tenant, User
from tests.support.clients.forms import NOW

pytestmark = pytest.mark.django_db

MISSPELLED = re.compile(
    r"\b(Llm|Openai|Api|Ip|Ttft|Http|Usd|Id|Ids|Url|Tpm|Rpm|Iam|[Nn]anousd|[Uu]sd_|[Nn]ow ons)\b"
    r"|rolling_d\b|every_d\b|Constraint .{1,60} is violated"
)
MARKUP = re.compile(r"<script\b.*?</script>|<style\b.*?</style>|<[^>]+>", re.DOTALL)
SPOKEN = re.compile(r'(?:data-label|aria-label|title|placeholder)="([^"]*)"')
HEADING = re.compile(r"<h1\b.*?</h1>", re.DOTALL)
# Rows that calls or changes make, by the thousand; the others are written by people, and stay few.
GROWING = {"metering_usageevent", "tenants_auditevent", "catalog_healthprobe", "budgets_spendwindow"}
SCAN = re.compile(r"\bSCAN (\w+)(?! USING| VIRTUAL)")
EATEN = re.compile(r"<(?!/?(ul|li)>)")  # Django's help for passwords is a list
WRITTEN = {Group, User, Tenant, ApiKey, RateLimit, Budget, Model, Deployment, Price}
NEWER = {*admin.site._registry} - WRITTEN - {HealthProbe, SpendWindow, AuditEvent, UsageEvent}  # noqa: SLF001 - Django's documented names
RAW = ("<b>co</b>", "<i>app</i>", "<u>chat</u>", "<s>east</s>", "<em>x</em>", "<q>boom</q>")


def pages():
    return {f"{model._meta.app_label}_{model._meta.model_name}": model for model in admin.site._registry}  # noqa: SLF001 - Django's documented names


def name_of(model):
    return f"{model._meta.app_label}_{model._meta.model_name}"  # noqa: SLF001 - as above


def fill(numbers):
    """Make some rows of everything, with names that begin small and hold markup."""
    for n in numbers:
        tenant, key = people(n)
        models(n)
        traces(n, tenant, key)
        for model in NEWER.intersection(pages().values()):
            made_up(model, n).save()


def made_up(model, n):
    """Return a row of a page that was added later: texts with markup, numbers, instants."""
    values = {"CharField": f"x{n} <b>co</b>", "TextField": "<b>co</b>", "DateTimeField": NOW}
    fields = [field for field in model._meta.concrete_fields if field.get_internal_type() != "BigAutoField"]  # noqa: SLF001 - Django's documented names
    numbers = {"IntegerField", "BigIntegerField", "FloatField", "PositiveSmallIntegerField"}
    given = {
        field.attname: n if field.get_internal_type() in numbers else values.get(field.get_internal_type())
        for field in fields
        if field.get_internal_type() in {*numbers, *values}
    }
    return model(**{name: value[:32] if isinstance(value, str) else value for name, value in given.items()})


def people(n):
    tenant = Tenant.objects.create(name=f"acme-{n} <b>co</b>")
    person = User.objects.create(email=f"person{n}@example.com", name="<em>x</em>")
    Membership.objects.create(tenant=tenant, user=person)
    Group.objects.create(name=f"group-{n} <em>x</em>")
    key = ApiKey.objects.create(tenant=tenant, name=f"app-{n} <i>app</i>", prefix=f"p{n}", secret_hmac="x")
    RateLimit.objects.create(key=key, requests_per_minute=60_000)
    for owner in ({"tenant": tenant}, {"key": key}):
        Budget.objects.create(**owner, limit_nanousd=10**12, schedule="rolling_30d")
    return tenant, key


def models(n):
    model = Model.objects.create(alias=f"demo-{n}-<u>chat</u>", metadata={}, context_window=8192)
    name = f"east-{n}-<s>east</s>"
    sealed = Credential.objects.create(name=f"credential-{n}", ciphertext="x", key_id="x", hint="4567")
    row = Deployment.objects.create(
        model=model, name=name, provider="openai", upstream_model="<u>chat</u>", credential=sealed
    )
    Price.objects.create(deployment=row, input=2_500_000_000, output=10**10, image=4 * 10**13)
    HealthProbe.objects.create(
        place=f"place{n}",
        provider="openai",
        endpoint="https://api.example.com/<q>boom</q>",
        deployments=[row.pk],
        at=NOW,
        since=NOW,
        state="offline",
        error="<q>boom</q>",
    )


def traces(n, tenant, key):
    """What calls and changes leave."""
    span = {"start": NOW, "end": NOW + timedelta(days=30), "timezone": "UTC"}
    SpendWindow.objects.create(
        scope=f"tenant:{tenant.pk}", schedule="rolling_30d", spent_nanousd=2_541_490, **span
    )
    changed = {"before": {"name": "<i>app</i>"}, "after": {"name": "app", "models": ["<u>chat</u>"]}}
    what = {"action": "update", "resource": "apikey", "resource_id": str(key.pk), "name": str(key)}
    AuditEvent.objects.create(actor="<em>x</em>", **what, **changed)
    UsageEvent.objects.create(
        id=f"req_{n}",
        started_at=NOW,
        finished_at=NOW,
        tenant_id=tenant.pk,
        tenant="acme <b>co</b>",
        key_id=key.pk,
        api_key_prefix=f"p{n}",
        endpoint="chat",
        model="demo-<u>chat</u>",
        provider="openai",
        deployment="east-<s>east</s>",
        upstream_model="x",
        status="ok",
        http_status=200,
    )


def addresses(name, model):
    """Return the addresses of one kind of object: list, form to add, one object, its history, its deletion."""
    pk = model._default_manager.order_by("pk").last().pk  # noqa: SLF001 - as above
    return {
        "list": reverse(f"admin:{name}_changelist"),
        "add": reverse(f"admin:{name}_add"),
        **{page: reverse(f"admin:{name}_{page}", args=[pk]) for page in ("change", "history", "delete")},
    }


def opened(client, name, model):
    """Yield the text of each page of this kind of object."""
    for page, url in addresses(name, model).items():
        answer = client.get(url, follow=True)
        assert answer.status_code in {200, 403}, url
        if answer.status_code == 200:
            yield page, answer.content.decode()


def words_of(text):
    """Return what people read, and what is read to them."""
    return html.unescape(f"{MARKUP.sub(' ', text)} {' '.join(SPOKEN.findall(text))}")


def capitalized(raw):
    return f"{raw[:1].upper()}{raw[1:]}"


def test_labels_are_spelled_right_and_names_are_shown_as_they_are(client):
    """Each text is escaped, too, and no heading makes another name of one."""
    fill([1])
    for name, model in pages().items():
        pk = model._default_manager.order_by("pk").last().pk  # noqa: SLF001 - Django's documented name
        raw = str(admin.site._registry[model].get_object(None, str(pk)))  # type: ignore[arg-type]  # noqa: SLF001 - as above
        for page, text in opened(client, name, model):
            where = f"{name}: {page}"
            headings = " ".join(html.unescape(MARKUP.sub(" ", found)) for found in HEADING.findall(text))
            assert {found.group() for found in MISSPELLED.finditer(words_of(text))} == set(), where
            assert [each for each in RAW if each in text] == [], where
            assert headings, where
            if page in {"change", "delete", "history"}:
                assert raw in headings, where
                assert not raw[:1].islower() or capitalized(raw) not in headings, where


def test_a_page_costs_the_same_queries_however_many_rows_there_are(client):
    lists = {name: reverse(f"admin:{name}_changelist") for name in pages()}
    fill([1, 2])
    for url in lists.values():
        client.get(url)
    few = {name: queries_of(client, url) for name, url in lists.items()}
    fill([3])
    few = {name: min(few[name], queries_of(client, url)) for name, url in lists.items()}
    fill(range(4, 14))
    many = {name: queries_of(client, url) for name, url in lists.items()}
    assert {name: (few[name], count) for name, count in many.items() if count > few[name]} == {}


def queries_of(client, url):
    """Return how many queries a list and a search in it cost."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
        assert client.get(url, {"q": "acme"}).status_code == 200
    return len(queries)


@pytest.mark.parametrize("name", pages())
def test_no_help_is_eaten_as_markup(client, name):
    """Help texts are put into pages as they are, so one with a `<n>` must have been escaped before."""
    model = pages()[name]
    page = admin.site._registry[model]  # noqa: SLF001 - Django's documented names
    request = client.get(reverse("admin:index")).wsgi_request
    forms = [
        page.get_form(request),
        *(each.get_formset(request).form for each in page.get_inline_instances(request)),
    ]
    texts = [field.help_text for form in forms for field in form().fields.values()]
    texts += [field.help_text for field in model._meta.concrete_fields]  # noqa: SLF001 - as above
    assert [text for text in texts if EATEN.search(str(text)) and not isinstance(text, SafeData)] == []


SEARCHES = ("acme", "p1", "sk-p1", "req_1", "person1@example.com", "demo", "7")


@pytest.mark.parametrize("name", sorted(GROWING & pages().keys()))
def test_lists_that_grow_find_an_index_for_every_query(client, name):
    fill([1, 2])
    page = admin.site._registry[pages()[name]]  # noqa: SLF001 - as above
    url = reverse(f"admin:{name}_changelist")
    asked = [{}, *({"q": text} for text in SEARCHES), {"p": "2"}]
    request = client.get(url).wsgi_request
    for each in page.get_list_filter(request):
        offered: Any = each(request, {}, pages()[name], page) if isinstance(each, type) else None
        asked += [{offered.parameter_name: value} for value, _ in offered.lookup_choices] if offered else []
    with CaptureQueriesContext(connection) as queries:
        for parameters in asked:
            assert client.get(url, parameters, follow=True).status_code == 200
    table = pages()[name]._meta.db_table  # noqa: SLF001 - as above
    scanned = set()
    for query in queries.captured_queries:
        if table in query["sql"] and query["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql'].replace('%', '%%')}")
                plan = " | ".join(row[3] for row in cursor.fetchall())
            # A page of all rows is read in the order of their ids; what searches must not look at every row.
            if " WHERE " in query["sql"] and table in SCAN.findall(plan):
                scanned.add((query["sql"], plan))
    assert scanned == set()


def test_every_kind_of_object_was_looked_at():
    assert pages().keys() >= GROWING
    fill([1])
    assert [name for name, model in pages().items() if not model._default_manager.exists()] == []  # noqa: SLF001 - as above

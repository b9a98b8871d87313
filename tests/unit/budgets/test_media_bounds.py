"""K1: pictures are bounded by the operator's facts, PDFs by their pages; by the window where these are unknown."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest

from budgets.admission.demand import Demand
from budgets.admission.interface import (
    BudgetRefused,
    BudgetRule,
    BudgetStatus,
    Grant,
    Limits,
    LimitStatus,
    ScopeRules,
)
from budgets.admission.prompt_counts import ReservationRequest
from budgets.admission.reserve import reserve
from budgets.admission.worst_case import worst_case
from catalog.pricing.prices import PriceSheet
from catalog.routing.resolve import Route
from catalog.snapshot import Deployment, Model
from gateway.parsing.schemas import peek_chat
from providers.media.image_tokens import MediaLimits, media_limits_for
from providers.media.images import Picture, most_tokens
from providers.media.pdf.measure import Document
from providers.requests.documents import measured
from providers.target import Secret, Target
from tests.support.clients.media import wav
from tests.support.clients.pdfs import plain

WINDOW = 100_000
SHEET = PriceSheet(input=10**9, output=10**9)
RULES = (ScopeRules("key:1", Limits(), (BudgetRule(10**15),)),)


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini", "gpt-5.2", "qwen-vl-max"])
@pytest.mark.parametrize("said", [1, 900, 60_000])
def test_a_picture_without_a_size_is_what_the_operator_says(model, said):
    sight = media_limits_for("openai-compatible", model, said)
    for unknown in (Picture(), Picture(0, 500), Picture(500, 0)):
        assert sight.max_tokens(unknown) == said
    for known in (Picture(64, 64), Picture(3_000, 2_000)):
        assert sight.max_tokens(known) == min(said, most_tokens(known, (model,)))


def test_the_dearest_deployment_bounds_a_picture():
    demand = Demand(pictures=(Picture(),), output_cap=1)
    sights = (
        media_limits_for("openai-compatible", "a", 500),
        media_limits_for("openai-compatible", "b", 700),
    )
    alone = worst_case(Demand(output_cap=1), [SHEET], None, WINDOW).input.tokens
    assert worst_case(demand, [SHEET], None, WINDOW, sights).input.tokens == alone + 700
    guessed = worst_case(demand, [SHEET], None, WINDOW, (*sights, MediaLimits("c"))).input.tokens
    assert guessed == alone + most_tokens(Picture(), ("c",))


@pytest.mark.parametrize(
    ("provider", "model", "page"),
    [
        ("openai", "gpt-4o", 1_445 + 64),
        ("azure", "production", 48_169 + 64),
        ("anthropic", "claude-opus-5", 4_784 + 64),
        (
            "openai-compatible",
            "gpt-4o",
            None,
        ),  # its server may read files in another way, at another price
        ("vertex", "gemini-3-pro", None),
        ("bedrock", "anthropic.claude-opus-5", None),
    ],
)
def test_a_page_is_known_where_its_provider_says_what_it_reads(provider, model, page):
    assert media_limits_for(provider, model).pdf_page_max_tokens == page
    assert media_limits_for(provider, model, None, 700).pdf_page_max_tokens == 700
    if page is not None:
        assert media_limits_for(provider, model, 300).pdf_page_max_tokens == 300 + 64


PAPER = Demand(
    body_bytes=40_100, documents=("messages[0].content.file",), document_bytes=40_000, output_cap=10
)


def tokens(demand, *pages):
    sights = [MediaLimits(f"m{number}", None, page) for number, page in enumerate(pages)]
    return worst_case(demand, [SHEET], None, WINDOW, sights).input.tokens


def test_a_measured_pdf_is_its_pages_and_their_text():
    read = msgspec.structs.replace(PAPER, measured=(Document(3, 9_000), Document(1, 500)))
    around = tokens(Demand(body_bytes=100, output_cap=10), 500)
    assert tokens(read, 500) == around + 4 * 500 + 9_500
    assert tokens(read, 500, 800) == around + 4 * 800 + 9_500


@pytest.mark.parametrize(
    ("changes", "pages"),
    [
        ({}, (500,)),
        ({"measured": (Document(3, 9_000),)}, (500, None)),
        ({"measured": (Document(3, 9_000),)}, (None,)),
        ({"measured": (Document(10_000, 9_000),)}, (500,)),
        ({"measured": (Document(1, 1_000_000),)}, (500,)),
        ({"measured": (Document(1, 1),), "references": ("x",)}, (500,)),
        ({"measured": (Document(1, 1),), "unknown": ("x",)}, (500,)),
    ],
)
def test_other_documents_count_as_the_whole_window_and_never_more(changes, pages):
    assert tokens(msgspec.structs.replace(PAPER, **changes), *pages) == WINDOW


class LimitedAdmission:
    """Grants what fits."""

    def __init__(self, nanousd):
        self.nanousd, self.asked = nanousd, []

    async def admit(self, ask):
        self.asked.append(ask.hold_nanousd)
        if ask.hold_nanousd > self.nanousd:
            raise BudgetRefused(BudgetStatus("key:1", "daily", self.nanousd, 0, 0, 0.0), ask.hold_nanousd)
        return Grant(ask.request_id, 0.0, LimitStatus())


class Counter:
    """Measures here what another process would."""

    def __init__(self):
        self.measured = 0

    async def count(self, *_):
        raise AssertionError("nothing to count")

    async def documents(self, _, raw):
        self.measured += 1
        return measured(raw, 10.0).found


def asking(counter, sight, *files, name="a.pdf"):
    parts = [{"type": "file", "file": {"filename": name, "file_data": file}} for file in files]
    raw = json.dumps(
        {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": parts}]}
    ).encode()
    target = Target(
        id=1, alias="m", name="m-1", provider="openai-compatible", upstream_model="u", base_url="", secret=Secret("")
    )  # fmt: skip
    deployment = Deployment(target=target, sheet=SHEET, media_limits=sight)
    model = Model(alias="m", context_window=WINDOW, deployments=(deployment,))
    route = Route(model, model.deployments)
    return ReservationRequest("r", RULES, route, peek_chat(raw).demand, raw, 1, counter)


def encoded(data, head="data:application/pdf;base64,"):
    return head + base64.b64encode(data).decode()


PDF = plain(3)
SEES = MediaLimits("u", None, 1_000)


async def test_pdfs_are_measured_only_where_their_window_does_not_fit():
    counter, rich, poor = Counter(), LimitedAdmission(10**12), LimitedAdmission(10 * 1_000 * 1_000)
    wish = asking(counter, SEES, encoded(PDF), encoded(PDF), encoded(plain(1), ""))
    held = await reserve(rich, wish)
    assert counter.measured == 0
    assert held.hold_nanousd > WINDOW * 1_000
    held = await reserve(poor, wish)
    assert counter.measured == 1
    assert 7 * 1_000 * 1_000 < held.hold_nanousd < 8 * 1_000 * 1_000
    assert held.is_counted
    assert held.most_nanousd == held.hold_nanousd
    assert 7_000 < held.prompt.tokens < 20_000


@pytest.mark.parametrize(
    ("sight", "file"),
    [
        (MediaLimits("u"), encoded(PDF)),
        (SEES, encoded(PDF.replace(b"/Count 3", b"/Count 1"))),
        (SEES, encoded(PDF[:-200])),
        (SEES, encoded(PDF)[:200] + "\n" + encoded(PDF)[200:]),
        (SEES, encoded(PDF, "data:application/pdf;name=a;base64,")),
        (SEES, encoded(PDF, "data:text/plain;base64,")),
        (SEES, encoded(b"\n" + PDF)),
        (SEES, "https://x/a.pdf"),
        (SEES, 7),
    ],
)
async def test_a_pdf_that_is_not_measured_holds_the_window(sight, file):
    admission = LimitedAdmission(10 * 1_000 * 1_000)
    with pytest.raises(BudgetRefused):
        await reserve(admission, asking(Counter(), sight, file))
    assert min(admission.asked) >= WINDOW * 1_000


@pytest.mark.parametrize("name", ["a.txt", "a.pdf.csv", "a.docx", "", "pdf", "a.pdf\0.txt", "a.pdf ", 7])
async def test_a_pdf_under_another_name_holds_the_window(name):
    """A server that goes by the name reads all of its bytes as text."""
    admission, counter = LimitedAdmission(10 * 1_000 * 1_000), Counter()
    with pytest.raises(BudgetRefused):
        await reserve(admission, asking(counter, SEES, encoded(PDF), name=name))
    assert counter.measured == 0
    held = await reserve(admission, asking(counter, SEES, encoded(PDF), name="A.PDF"))
    assert held.is_counted


async def test_a_pdf_beside_what_only_a_window_bounds_is_not_even_looked_at():
    counter = Counter()
    with pytest.raises(BudgetRefused):
        await reserve(LimitedAdmission(10), asking(counter, SEES, encoded(PDF), "https://x/a.pdf"))
    assert counter.measured == 0


async def test_a_pdf_measured_in_vain_is_charged_to_the_rate():
    with pytest.raises(BudgetRefused) as refused:
        await reserve(LimitedAdmission(10), asking(Counter(), SEES, encoded(PDF)))
    assert refused.value.is_counted


def test_measuring_ends_with_the_time_that_there_is_for_it():
    wish = asking(None, SEES, encoded(plain(2_000)))
    done = measured(wish.raw, 0.0)
    assert done.found is None
    assert "too long" in done.why


def test_an_implausible_number_of_pdfs_is_not_measured():
    demand = asking(None, SEES, *[encoded(PDF)] * 65).demand
    assert len(demand.documents) == 64
    assert not demand.can_be_measured


@pytest.mark.parametrize(("model", "least"), [("gemma-3n", 188), ("voxtral-mini", 375), ("gpt-4o-audio", 0)])
@pytest.mark.parametrize("count", [1, 50])
def test_a_short_sound_is_counted_as_the_models_shortest_span(model, least, count):
    """K1: Gemma 3n reads each sound as one of 30 s, and Voxtral in spans of 30 s; OpenAI by its length."""
    sound = {
        "type": "input_audio",
        "input_audio": {"data": base64.b64encode(wav(0)).decode(), "format": "wav"},
    }
    body = {"model": "m", "messages": [{"role": "user", "content": [sound] * count}]}
    demand = peek_chat(json.dumps(body).encode()).demand
    sights = (media_limits_for("openai-compatible", model),)
    bound = worst_case(demand, [SHEET], 10, WINDOW, sights).input.tokens
    text = worst_case(msgspec.structs.replace(demand, sounds=0), [SHEET], 10, WINDOW, sights).input.tokens
    assert bound - text >= least * count
    assert (bound == text) is (not least)
    both = (*sights, media_limits_for("openai-compatible", "qwen-omni"))
    assert worst_case(demand, [SHEET], 10, WINDOW, both).input.tokens > text

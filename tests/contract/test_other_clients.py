"""Clients that people really use, against the configuration of `make run`: Node, the JDK, curl, LangChain, a browser.

Programs that a machine does not have are left out there; what they send is in
tests/functional/api/test_careless_clients.py and tests/unit/gateway/protocol/test_request_heads.py, byte by byte.
"""

from __future__ import annotations

import gzip
import http.server
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from backports import zstd
from typing_extensions import override

from tests.support.servers.gateway import Gateway
from tests.support.sources import ROOT

KEY = "sk-demo.my-secret"
CLIENTS = ROOT / "tests/support/clients/programs"
QUESTION = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello"}]}
LIMIT_S = 120
CHROMIUM = (
    "--headless",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program(name, *others):
    found = next((path for each in (name, *others) if (path := shutil.which(each))), None)
    return pytest.param(found, marks=[] if found else pytest.mark.skip(reason=f"there is no {name} here"))


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Site:
    """Serves one page at an origin of its own; `told` is what the page sends back."""

    def __init__(self):
        told: Queue[Any] = Queue()
        self.told = told
        page = (CLIENTS / "page.html").read_bytes()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(page)

            def do_POST(self):
                told.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            @override
            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://localhost:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def site():
    served = Site()
    yield served
    served.close()


@pytest.fixture(scope="module")
def demo(site, tmp_path_factory):
    config = yaml.safe_load((ROOT / "deploy/demo.yaml").read_text())
    config.setdefault("server", {})["cors"] = {"origins": [site.origin]}
    env = {"ROUTER_METERING_ALLOW_VOLATILE": "true"}  # the tests' folder may be on a RAM disk
    with Gateway(config, tmp_path_factory.mktemp("demo") / "data", env) as server:
        yield server


@pytest.mark.parametrize("java", [program("java")])
@pytest.mark.timeout(LIMIT_S)
def test_the_client_of_the_jdk(demo, java):
    """B8: Spring AI, LangChain4j and everything else on java.net.http."""
    if not (Path(java).resolve().parent / "javac").exists():
        pytest.skip("there is a JRE only")
    lines = run(
        java, "-XX:TieredStopAtLevel=1", str(CLIENTS / "Client.java"), demo.base_url, KEY
    ).splitlines()
    told = [line.split("\t") for line in lines]
    assert {name for name, *_ in told} == {
        "small",
        "large",
        "chunked",
        "expecting",
        "stream",
        "models",
        "together",
    }
    assert {(status, version) for _, status, version, _ in told} == {("200", "HTTP_1_1")}, told
    bodies = {name: body for name, _, _, body in told}
    for name in ("small", "large", "chunked", "expecting"):
        assert json.loads(bodies[name])["choices"][0]["message"]["content"]
    assert bodies["stream"].startswith("data: {")
    assert bodies["stream"].endswith("data: [DONE]")
    assert json.loads(bodies["models"])["data"]


@pytest.mark.parametrize("node", [program("node")])
@pytest.mark.timeout(LIMIT_S)
def test_the_official_node_client(demo, node):
    if not (CLIENTS / "node_modules/openai").exists():
        pytest.skip("`make setup-dev` installs it where npm is at hand")
    told = json.loads(run(node, str(CLIENTS / "client.mjs"), demo.base_url, KEY))
    assert told["text"] == told["streamed"] == told["final"]
    assert told["usage"] == told["streamed_usage"] > 0
    assert told["request_id"].startswith("req_")
    assert told["provider"] == "simulator"
    assert len(told["embeddings"]) == 2
    assert {"demo-chat", "demo-embed"} <= set(told["models"])
    assert told["large"] >= 50_000
    assert told["without_v1"][:2] == ["NotFoundError", 404]
    assert "base URL ends in /v1" in told["without_v1"][2]
    assert told["wrong_key"] == ["AuthenticationError", 401, "invalid_api_key"]


def curl(path, url, *more):
    options = ("-sS", "-i", "--noproxy", "*", "-H", f"Authorization: Bearer {KEY}")
    head, _, body = run(path, *options, *more, url).replace("\r\n", "\n").rpartition("\n\n")
    return [line for line in head.split("\n") if line.startswith("HTTP/")], head, body


@pytest.mark.parametrize("path", [program("curl")])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--http2"],
        ["--http1.0"],
        ["--json"],
        ["-H", "Expect: 100-continue"],
        ["-H", "Transfer-Encoding: chunked"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("pad", [0, 100_000])
def test_curl(demo, path, options, pad, tmp_path):
    """What people paste into a terminal, and what old scripts and health checks speak."""
    file = tmp_path / "body.json"
    file.write_text(json.dumps(QUESTION) + " " * pad)
    given = ["--data-binary", f"@{file}", "-H", "Content-Type: application/json"]
    if options == ["--json"]:
        options, given = [], ["--json", f"@{file}"]
    statuses, head, body = curl(path, f"{demo.base_url}/chat/completions", *options, *given)
    assert statuses[-1] == "HTTP/1.1 200 OK"
    assert not [status for status in statuses[:-1] if "100" not in status]
    assert json.loads(body)["choices"][0]["message"]["content"]
    assert "transfer-encoding" not in head


@pytest.mark.parametrize("path", [program("curl")])
@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress], ids=["gzip", "zstd"])
def test_curl_with_a_compressed_body(demo, path, pack, tmp_path):
    file = tmp_path / "body"
    file.write_bytes(pack(json.dumps(QUESTION).encode()))
    coding = pack.__module__.rpartition(".")[2].removesuffix("lib")
    headers = [
        "-H",
        "Content-Type: application/json",
        "-H",
        f"Content-Encoding: {'gzip' if coding == 'gzip' else 'zstd'}",
    ]
    statuses, _, body = curl(path, f"{demo.base_url}/chat/completions", "--data-binary", f"@{file}", *headers)
    assert statuses == ["HTTP/1.1 200 OK"]
    assert json.loads(body)["choices"]


@pytest.mark.parametrize("path", [program("curl")])
def test_curl_of_http_1_0_streams_and_asks_for_heads(demo, path):
    stream = json.dumps(QUESTION | {"stream": True})
    given = ["--http1.0", "-N", "--data", stream, "-H", "Content-Type: application/json"]
    _, head, _ = curl(path, f"{demo.base_url}/chat/completions", *given)
    assert head.startswith("HTTP/1.1 200")
    assert "data: {" in head
    assert "\n\ndata: [DONE]" in head + "\n\n"
    assert "transfer-encoding" not in head.partition("\n\n")[0]
    for url in (f"{demo.base_url}/models", f"{demo.url}/healthz"):
        statuses, _, body = curl(path, url, "--head")
        assert (statuses, body) == (["HTTP/1.1 200 OK"], "")


def test_langchain(demo):
    from langchain_core.tools import tool  # noqa: PLC0415 - two seconds, for one test
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings  # noqa: PLC0415
    from pydantic import BaseModel  # noqa: PLC0415

    class Weather(BaseModel):
        """The weather of a city."""

        city: str
        degrees: int

    @tool
    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        return f"sunny in {city}"

    where = {"base_url": demo.base_url, "api_key": KEY, "max_retries": 0}
    chat = ChatOpenAI(model="demo-chat", stream_usage=True, max_completion_tokens=200, **where)
    answer = chat.invoke("Hello")
    assert answer.content
    assert answer.usage_metadata
    assert answer.usage_metadata["total_tokens"] > 0
    chunks = list(chat.stream("Hello"))
    assert "".join(str(chunk.content) for chunk in chunks) == answer.content
    assert sum(chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata) > 0
    [call] = chat.bind_tools([get_weather], tool_choice="get_weather").invoke("How is it in Bonn?").tool_calls
    assert get_weather.invoke(call).content.startswith("sunny in")
    assert isinstance(chat.with_structured_output(Weather).invoke("How is it in Bonn?"), Weather)
    assert len(chat.batch(["a", "b", "c"])) == 3
    vectors = OpenAIEmbeddings(model="demo-embed", check_embedding_ctx_length=False, **where).embed_documents(
        ["a", "b"]
    )
    assert [len(vector) > 1 for vector in vectors] == [True, True]


@pytest.mark.parametrize("browser", [program("chromium", "chromium-browser", "google-chrome")])
@pytest.mark.timeout(LIMIT_S)
def test_a_page_of_another_origin_in_a_browser(demo, site, browser):
    """C37: its preflight, its calls, its streams, and the headers that it may read."""
    asked = urlencode({"base": demo.base_url, "key": KEY})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [browser, *CHROMIUM, f"--user-data-dir={profile}", f"{site.origin}/page?{asked}"]
        command.append("--remote-debugging-port=0")  # keeps it open until it is ended
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True) as process:
            try:
                told = site.told.get(timeout=LIMIT_S / 2)
            finally:
                os.killpg(process.pid, signal.SIGKILL)  # it has children
    assert "error" not in told, told
    assert (told["origin"], told["status"]) == (site.origin, 200)
    assert told["text"]
    assert told["request_id"].startswith("req_")
    assert float(told["cost"]) > 0
    assert told["streamed"].endswith("data: [DONE]\n\n")
    assert told["refused"] == [401, "invalid_api_key"]
    assert told["models"] >= 2

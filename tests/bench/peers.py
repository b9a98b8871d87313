"""Other gateways on the same core with the same upstream and load; they join a run when installed.

`python -m tests.bench.peers` installs them under .bench/peers. docs/performance.md says what they lack here.
"""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import sys
import venv
from typing import TYPE_CHECKING

import yaml

from tests.bench.candidates import Service, Site
from tests.bench.processes import ROOT, family, running, until_answering
from tests.bench.workloads import WORKLOADS
from tests.support.servers.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FOLDER = ROOT / ".bench" / "peers"
# Pinned on purpose: some LiteLLM releases on PyPI were compromised (1.107.0 is named). The OpenTelemetry
# SDK is not in its `proxy` extra, yet without it every request re-imports a module: it would look slower.
LITELLM = ("litellm[proxy]==1.106.2", "opentelemetry-sdk==1.45.2")
PORTKEY = "@portkey-ai/gateway@1.15.2"
# As npm installs it on Node 20, streams and embeddings all end as HTTP 500: it adds headers to a fetched Response,
# whose headers are immutable. Copying such a Response first is our one change; the table says "patched".
_IMMUTABLE = "this.updateHeaders(i,n.cacheStatus,o),{response:i"
_COPIED = (
    'i=(x=>{try{return x.headers.delete("x-none"),x}catch{return new Response(x.body,'
    "{status:x.status,headers:new Headers(x.headers)})}})(i),"
)
_LITELLM_PROGRAM = FOLDER / "litellm" / "bin" / "litellm"
_PORTKEY_PROGRAM = (
    FOLDER / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
)


def litellm_installed() -> bool:
    return _LITELLM_PROGRAM.exists()


def portkey_installed() -> bool:
    return _PORTKEY_PROGRAM.exists() and shutil.which("node") is not None


@contextlib.asynccontextmanager
async def litellm(site: Site) -> AsyncIterator[Service]:
    """LiteLLM's proxy as a file configures it: a master key, no database, so no budgets and no ledger."""
    key = "sk-" + secrets.token_hex(16)
    upstream = {"api_base": f"http://127.0.0.1:{site.upstream}/v1", "api_key": "sk-upstream"}
    rows = [
        {"model_name": f"bench-{one.model}", "litellm_params": {"model": f"openai/{one.model}", **upstream}}
        for one in WORKLOADS.values()
    ]
    config = site.folder / "litellm.yaml"
    config.write_text(yaml.safe_dump({"model_list": rows, "general_settings": {"master_key": key}}))
    port, log = free_port(), site.folder / "litellm.log"
    argv = [str(_LITELLM_PROGRAM), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
    argv += ["--num_workers", "1", "--telemetry", "False"]
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
    async with running(argv, core=site.cores.gateway, log=log, env=env) as process:
        await until_answering(f"http://127.0.0.1:{port}/health/liveliness", process, log)
        headers = {"Authorization": f"Bearer {key}"}
        yield Service("LiteLLM 1.106.2", port, "bench-", headers, family(process.pid))


@contextlib.asynccontextmanager
async def portkey(site: Site) -> AsyncIterator[Service]:
    """Portkey's open gateway as npm installs it: it authenticates, limits and meters nothing."""
    port, log = free_port(), site.folder / "portkey.log"
    argv = [shutil.which("node") or "node", str(_PORTKEY_PROGRAM), f"--port={port}", "--headless"]
    # A custom host on loopback is refused unless the operator trusts it.
    env = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
    async with running(argv, core=site.cores.gateway, log=log, env=env) as process:
        await until_answering(f"http://127.0.0.1:{port}/", process, log)
        headers = {
            "Authorization": "Bearer sk-upstream",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{site.upstream}/v1",
        }
        yield Service("Portkey 1.15.2 (patched)", port, "", headers, family(process.pid))


def install() -> None:
    """Install both into .bench/peers; Portkey only where npm is."""
    if not litellm_installed():
        venv.create(FOLDER / "litellm", with_pip=True)
        python = FOLDER / "litellm" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "--quiet", *LITELLM], check=True)
    npm = shutil.which("npm")
    if npm is None:
        sys.stdout.write("npm is not on PATH: Portkey is left out\n")
    elif not portkey_installed():
        folder = FOLDER / "portkey"
        folder.mkdir(parents=True, exist_ok=True)
        argv = [
            npm,
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
            str(folder),
            PORTKEY,
        ]
        subprocess.run(argv, check=True)
    if portkey_installed():
        _patch_portkey()


def _patch_portkey() -> None:
    program = _PORTKEY_PROGRAM.read_text()
    if _COPIED not in program and program.count(_IMMUTABLE) == 1:
        _PORTKEY_PROGRAM.write_text(program.replace(_IMMUTABLE, _COPIED + _IMMUTABLE))


if __name__ == "__main__":
    install()

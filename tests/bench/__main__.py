"""`make bench`: measure the gateway and, beside it, what is installed of its peers, in one session."""

from __future__ import annotations

import argparse
import asyncio
import pstats
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.bench import failover, peers, wrk
from tests.bench.candidates import Site, gateway
from tests.bench.machine import facts
from tests.bench.processes import ROOT, DidNotStart, spread, upstream
from tests.bench.report import Report, save, table
from tests.bench.session import BenchFailed, Plan, Session, faults
from tests.bench.workloads import WORKLOADS
from tests.support.stores import stores

SERVICES = ("direct", "gateway", "litellm", "portkey")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    add = parser.add_argument
    add("--seconds", type=float, default=5.0, help="of each row, after one second of warm-up")
    add(
        "--only",
        type=names_of(WORKLOADS),
        default="chat,stream,embed",
        help="chat, stream, framed, embed, translated, translated-stream or none",
    )
    add("--clients", default="1,64", help="how many connections ask at once")
    add("--services", type=names_of(SERVICES), default=",".join(SERVICES), help="peers join when installed")
    add(
        "--generator",
        choices=("auto", "wrk", "bundled"),
        default="auto",
        help="auto: wrk where it is installed",
    )
    add("--install-peers", action="store_true", help="first install LiteLLM and Portkey into .bench")
    add("--slow-streams", type=int, default=0, metavar="N", help="also N slow streams started over 2 s")
    add("--profile", type=Path, metavar="FILE", help="run the gateway under cProfile, which halves its speed")
    add("--failover", action="store_true", help="measure only what it costs when the first deployment fails")
    add("--keep", action="store_true", help="keep the scratch folder with data and logs")
    return parser.parse_args()


def names_of(known: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    """Return a reader of comma-separated names that refuses unknown ones; `none` is no name at all."""

    def names(text: str) -> tuple[str, ...]:
        found = tuple(name for name in text.split(",") if name not in {"", "none"})
        if unknown := set(found) - set(known):
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}"
            )
        return found

    return names


def plan_of(options: argparse.Namespace) -> Plan:
    return Plan(
        seconds=options.seconds,
        workloads=options.only,
        clients=tuple(int(count) for count in options.clients.split(",")),
        services=options.services,
        slow_streams=options.slow_streams,
        uses_wrk=options.generator == "wrk" or (options.generator == "auto" and wrk.path() is not None),
    )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def bench(options: argparse.Namespace) -> int:
    cores, plan = spread(), plan_of(options)
    profile = str(options.profile.absolute()) if options.profile else ""
    report = Report(facts(), plan.seconds, rows=[], slow=[])
    (ROOT / ".bench").mkdir(exist_ok=True)
    folder = Path(
        tempfile.mkdtemp(prefix="run-", dir=ROOT / ".bench")
    )  # beside the sources: a real disk, not /tmp
    say(f"{report.machine.cpu}, {cores}; load average {report.machine.load_average[0]:.1f}; scratch {folder}")
    mode = "production mode, on PostgreSQL and Redis" if stores.are_shared() else "embedded mode"
    say(f"{mode}; load by {'wrk' if plan.uses_wrk else 'the bundled generator'}")
    async with upstream(sys.executable, cores.upstream) as port:
        site = Site(folder, cores, port, profile=profile)
        await Session(plan, site, report, say).run()
    say("\n" + table(report))
    say(f"\nsaved: {save(report, ROOT / 'bench-results').relative_to(ROOT)}")
    if not options.keep:
        shutil.rmtree(folder)
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
    for fault in faults(report):
        say(f"FAILED: {fault}")
    return 1 if faults(report) else 0


async def failover_bench() -> int:
    """Measure failover; the bar is on the median."""
    (ROOT / ".bench").mkdir(exist_ok=True)
    cores = spread()
    with tempfile.TemporaryDirectory(prefix="run-", dir=ROOT / ".bench") as folder:
        async with upstream(sys.executable, cores.upstream) as port:
            site = Site(Path(folder), cores, port, rows=failover.rows(port))
            async with gateway(site) as service:
                found = await asyncio.to_thread(failover.measure, service)
    say(str(found))
    return 0


def main() -> int:
    try:
        options = arguments()
        if options.failover:
            return asyncio.run(failover_bench())
        if options.install_peers:
            peers.install()
        return asyncio.run(bench(options))
    except (DidNotStart, BenchFailed, failover.WrongAnswer) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())

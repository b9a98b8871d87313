"""`make bench`: measure the gateway and, beside it, what is installed of its peers, in one session."""

from __future__ import annotations

import argparse
import asyncio
import pstats
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench.candidates import Site
from tests.bench.machine import facts
from tests.bench.processes import ROOT, DidNotStart, spread, upstream
from tests.bench.report import Report, save, table
from tests.bench.session import BenchFailed, Plan, Session, faults

SERVICES = ("direct", "gateway", "litellm", "portkey")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each row, after one second of warm-up")
    parser.add_argument(
        "--only", default="chat,stream,embed", help="workloads: chat, stream, framed, embed; none = none"
    )
    parser.add_argument("--clients", default="1,64", help="how many connections ask at once")
    parser.add_argument("--services", default=",".join(SERVICES), help="peers join when installed")
    parser.add_argument(
        "--slow-streams", type=int, default=0, metavar="N", help="also N slow streams started over 2 s"
    )
    parser.add_argument(
        "--profile",
        type=str_path,
        default="",
        metavar="FILE",
        help="run the gateway under cProfile (slower by half)",
    )
    parser.add_argument("--keep", action="store_true", help="keep the scratch folder with data and logs")
    return parser.parse_args()


def plan_of(options: argparse.Namespace) -> Plan:
    return Plan(
        seconds=options.seconds,
        workloads=tuple(name for name in options.only.split(",") if name not in {"", "none"}),
        clients=tuple(int(count) for count in options.clients.split(",")),
        services=tuple(options.services.split(",")),
        slow_streams=options.slow_streams,
    )


def str_path(text: str) -> str:
    return str(Path(text).resolve())


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def bench(options: argparse.Namespace) -> int:
    cores, plan = spread(), plan_of(options)
    report = Report(facts(), plan.seconds, rows=[], slow=[])
    (ROOT / ".bench").mkdir(exist_ok=True)
    folder = Path(
        tempfile.mkdtemp(prefix="run-", dir=ROOT / ".bench")
    )  # beside the sources: a real disk, not /tmp
    say(f"{report.machine.cpu}, {cores}; load average {report.machine.load_average[0]:.1f}; scratch {folder}")
    async with upstream(sys.executable, cores.upstream) as port:
        site = Site(folder, cores, port, profile=options.profile)
        await Session(plan, site, report, say).run()
    say("\n" + table(report))
    say(f"\nsaved: {save(report, ROOT / 'bench-results').relative_to(ROOT)}")
    if not options.keep:
        shutil.rmtree(folder)
    if options.profile:
        pstats.Stats(options.profile).sort_stats("tottime").print_stats(30)
    for fault in faults(report):
        say(f"FAILED: {fault}")
    return 1 if faults(report) else 0


def main() -> int:
    try:
        return asyncio.run(bench(arguments()))
    except (DidNotStart, BenchFailed) as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())

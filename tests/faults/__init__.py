"""Which tests each fault has that was found by attack or in public reports: ROWS, read by
tests/architecture/test_faults_have_tests.py.

The names are those of the list of faults: M money, D availability, A access, L crashes, P stores, W known weaknesses,
R money with real providers (its A1 to A7), B and C real providers, clients and operators, S further small ones,
O on-call work, T texts (its 3.2), U the administration (its 3.3). A test is named by its file below `tests/` and its
function, both without `test_`.
"""

from __future__ import annotations

from tests.faults import clients, operators, people, promise, providers, streams

ROWS = {
    row: tests
    for part in (promise, providers, streams, clients, operators, people)
    for row, tests in part.ROWS.items()
}

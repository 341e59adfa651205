"""The store's own tests, behind pgbouncer in transaction mode."""

from tests.integration.store.test_circuit_breaker import *  # noqa: F403 -- collected again with this folder's databases
from tests.integration.store.test_claims import *  # noqa: F403
from tests.integration.store.test_outbox import *  # noqa: F403
from tests.integration.store.test_submissions import *  # noqa: F403

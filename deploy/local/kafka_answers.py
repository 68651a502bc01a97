"""Asking a broker whether it answers, as a client would."""

import asyncio
import threading
from concurrent.futures import Future

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from deploy.local.ports import answers


def answers_metadata(bootstrap_servers: str) -> bool:
    """Whether the broker answers a metadata request within a second; may be asked with or without a running loop."""
    if not answers(int(bootstrap_servers.rpartition(":")[2])):
        return False  # spares a client that would log the refused connection
    outcome: Future[bool] = Future()
    threading.Thread(target=lambda: outcome.set_result(asyncio.run(_asks(bootstrap_servers))), daemon=True).start()
    return outcome.result()


async def _asks(bootstrap_servers: str) -> bool:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=1000)
    try:
        await client.start()
        return bool((await client.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()

"""One record through a broker, as any client would send and read it."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic


async def round_trip(bootstrap_servers: str, topic: str) -> list[bytes]:
    """Create the topic, send one record, read the topic from its beginning."""
    await create(bootstrap_servers, topic)
    await send(bootstrap_servers, topic, b"bizz ordered")
    return await read(bootstrap_servers, topic)


async def create(bootstrap_servers: str, topic: str) -> None:
    """A topic of one partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def send(bootstrap_servers: str, topic: str, value: bytes) -> None:
    """Send one record and wait until it is acknowledged."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait(topic, value, key=b"bizz-4711")


async def read(bootstrap_servers: str, topic: str) -> list[bytes]:
    """The first records of the topic."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap_servers, auto_offset_reset="earliest")
    await consumer.start()
    try:
        fetched = await consumer.getmany(timeout_ms=10_000)
        return [record.value for records in fetched.values() for record in records]
    finally:
        await consumer.stop()

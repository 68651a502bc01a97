"""Settings: read from the environment, checked at start; production refuses what only development may have."""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class KafkaSettings(BaseSettings):
    """How to reach the broker, and what it promises."""

    model_config = SettingsConfigDict(env_prefix="KAFKA_", frozen=True)

    bootstrap_servers: str = "127.0.0.1:8192"
    replication_factor: int = 1
    min_insync_replicas: int = 1
    idempotence: bool = True
    """Off only for the embedded broker, which does not know idempotent producers."""
    session_timeout_ms: int = 10_000
    """A consumer that is silent for so long gives up its partitions; a broker's own lower bound is usually 6,000."""
    heartbeat_interval_ms: int = 3_000
    topic_prefix: str = "selfservice"


class ServiceSettings(BaseSettings):
    """What every service is told."""

    model_config = SettingsConfigDict(frozen=True)

    environment: Literal["development", "production"] = "development"
    host: str = "127.0.0.1"
    port: int = Field(default=8100, ge=0, le=65535)
    database_url: SecretStr
    """Where the service's own role logs in: it owns nothing, adds to the log and keeps its views."""
    database_owner_url: SecretStr | None = None
    """Where the owner logs in, to make tables and to build views anew; unset, nothing is made, only looked at."""
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    revocations_within_seconds: float = Field(default=30.0, gt=0, le=30)
    """How long ago revocations may have been heard last for a command to be taken (S-16); only ever stricter."""

    @model_validator(mode="after")
    def production_is_not_development(self) -> Self:
        """One broker copy, or a producer that may write twice, is for development only."""
        if self.environment == "production":
            wrong = [
                name
                for name, bad in {
                    "KAFKA_REPLICATION_FACTOR must be at least 3": self.kafka.replication_factor < 3,
                    "KAFKA_MIN_INSYNC_REPLICAS must be at least 2": self.kafka.min_insync_replicas < 2,
                    "KAFKA_IDEMPOTENCE must be on": not self.kafka.idempotence,
                }.items()
                if bad
            ]
            if wrong:
                raise ValueError("; ".join(wrong))
        return self

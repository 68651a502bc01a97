"""`python -m services.gateway`"""

import uvicorn

from services.gateway.service import NAME, Settings, build
from shared.logs import configure_logs

if __name__ == "__main__":
    settings = Settings()
    configure_logs(NAME, json=settings.environment == "production")
    uvicorn.run(
        build(settings)[0],
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        loop="uvloop",
        http="httptools",
        proxy_headers=False,  # who asks is decided by `limits.address_of`, and nothing else from those headers counts
        server_header=False,
        timeout_graceful_shutdown=5,
    )

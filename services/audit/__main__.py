"""`python -m services.audit`"""

from services.audit.service import NAME, build
from shared.backbone import serve
from shared.settings import ServiceSettings

if __name__ == "__main__":
    settings = ServiceSettings()
    serve(build(settings)[1], settings, NAME)

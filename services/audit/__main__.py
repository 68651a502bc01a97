"""`python -m services.audit`"""

from services.audit.service import NAME, Settings, build
from shared.backbone import serve

if __name__ == "__main__":
    settings = Settings()
    serve(build(settings)[1], settings, NAME)

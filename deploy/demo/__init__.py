"""One company's day, played against a running system over HTTP only, as a stranger would."""

"""What touches the world: the services, the exchange of sessions for tokens, the caught mails."""

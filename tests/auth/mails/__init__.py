"""What auth mails, caught by a real mail server."""

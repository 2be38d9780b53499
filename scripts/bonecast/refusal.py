"""The base of every error that the user, and not the code, has to put right."""


class Refusal(Exception):
    """An input cannot be used; the message says whose, what was found and what to do."""

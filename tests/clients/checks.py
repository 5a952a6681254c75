"""What the Python clients share: a check is a function that runs at once and prints one line."""

import sys


def version(client, number):
    print(f"client\t{client}\t{number}", flush=True)


def check(name):
    """Runs the function below and prints whether it ended without an error."""

    def run(function):
        try:
            function()
        except Exception as error:  # a check fails on whatever the client raises
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            print(f"fails\t{name}\t{reason[:300]}", flush=True)
        else:
            print(f"works\t{name}", flush=True)
        return function

    return run


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"{found!r} is not {expected!r}")


def raises(kind, action):
    """The error that an action must end in."""
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def done():
    sys.exit(0)

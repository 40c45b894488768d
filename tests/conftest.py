"""What all tests share."""

import signal

# A shell that runs the tests in its background has them ignore Ctrl-C, and the programs they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

"""The lower floor: sources become documents, documents become an index.

Knows nothing of questions, models that chat, or pages. `app` imports from
here; nothing here imports from `app`.
"""

import sys
from importlib.util import find_spec


class UserError(Exception):
    """A fault that the user can mend: one line that says what happened and what to do.

    Command lines print it without a traceback and exit with status 2; the page
    shows it as it stands.
    """


# Both command lines come here first: without the environment they would end in a traceback of some package.
if find_spec("dotenv") is None:
    print(
        "This Python has none of the required packages: run `make install`, then `source .venv/bin/activate`.",
        file=sys.stderr,
    )
    raise SystemExit(2)

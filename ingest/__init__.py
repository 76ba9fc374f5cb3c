"""The lower floor: sources become documents, documents become an index.

Knows nothing of questions, models that chat, or pages. `app` imports from
here; nothing here imports from `app`.
"""


class UserError(Exception):
    """A fault that the user can mend: one line that says what happened and what to do.

    Command lines print it without a traceback and exit with status 2; the page
    shows it as it stands.
    """

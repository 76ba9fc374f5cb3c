"""What a model holds of a request that is to be answered by Yes or No, as log-odds.

One model in one way: the packaged one by a linear probe of its logits, which knows more than its first word says;
any other by how likely the word Yes was against the word No.
"""

from app.meter import Metered
from app.probe import Kind
from app.reply import LIKELIEST


def view(chat: Metered, messages: list[dict[str, str]], kind: Kind) -> float | None:
    """Log-odds of Yes; None when the reply tells none, or the request is cancelled. Raises `ModelError`."""
    if chat.probe is None:
        return chat.complete(messages, max_tokens=1, logprobs=LIKELIEST).log_odds("yes", "no")
    reply = chat.complete(messages, max_tokens=1, tokens=chat.probe.tokens)
    return chat.probe.log_odds(kind, reply.shares)

"""The chat models that a question may choose among: those of the settings, at one endpoint.

At an endpoint a model costs nothing until it is asked. Embedded, each is a server of its own, loaded
when it is first chosen, the default at once; all that were chosen stay loaded, so that no answer waits
for another one's model to be put back, and one for which memory is short is refused. Nothing is ever
chosen but by name: a model that fails is not replaced by another.
"""

import threading
from collections.abc import Mapping, Sequence

from app.endpoint import Endpoint
from app.meter import Metered, Price, read_prices
from app.model import OPENAI, ChatModel, open_model
from ingest import UserError
from ingest.address import loopback
from ingest.settings import Settings


class Models:
    """Chat models by id; the first is the default. Safe to use from several threads."""

    def __init__(
        self, models: Mapping[str, ChatModel], prices: Mapping[str, Price] | None = None, others: Sequence[str] = ()
    ) -> None:
        """`others`: hosts elsewhere that get questions and passages besides the models' own (`sent_besides`)."""
        self._models, self._prices, self._others = dict(models), dict(prices or {}), tuple(others)

    @property
    def default(self) -> ChatModel:
        """The model that is asked when none is named."""
        return next(iter(self._models.values()))

    def get(self, model_id: str | None = None) -> ChatModel:
        """The model with this id, the default for None. Raises `UserError` naming the choices."""
        if model_id is None:
            return self.default
        if model_id not in self._models:
            choices = ", ".join(self._models)
            raise UserError(f"There is no model {model_id!r} here: choose one of {choices} (CHAT_MODEL, CHAT_MODELS).")
        return self._models[model_id]

    def metered(self, model_id: str | None = None, cancelled: threading.Event | None = None) -> Metered:
        """The same for one question: its tokens are counted, and `cancelled` ends its requests."""
        model = self.get(model_id)
        chosen = next(name for name, known in self._models.items() if known is model)
        return Metered(model, self._prices.get(chosen), cancelled)

    def listed(self) -> list[dict[str, str]]:
        """What a user may choose from, the default first: `id`, `name`, `where`, and `state`.

        `state` is "ready", "loading", "failed", or "unloaded": loaded when it is first asked.
        """
        return [
            {"id": model_id, "name": model.name, "where": model.where, "state": model.state}
            for model_id, model in self._models.items()
        ]

    def describe_one(self, model_id: str | None = None) -> str:
        """Which model this is, where, and what leaves the machine when it is asked. Raises `UserError` as `get`."""
        return self.get(model_id).describe(self._others)

    def describe(self) -> str:
        """One line for the start: which model is asked, where, what leaves the machine, and what else there is.

        An endpoint of which no model is named is asked for its list.
        """
        self.default.find()
        others = [model.name for model in self._models.values() if model is not self.default]
        return self.describe_one() + (f" Also to choose: {', '.join(others)}." if others else "")

    def close(self) -> None:
        """Stop the embedded servers and the clients' threads."""
        for model in self._models.values():
            model.close()


def open_models(settings: Settings) -> Models:
    """CHAT_MODEL (the default) and those of CHAT_MODELS. Raises `UserError` as `open_model` does."""
    first = settings.chat_model or (settings.chat_models[0] if settings.chat_models else None)
    default = open_model(settings, first)
    models = {first or default.name: default}
    prices = read_prices(settings.chat_price, next(iter(models)))
    for name in settings.chat_models:
        if name not in models:
            models[name] = open_model(settings, name, load=False)
    if unknown := prices.keys() - models.keys():
        raise UserError(f"CHAT_PRICE names {', '.join(sorted(unknown))}, which is not in CHAT_MODEL or CHAT_MODELS.")
    return Models(models, prices, sent_besides(settings))


def sent_besides(settings: Settings) -> tuple[str, ...]:
    """Hosts on other machines that make or keep the vectors of questions and passages."""
    embedding = settings.embedding_base_url or (OPENAI if settings.embedding_model else "")
    urls = (embedding, settings.chroma_url or "")
    return tuple(dict.fromkeys(Endpoint(url, None).host for url in urls if url and not loopback(url)))

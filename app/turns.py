"""Whose turn it is at a model that answers so many requests at a time: first come, first served."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush
from itertools import count


class Turns:
    """The turns of one model, for the tasks of one event loop.

    A request holds its turn while the model answers it, whether or not anyone reads what it writes, and waits
    for nothing meanwhile: so no reader can keep a turn, and no two questions can wait for each other.
    """

    def __init__(self, at_once: int | None) -> None:
        """`at_once`: requests that have their turn at the same time; None: all that come."""
        self._free = float("inf") if at_once is None else at_once
        self._came = count()
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def held(self, begun: bool) -> AsyncIterator[None]:
        """Wait for a turn and hold it; a cancel ends either at once.

        `begun` says that the same question has had a turn before: it has waited already, so it goes before
        all that have not.
        """
        await self._take(begun)
        try:
            yield
        finally:
            self._give_back()

    async def _take(self, begun: bool) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (not begun, next(self._came), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn came together with the cancel
                self._give_back()
            raise

    def _give_back(self) -> None:
        """Pass the turn on to the first of those that still wait."""
        while self._waiting:
            *_, turn = heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

"""A room of readers on the Attention page, each a websocket that speaks Streamlit's protocol as a browser does.

They open the page one after the other, then each acts every two seconds, out of step with the others: most choose a head and
a cell, some take another example. A reply's time runs from sending the action to the last byte of what comes back.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from urllib.parse import urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from components.canvas import plate
from components.i18n import Words

READERS, PAUSE, ACTS = 100, 2.0, 10
TURNING = 0.1  # how many of the acts take another text
TEXTS = tuple(Words("en")(f"presets.{name}.text") for name in ("sky", "agreement", "gift", "repeat", "counting", "translation"))
ANSWERED = (ForwardMsg.FINISHED_SUCCESSFULLY, ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY)
APOLOGY = '<p class="v-note"'


def room(address: str, readers: int = READERS, acts: int = ACTS) -> list[float]:
    """Seconds of every reply to `readers` people who act `acts` times each. Raises `RuntimeError` for an answer that is none."""
    return asyncio.run(_gathered(address, readers, acts))


def knock(address: str) -> None:
    """Open the page once and wait until it is whole."""
    room(address, readers=1, acts=0)


async def _gathered(address: str, readers: int, acts: int) -> list[float]:
    async with AsyncExitStack() as doors:
        present = [await _entered(doors, address, random.Random(seed)) for seed in range(readers)]
        start = time.perf_counter()
        stays = [reader.stay(start + PAUSE * place / readers, acts) for place, reader in enumerate(present)]
        return [seconds for replies in await asyncio.gather(*stays) for seconds in replies]


async def _entered(doors: AsyncExitStack, address: str, dice: random.Random) -> Reader:
    stream = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
    socket = await doors.enter_async_context(connect(stream, subprotocols=[Subprotocol("streamlit")], max_size=None, compression=None))
    reader = Reader(socket, dice, dice.choice(TEXTS))
    await reader.ask()
    return reader


@dataclass(frozen=True, slots=True)
class Theatre:
    """The theatre as the server named it, its fragment, and how much there is to choose from."""

    id: str
    fragment: str
    layers: int
    heads: int
    tokens: int


@dataclass(slots=True)
class Reader:
    """One open page: its text, what the server said of it, and the big messages it keeps, as a browser does."""

    socket: ClientConnection
    dice: random.Random
    text: str
    page: str = ""
    area: str = ""
    theatre: Theatre | None = None
    kept: set[str] = field(default_factory=set)

    async def stay(self, start: float, acts: int) -> list[float]:
        """Act at `start` (of `time.perf_counter`) and every two seconds after; the seconds of each reply."""
        replies = []
        for turn in range(acts):
            await asyncio.sleep(max(0.0, start + PAUSE * turn - time.perf_counter()))
            replies.append(await (self.take_another_text() if self.dice.random() < TURNING else self.choose_a_head()))
        return replies

    async def choose_a_head(self) -> float:
        """Another head, row and column. Raises `RuntimeError` where the page came without its theatre."""
        theatre, dice = self.theatre, self.dice
        if theatre is None:
            raise RuntimeError(f"no theatre came with {self.text!r}")
        head = {"layer": dice.randrange(theatre.layers), "head": dice.randrange(theatre.heads)}
        query = dice.randrange(theatre.tokens)
        events = json.dumps([{"event": "choice", "value": {**head, "query": query, "key": dice.randint(0, query), "sink": True}}])
        return await self.ask(WidgetState(id=f"$$STREAMLIT_INTERNAL_KEY_{theatre.id}__events", json_trigger_value=events), theatre.fragment)

    async def take_another_text(self) -> float:
        """Another of the texts everybody reads."""
        self.text = self.dice.choice([text for text in TEXTS if text != self.text])
        return await self.ask(WidgetState(id=self.area, string_value=self.text))

    async def ask(self, state: WidgetState | None = None, fragment: str = "") -> float:
        """Ask for a run, of one fragment or of all, and take in the answer: its seconds."""
        message = BackMsg()
        run = message.rerun_script
        run.query_string, run.page_script_hash, run.fragment_id = urlencode({"text": self.text}), self.page, fragment
        run.cached_message_hashes.extend(self.kept)
        run.context_info.locale = "en"
        run.widget_states.widgets.extend([state] if state else [])
        start = time.perf_counter()
        await self.socket.send(message.SerializeToString())
        while not self.hear(await self.socket.recv(decode=False)):
            pass
        return time.perf_counter() - start

    def hear(self, data: bytes) -> bool:
        """Take in one message; whether it was the last of an answer."""
        message = ForwardMsg()
        message.ParseFromString(data)
        if message.metadata.cacheable:
            self.kept.add(message.hash)
        match message.WhichOneof("type"):
            case "delta":
                self.note(message)
            case "new_session":
                self.page = message.new_session.page_script_hash
            case "script_finished":
                return message.script_finished in ANSWERED
        return False

    def note(self, message: ForwardMsg) -> None:
        """Remember the theatre and the text's field. Raises `RuntimeError` for an apology, which is no answer."""
        element, fragment = message.delta.new_element, message.delta.fragment_id
        match element.WhichOneof("type"):
            case "bidi_component" if element.bidi_component.component_name == "vitrine.theatre":
                scene, _ = plate.split(element.bidi_component.bytes)
                self.theatre = Theatre(element.bidi_component.id, fragment, scene["layers"], scene["heads"], len(scene["tokens"]))
            case "text_area":
                self.area = element.text_area.id
            case "html" if element.html.body.startswith(APOLOGY):
                raise RuntimeError(f"the page apologised: {element.html.body}")
            case "exception":
                raise RuntimeError(f"the page failed: {element.exception.message}")

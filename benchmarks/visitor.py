"""A visitor of the page without a browser: what Streamlit's own client sends, and what it waits for."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any
from urllib.parse import urlencode

from aiohttp import (
    ClientConnectionError,
    ClientSession,
    ClientWebSocketResponse,
    CookieJar,
    FormData,
    WSMessage,
    WSMsgType,
)
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

__all__ = ["PageFault", "Visitor", "visiting"]

XSRF = "_streamlit_xsrf"


class PageFault(Exception):  # noqa: N818 (a fault of the page, not of this program)
    """The page answered with an error, or not at all."""


class Visitor:
    """One tab: its socket, and the widgets that the page has drawn in it."""

    def __init__(
        self, url: str, http: ClientSession, socket: ClientWebSocketResponse, token: str
    ) -> None:
        self._url = url
        self._http = http
        self._socket = socket
        self._token = token
        self._came = asyncio.Queue[WSMessage]()
        self._session = ""
        self._uploader = ""
        self._numbers = count(1)
        self.resent = 0
        """Requests that were sent once more."""

    async def listen(self) -> None:
        """Take what comes until the socket ends, as a browser does whatever its page is at: pings are answered so."""
        while True:
            message = await self._socket.receive()
            self._came.put_nowait(message)
            if message.type is not WSMsgType.BINARY:
                return

    async def ask(self, picture: BackMsg | None = None, /, **address: str) -> None:
        """Have the page drawn as an address says; returns once it is. Raises PageFault."""
        message = picture or BackMsg()
        message.rerun_script.query_string = urlencode(address)
        await self._socket.send_bytes(message.SerializeToString())
        while True:
            answer = await self._next()
            match answer.WhichOneof("type"):
                case "new_session":
                    self._session = answer.new_session.initialize.session_id
                case "delta":
                    self._look_at(answer)
                case "script_finished":
                    return

    async def upload(self, name: str, content: bytes) -> None:
        """Drop a picture on the search bar; returns once the page shows what is like it. Raises PageFault."""
        wish = BackMsg()
        wish.file_urls_request.request_id = str(next(self._numbers))
        wish.file_urls_request.session_id = self._session
        wish.file_urls_request.file_names.append(name)
        await self._socket.send_bytes(wish.SerializeToString())
        while (answer := await self._next()).WhichOneof("type") != "file_urls_response":
            pass
        (urls,) = answer.file_urls_response.file_urls
        await self._send("PUT", urls.upload_url, (name, content))
        dropped = BackMsg()
        state = dropped.rerun_script.widget_states.widgets.add(id=self._uploader)
        info = state.file_uploader_state_value.uploaded_file_info.add(
            name=name, size=len(content), file_id=urls.file_id
        )
        info.file_urls.CopyFrom(urls)
        await self.ask(dropped)
        await self._send("DELETE", urls.delete_url)

    async def fetch(self, path: str) -> None:
        """What an <img> asks for. Raises PageFault."""
        await self._send("GET", path)

    async def _send(self, method: str, path: str, file: tuple[str, bytes] | None = None) -> None:
        """Once more where the server hung up, which it may do just as a request comes on a connection that rested.

        So do browsers, whatever the method, where nothing of an answer has come: at last on a new connection.
        """
        try:
            await self._send_over(self._http, method, path, file)
        except ClientConnectionError:
            self.resent += 1
            async with ClientSession(self._url, cookie_jar=self._http.cookie_jar) as anew:
                await self._send_over(anew, method, path, file)

    async def _send_over(
        self, http: ClientSession, method: str, path: str, file: tuple[str, bytes] | None
    ) -> None:
        options: dict[str, Any] = {"headers": {"X-Xsrftoken": self._token}}
        if file:
            form = options["data"] = FormData()
            name, content = file
            form.add_field("file", io.BytesIO(content), filename=name, content_type="image/jpeg")
        async with http.request(method, path, **options) as answer:
            await answer.read()
            if answer.status >= 400:
                raise PageFault(f"{method} {path.split('/')[1]}: {answer.status}")

    async def _next(self) -> ForwardMsg:
        message = await self._came.get()
        if message.type is not WSMsgType.BINARY:
            self._came.put_nowait(message)  # for whoever asks again
            raise PageFault(f"the socket ended: {message.type.name}")
        answer = ForwardMsg()
        answer.ParseFromString(message.data)
        return answer

    def _look_at(self, answer: ForwardMsg) -> None:
        element = answer.delta.new_element
        match element.WhichOneof("type"):
            case "exception":
                raise PageFault(element.exception.message)
            case "alert":
                raise PageFault(element.alert.body)
            case "html" if element.html.body.startswith('<div class="glimpse-error"'):
                raise PageFault(element.html.body)
            case "file_uploader":
                self._uploader = element.file_uploader.id


@asynccontextmanager
async def visiting(url: str) -> AsyncIterator[Visitor]:
    """A new visitor, who has opened the page and sees nothing yet."""
    async with ClientSession(
        url, cookie_jar=CookieJar(unsafe=True)
    ) as http:  # of an address without a name
        async with http.get("/") as page:
            await page.read()
        async with http.get("/_stcore/health"):
            pass
        token = next(cookie.value for cookie in http.cookie_jar if cookie.key == XSRF)
        socket = http.ws_connect("/_stcore/stream", protocols=("streamlit", token), max_msg_size=0)
        async with socket as stream:
            visitor = Visitor(url, http, stream, token)
            listening = asyncio.create_task(visitor.listen())
            try:
                yield visitor
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError):
                    await listening

"""The WSGI application: MX under `/atrium`, Google under `/google`, Facebook under `/facebook`, mail under `/inbox`,
the control API under `/_sandbox`, a page at `/`.

Another pretended service is a module with an `includeme`, named in `PARTS` with its prefix.
"""

from pyramid.config import Configurator
from pyramid.exceptions import URLDecodeError
from pyramid.request import Request
from pyramid.response import Response
from pyramid.router import Router

from .gate import PREFIX
from .wire import JSON_CONTENT_TYPE, VENDOR_CONTENT_TYPE, Refusal, add_renderers, json_response
from .world import World

PARTS = (
    ("donkies.sandbox.atrium", PREFIX),
    ("donkies.sandbox.control", None),
    ("donkies.sandbox.pages", None),
    ("donkies.sandbox.consent", None),
    ("donkies.sandbox.widget", None),
    ("donkies.sandbox.social", None),
    ("donkies.sandbox.inbox", None),
)


def make_app(world: World) -> Router:
    """Build the application around a world."""
    config = Configurator(settings={})
    config.registry.world = world
    config.add_request_method(lambda request: world, "world", reify=True)
    config.add_request_method(lambda request: None, "fault", reify=True)
    add_renderers(config)
    config.add_tween("donkies.sandbox.gate.gate_factory")
    config.add_exception_view(refuse, context=Refusal)
    config.add_exception_view(refuse_address, context=URLDecodeError)
    config.add_notfound_view(refuse_route)
    for module, prefix in PARTS:
        config.include(module, route_prefix=prefix)
    return config.make_wsgi_app()


def refuse(refusal: Refusal, request: Request) -> Response:
    """Answer with MX's error body; only MX's own paths bear its content type."""
    is_mx = request.environ["PATH_INFO"].startswith(PREFIX)
    return json_response(refusal.body(), refusal.status, VENDOR_CONTENT_TYPE if is_mx else JSON_CONTENT_TYPE)


def refuse_address(error: URLDecodeError, request: Request) -> Response:
    return refuse(Refusal(404, "Invalid route"), request)


def refuse_route(request: Request) -> Response:
    return refuse(Refusal(404, "Invalid route"), request)

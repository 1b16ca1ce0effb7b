"""What `bot.freqtrade_internals.api` leans on in freqtrade's API server, one test a touch point."""

from __future__ import annotations

import inspect

from freqtrade.freqtradebot import FreqtradeBot
from freqtrade.rpc.api_server import api_auth, deps
from freqtrade.rpc.api_server.webserver import ApiServer


def test_the_strategy_is_made_before_the_api_server() -> None:
    text = inspect.getsource(FreqtradeBot.__init__)
    assert text.index("StrategyResolver.load_strategy") < text.index("RPCManager(self)")


def test_the_private_router_is_behind_authentication_and_the_socket_router_is_not() -> None:
    text = inspect.getsource(ApiServer.configure_app)
    private = text[text.index("            api_v1,\n") :][:200]
    assert "dependencies=[Depends(http_basic_or_jwt_token)]" in private
    assert 'app.include_router(ws_router, prefix="/api/v1")' in text


def test_authentication_takes_what_our_dependencies_pass() -> None:
    door = inspect.signature(api_auth.http_basic_or_jwt_token).parameters
    assert tuple(door) == ("form_data", "token", "api_config")
    assert tuple(inspect.signature(api_auth.validate_ws_token).parameters) == ("ws", "ws_token", "api_config")
    assert inspect.iscoroutinefunction(api_auth.validate_ws_token)


def test_a_request_reads_trades_in_a_session_of_its_own() -> None:
    assert inspect.isasyncgenfunction(deps.get_rpc)
    assert "Trade.session.remove()" in inspect.getsource(deps.get_rpc)
    assert "ApiServer._has_rpc" in inspect.getsource(deps.get_rpc_optional)


def test_the_config_of_the_api_is_that_of_the_newest_bot() -> None:
    assert "ApiServer._config = config" in inspect.getsource(ApiServer.__init__)
    assert "return ApiServer._config" in inspect.getsource(deps.get_config)

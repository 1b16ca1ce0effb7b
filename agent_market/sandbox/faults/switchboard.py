"""Faults for a FastAPI app: the middleware and the switchboard routes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI

from agent_market.sandbox.faults.board import FaultRegistry
from agent_market.sandbox.faults.middleware import ADMIN_PREFIX, FaultMiddleware
from agent_market.sandbox.faults.spec import FaultPlan


def install(app: FastAPI, board: FaultRegistry) -> None:
    """Make `app` suffer the board's faults, and add `GET`, `PUT` and `DELETE /admin/faults`.

    Call it before the app serves its first request. Several apps may share one board; then a `count` is
    shared too.
    """
    app.add_middleware(FaultMiddleware, board=board)
    app.include_router(_routes(board), prefix=ADMIN_PREFIX)


def _routes(board: FaultRegistry) -> APIRouter:
    router = APIRouter(tags=["faults"])

    @router.get("/faults")
    def faults() -> dict[str, Any]:
        """Every fault that is set, with its state and hits."""
        return board.report()

    @router.put("/faults")
    def set_faults(plan: FaultPlan) -> dict[str, Any]:
        """Replace all faults. A wrong key or value is a 422 that names it; the old faults then stay."""
        board.set(plan)
        return board.report()

    @router.delete("/faults")
    def clear_faults() -> dict[str, Any]:
        """Take all faults away."""
        board.clear()
        return board.report()

    return router

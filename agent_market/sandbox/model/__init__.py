"""An OpenAI-compatible model server whose models are documented rules: no language model, and it says so."""

from agent_market.sandbox.model.app import create_model_app

__all__ = ["create_model_app"]

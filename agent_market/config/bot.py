"""The running bot: kill switch, alerts, Telegram, background jobs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from agent_market.config.base import Settings

AlertLevel = Literal["info", "warning", "critical", "off"]


class AlertSettings(Settings):
    """Which alerts leave the bot by themselves; `off` = none."""

    telegram: AlertLevel = "warning"
    """Least level that goes to Telegram. `telegram.notification_settings` of freqtrade holds as well."""
    webhook: AlertLevel = "warning"
    """Least level that goes to freqtrade's webhook (`webhookstatus`) and API."""


class TelegramSettings(Settings):
    """Our commands in freqtrade's Telegram; who may use them is freqtrade's `telegram.chat_id` and users."""

    commands: bool = True
    """Join Telegram, where freqtrade's is enabled."""
    keyboard: tuple[str, ...] = ("/agents", "/why", "/risk", "/plan")
    """Keys added below freqtrade's keyboard; empty = none."""
    base_url: str | None = Field(default=None, pattern=r"^https?://\S+/bot$")
    """Bot API server instead of Telegram's, as `http://127.0.0.1:8081/bot`; it receives the bot's token."""


class BotSettings(Settings):
    """The running bot (`freqtrade trade`)."""

    folder: str = "{user_data}/agent_market"
    """Folder of the kill switch, breaker state and risk journal; one a bot. `{user_data}` is filled in."""
    confirm_minutes: float = Field(default=10.0, gt=0)
    """Mode `confirm`: an entry not confirmed within this time is refused."""
    manual_after_s: float = Field(default=30.0, gt=0)
    """Seconds without an answer from the exchange after which the stops of open trades are listed in
    `manual_orders.csv`, to be placed by hand."""
    alerts_kept: int = Field(default=500, ge=1)
    """Newest alerts kept in memory."""
    alerts: AlertSettings = AlertSettings()
    """Alerts over Telegram and webhook."""
    telegram: TelegramSettings = TelegramSettings()
    """Commands over Telegram."""


class JobSettings(Settings):
    """Work beside trading: light jobs in the bot, the others in `agent-market worker`. 0 switches one off."""

    in_bot: bool = True
    """Run the light jobs on a thread of the bot."""
    outcomes_minutes: float = Field(default=5.0, ge=0)
    """Light: outcomes that candles show by now, also of pairs that are seldom decided on."""
    trades_minutes: float = Field(default=5.0, ge=0)
    """Light: trades and fills that were not mirrored when they happened, from freqtrade's database."""
    costs_minutes: float = Field(default=5.0, ge=0)
    """Light: what models cost today, alerted once a day from `costs_alert` of a cap on."""
    costs_alert: float = Field(default=0.8, gt=0, le=1)
    """Share of a day's cap on calls, tokens or money from which it is alerted."""
    memory_hours: float = Field(default=24.0, ge=0)
    """Lane search: layers and importance up to now (a month's re-assessment included), and index files."""
    texts_hours: float = Field(default=6.0, ge=0)
    """Lane think: vectors of texts that have none yet; only where `memory.text.embedder` is set."""
    graph_days: float = Field(default=7.0, ge=0)
    """Lane search: a look for edges of the knowledge graph; it looks once a week at most."""
    backup_hours: float = Field(default=24.0, ge=0)
    """Lane sense: a copy of the store in `user_data/backups`; older ones go as with `agent-market backup`."""
    when: dict[str, str] = Field(default_factory=dict)
    """Other times, by the name of the job: cron fields with or without a time zone
    (`30 7 * * 1-5 Europe/Berlin`), an interval (`every 6 h`), or `off`."""
    timezone: str = "UTC"
    """Time zone of cron fields that name none; that of the daily review (00:10) too."""
    retry_minutes: float = Field(default=15.0, gt=0)
    """A job that failed or was killed is tried again after so long, or after its interval if that is less."""

"""Names by which a model could recognise a market or a moment: the one authority of masking and audit.

The tables cover what is often in the news; a config adds to them with `agents.masked_names`, and the
symbols of the traded pairs are always in. Words of everyday language that are also coins (near, flow, dot,
link, optimism) stand here by their tickers only, and tickers count in upper case only, or every text would
be full of holes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

OWN = "ASSET"
CASH = "CASH"

COINS: Mapping[str, tuple[str, ...]] = {
    "BTC": ("bitcoin", "bitcoins", "xbt", "btc"),
    "ETH": ("ethereum", "ether", "eth"),
    "BNB": ("bnb", "binance coin"),
    "XRP": ("xrp", "Ripple"),
    "SOL": ("solana",),
    "ADA": ("cardano",),
    "DOGE": ("dogecoin", "doge"),
    "TRX": ("Tron", "tronix"),
    "TON": ("toncoin",),
    "DOT": ("polkadot",),
    "LINK": ("chainlink",),
    "MATIC": ("Polygon",),
    "POL": (),
    "LTC": ("litecoin", "ltc"),
    "BCH": ("bitcoin cash",),
    "ETC": ("ethereum classic",),
    "AVAX": ("Avalanche",),
    "ATOM": ("Cosmos",),
    "UNI": ("uniswap",),
    "XLM": ("Stellar",),
    "XMR": ("monero",),
    "SHIB": ("shiba inu", "shiba"),
    "PEPE": ("pepecoin",),
    "FIL": ("filecoin",),
    "APT": ("Aptos",),
    "ARB": ("arbitrum",),
    "OP": (),
    "NEAR": (),
    "INJ": ("injective",),
    "SUI": ("Sui",),
    "HBAR": ("hedera",),
    "ICP": ("internet computer",),
    "AAVE": ("aave",),
    "MKR": ("makerdao",),
    "ALGO": ("algorand",),
    "VET": ("vechain",),
    "EOS": ("eos",),
    "XTZ": ("tezos",),
    "LUNA": ("Luna", "Terra", "terrausd"),
    "LUNC": ("terra classic",),
    "UST": (),
    "FTT": (),
    "CRV": ("curve finance",),
    "WIF": ("dogwifhat",),
    "WLD": ("worldcoin",),
    "TRUMP": (),
}
"""Ticker -> names. A name in lower case counts in any case; one with a capital only as it stands."""

CASHES = ("USDT", "USDC", "BUSD", "TUSD", "FDUSD", "DAI", "USD", "EUR", "tether", "stablecoin USD")

NAMED: Mapping[str, tuple[str, ...]] = {
    "FIRM": (
        "binance", "coinbase", "kraken", "bitfinex", "bitstamp", "bybit", "okx", "huobi", "kucoin",
        "ftx", "alameda", "celsius", "voyager digital", "blockfi", "three arrows capital", "3ac",
        "genesis trading", "grayscale", "blackrock", "microstrategy", "tesla", "bitmex", "mt gox",
        "silicon valley bank", "svb", "silvergate", "signature bank", "credit suisse", "jpmorgan",
        "goldman sachs", "evergrande", "robinhood", "paypal", "bakkt", "gemini earn", "terraform labs",
    ),
    "PERSON": (
        "satoshi nakamoto", "vitalik buterin", "vitalik", "elon musk", "Musk", "sam bankman fried", "sbf",
        "changpeng zhao", "do kwon", "gary gensler", "gensler", "jerome powell", "Powell", "janet yellen",
        "michael saylor", "saylor", "donald trump", "Trump", "joe biden", "Biden", "justin sun",
        "christine lagarde",
    ),
    "AUTHORITY": (
        "federal reserve", "fed chair", "fomc", "ecb", "SEC", "CFTC", "treasury department", "el salvador",
        "peoples bank of china", "pboc", "doj", "european central bank", "bank of japan",
    ),
    "EVENT": (
        "halving", "halvening", "Merge", "ethereum merge", "shapella", "dencun", "taproot", "segwit",
        "etf approval", "spot etf", "spot bitcoin etf", "covid", "covid 19", "coronavirus", "pandemic",
        "black thursday", "crypto winter", "china ban", "super bowl", "ukraine invasion", "brexit",
        "debt ceiling", "election day",
    ),
}  # fmt: skip
"""What a name is replaced with -> the names."""

_WORD = re.compile(r"[A-Za-z0-9]+")
_QUOTES = ("USDT", "USDC", "BUSD", "FDUSD", "USD", "EUR", "BTC", "ETH", "PERP")
_WIDEST_GAP = 3
_TO_WORDS = bytes(ord(chr(i).lower()) if i < 128 and chr(i).isalnum() else ord(" ") for i in range(256))


@dataclass(frozen=True, slots=True)
class Hit:
    """A name found at `start` to `end` of a text. `label` is what stands for it, or a coin's ticker."""

    start: int
    end: int
    label: str
    is_coin: bool


def words_of(text: str) -> list[bytes]:
    """The words of `text`, lower case, ten times as fast as by a regular expression."""
    return text.encode("utf-8", "replace").translate(_TO_WORDS).split()


class Vocabulary:
    """Finds names in a text, in time proportional to its words."""

    def __init__(self, pairs: Iterable[str] = (), names: Collection[str] = ()) -> None:
        """
        :param pairs: traded pairs such as `BTC/USDT` or `BTC/USDT:USDT`; their symbols count.
        :param names: further names, in any case.
        """
        # First word, in lower case -> (following words, exact first word or None, label, is coin).
        self._entries: dict[str, list[tuple[tuple[str, ...], str | None, str, bool]]] = {}
        symbols = {symbol for pair in pairs for symbol in re.split(r"[/:\-_]", pair) if symbol}
        for ticker, known_as in COINS.items():
            self._add_coin(ticker, known_as)
        for symbol in sorted(symbols - set(COINS) - set(CASHES)):
            self._add_coin(symbol.upper(), ())
        for name in CASHES:
            self._add(name, CASH, False)
        for label, known in NAMED.items():
            for name in known:
                self._add(name, label, False)
        for name in names:
            self._add(name.lower(), "NAME", False)
        for entries in self._entries.values():
            # The longest first: "bitcoin cash" is not bitcoin.
            entries.sort(key=lambda entry: -len(entry[0]))
        self._first = frozenset(word.encode() for word in self._entries)

    def is_clean(self, words: Collection[bytes]) -> bool:
        """Whether no name can be in a text of these words (`words_of`); False means that one may be."""
        return self._first.isdisjoint(words)

    def find(self, text: str) -> Iterator[Hit]:
        """Names in `text`, from left to right, not overlapping."""
        words = list(_WORD.finditer(text))
        i = 0
        while i < len(words):
            hit, used = self._at(text, words, i)
            if hit is not None:
                yield hit
            i += used

    def _at(self, text: str, words: list[re.Match[str]], i: int) -> tuple[Hit | None, int]:
        first = words[i]
        for rest, exact, label, is_coin in self._entries.get(first.group().lower(), ()):
            if exact is not None and first.group() != exact:
                continue
            following = words[i + 1 : i + 1 + len(rest)]
            if tuple(word.group().lower() for word in following) != rest:
                continue
            run = [first, *following]
            if all(b.start() - a.end() <= _WIDEST_GAP for a, b in pairwise(run)):
                return Hit(first.start(), run[-1].end(), label, is_coin), len(run)
        return None, 1

    def _add_coin(self, ticker: str, names: tuple[str, ...]) -> None:
        """A ticker and its names. One that is a number counts with its quote only: "4" is in every prompt."""
        if not ticker.isdecimal():
            self._add(ticker, ticker, True)
        for name in names:
            self._add(name, ticker, True)
        for quote in _QUOTES:
            self._add(f"{ticker}{quote}", ticker, True)

    def _add(self, name: str, label: str, is_coin: bool) -> None:
        """One name; with a capital in it, its first word counts only as it stands."""
        words = _WORD.findall(name)
        if not words:
            return
        exact = words[0] if words[0].lower() != words[0] else None
        rest = tuple(word.lower() for word in words[1:])
        self._entries.setdefault(words[0].lower(), []).append((rest, exact, label, is_coin))

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
    "BTC": (
        *("bitcoin", "bitcoins", "xbt", "btc", "satoshis", "sats", "wbtc", "cbbtc", "tbtc"),
        *("gbtc", "ibit", "fbtc", "arkb", "bitb", "btco", "btcw", "ezbc", "bito", "bitx", "BITI"),
    ),
    "ETH": (
        *("ethereum", "ether", "eth", "weth", "steth", "wsteth", "cbeth", "reth"),
        *("etha", "ethe", "feth", "ethw", "ceth", "qeth", "ethv", "ezet"),
    ),
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
        "mstr", "MARA", "RIOT",
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
_ANY_CASE = frozenset({"USDT", "USDC", "BUSD", "FDUSD", "USD", "PERP"})
"""Quotes whose pairs are recognised in any case: `btcusdt` is not a word, while `teeth` is one."""
_GLUED = (*_QUOTES, "ETF", "ETFS", "FUTURES")
_WIDEST_GAP = 3
_ALIAS = re.compile(r"COIN-\d")
_LONG = 6
"""Letters from which on a name is recognised inside a longer word and with a sign between its letters."""
_SPLIT_BY_SPACE = frozenset({"bitcoin", "bitcoins", "ethereum", "dogecoin", "litecoin", "filecoin"})
"""Long names that are not two everyday words, as `black rock` is."""
_EVERYDAY = frozenset(
    {"NEAR", "OP", "DOT", "LINK", "TON", "ATOM", "APT", "VET", "TRUMP", "POL", "FIL", "UNI"}
)
"""Tickers that are words, or parts of ordinary names, in lower case."""
_CAPITALS = frozenset(
    {
        *("ALL", "AND", "ANY", "ARE", "BUT", "FOR", "HAS", "ITS", "MAY", "NOT", "NOW", "ONE", "OUT", "THE"),
        *("TOO", "TWO", "USE", "WAS", "WIN", "YES", "HIGH", "LOW", "LONG", "SHORT", "OPEN", "CLOSE", "BUY"),
        *("SELL", "HOLD", "ENTER", "EXIT", "WAIT", "STAY", "RISK", "STOP", "GAIN", "LOSS", "FAST", "SLOW"),
        *("HOT", "COLD", "FUN", "GAS", "BIG", "TOP", "NEW", "OLD", "MAX", "MIN", "AVG", "STD", "SUM", "LOG"),
        *("ATR", "RSI", "EMA", "SMA", "ROC", "ADX", "OBV", "MFI", "CCI", "VWAP", "MACD", "VIX", "DXY", "SPX"),
        *("API", "JSON", "UTC", "ETF", "IPO", "CPI", "GDP", "FED", "USA", "NFT", "DEX", "CEX", "DAO", "TVL"),
        *("PNL", "ROI", "LLM", "NAN", "NULL", "TRUE", "ASSET", "COIN", "CASH", "NAME", "FIRM", "PERSON"),
        *("AUTHORITY", "EVENT", "DATE", "AMOUNT", "WITHHELD"),
    }
)
"""Capitals of ordinary text and prompts: as symbols they count where they are traded, or with their quote."""
_PAIRED = frozenset("/-:_")
_LISTED = 3
"""Letters from which on a symbol of the exchange counts without its quote."""
_TO_WORDS = bytes(ord(chr(i).lower()) if i < 128 and chr(i).isalnum() else ord(" ") for i in range(256))


CASH_WORDS = frozenset(name.lower() for name in CASHES)


def _symbols(pairs: Iterable[str]) -> set[str]:
    return {symbol.upper() for pair in pairs for symbol in re.split(r"[/:\-_]", pair) if symbol}


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

    def __init__(
        self, pairs: Iterable[str] = (), names: Collection[str] = (), markets: Iterable[str] = ()
    ) -> None:
        """
        :param pairs: traded pairs such as `BTC/USDT` or `BTC/USDT:USDT`, resolved (`universe_of`); their
            symbols count.
        :param names: further names, in any case.
        :param markets: every market of the exchange, where known.  Their symbols count too, but for short
            ones and everyday words in capitals, which count with their quote only.
        """
        # A long name in lower case -> (label, is coin): found within words, and split by signs.
        self._long: dict[str, tuple[str, bool]] = {}
        self._short: set[str] = set()
        """Symbols that are not names on their own: `4`, `A`, `ONE`; in `A/USDT` they are."""
        # First word, in lower case -> (following words, exact first word or None, label, is coin).
        self._entries: dict[str, list[tuple[tuple[str, ...], str | None, str, bool]]] = {}
        symbols = _symbols(pairs)
        traded = {re.split(r"[/:\-_]", pair)[0].upper() for pair in pairs} - set(CASHES)
        for ticker, known_as in COINS.items():
            self._add_coin(ticker, known_as)
        for symbol in sorted(symbols - set(COINS) - set(CASHES)):
            self._add_coin(symbol.upper(), ())
        for symbol in sorted(traded & set(COINS) - _EVERYDAY):
            self._add(symbol.lower(), symbol, True)
        for symbol in sorted(_symbols(markets) - symbols - set(COINS) - set(CASHES)):
            self._add_listed(symbol)
        for name in CASHES:
            self._add(name, CASH, False)
        for label, known in NAMED.items():
            for name in known:
                self._add_name(name, label, False)
        for name in names:
            self._add_name(name.lower(), "NAME", False)
        self._beginnings = frozenset(name[:n] for name in self._long for n in range(1, len(name)))
        self._long_bytes = tuple(
            name.encode() for name in self._long if not any(o != name and o in name for o in self._long)
        )
        # Names of series are in lower case: there a ticker counts in any case.
        self._tickers = {
            **{ticker.lower(): ticker for ticker in COINS if ticker not in _EVERYDAY},
            **{symbol.lower(): symbol for symbol in traded if not symbol.isdecimal()},
        }
        for entries in self._entries.values():
            # The longest first: "bitcoin cash" is not bitcoin.
            entries.sort(key=lambda entry: -len(entry[0]))
        self._first = frozenset(word.encode() for word in self._entries)

    def is_clean(self, words: Collection[bytes]) -> bool:
        """Whether no name can be in a text of these words (`words_of`); False means that one may be."""
        if not self._first.isdisjoint(words):
            return False
        glued = b"".join(words)
        return not any(name in glued for name in self._long_bytes)

    def find(self, text: str, is_series: bool = False) -> Iterator[Hit]:
        """Names in `text`, from left to right, not overlapping.

        :param is_series: the text is the name of a series, such as `funding_sol`: tickers count in any case.
        """
        words = list(_WORD.finditer(text))
        i = ended = 0
        while i < len(words):
            hit, used = self._at(text, words, i)
            if hit is not None and i and not hit.is_coin and words[i - 1].start() >= ended:
                hit = self._with_base(text, words[i - 1], hit) or hit
            if hit is None and is_series:
                hit = self._ticker(words[i])
            if hit is None:
                hit, used = self._spelled(text, words, i)
            if hit is not None:
                ended = hit.end
                yield hit
            i += used

    def _with_base(self, text: str, before: re.Match[str], quote: Hit) -> Hit | None:
        """The pair that ends with `quote`, where its base is a symbol that is not a name on its own."""
        is_pair = quote.label == CASH and text[before.end() : quote.start] in _PAIRED
        base = before.group()
        return Hit(before.start(), quote.end, base, True) if is_pair and base in self._short else None

    def _ticker(self, word: re.Match[str]) -> Hit | None:
        known = self._tickers.get(word.group().lower())
        return None if known is None else Hit(word.start(), word.end(), known, True)

    def _spelled(self, text: str, words: list[re.Match[str]], i: int) -> tuple[Hit | None, int]:
        """A long name within a word (`BitcoinETF`), or split by single signs (`bit-coin`)."""
        word = words[i].group().lower()
        for name, (label, is_coin) in self._long.items():
            if name in word:
                return Hit(words[i].start(), words[i].end(), label, is_coin), 1
        spelled, is_apart, are_letters = word, False, len(word) == 1
        for used in range(1, len(words) - i):
            before, after = words[i + used - 1].end(), words[i + used].start()
            if spelled not in self._beginnings or after - before > 1:
                break
            if _ALIAS.match(text, after):  # "bit COIN-1" is what masking left
                break
            is_apart = is_apart or text[before:after].isspace()
            piece = words[i + used].group().lower()
            spelled, are_letters = spelled + piece, are_letters and len(piece) == 1
            for name, (label, is_coin) in self._long.items():
                if spelled.startswith(name) and (are_letters or not is_apart or name in _SPLIT_BY_SPACE):
                    return Hit(words[i].start(), words[i + used].end(), label, is_coin), used + 1
        return None, 1

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
        if len(ticker) > 1 and not ticker.isdecimal():
            self._add(ticker, ticker, True)
        for name in names:
            self._add_name(name, ticker, True)
        self._add_quoted(ticker)

    def _add_listed(self, symbol: str) -> None:
        """A symbol of the exchange that is not traded here."""
        if len(symbol) >= _LISTED and not symbol.isdecimal() and symbol not in _CAPITALS:
            self._add(symbol, symbol, True)
        self._add_quoted(symbol)

    def _add_quoted(self, ticker: str) -> None:
        for quote in _GLUED:
            pair = f"{ticker}{quote}"
            in_any_case = quote in _ANY_CASE and len(ticker) >= _LISTED
            self._add(pair.lower() if in_any_case else pair, ticker, True)
        if len(ticker) < _LISTED or ticker.isdecimal() or ticker in _CAPITALS:
            self._short.add(ticker)

    def _add_name(self, name: str, label: str, is_coin: bool) -> None:
        """A name that is spoken; a long one is also found within words and split by signs."""
        self._add(name, label, is_coin)
        if len(name) >= _LONG and name.isalpha() and name.isascii() and name.islower():
            self._long.setdefault(name, (label, is_coin))

    def _add(self, name: str, label: str, is_coin: bool) -> None:
        """One name; with a capital in it, its first word counts only as it stands."""
        words = _WORD.findall(name)
        if not words:
            return
        exact = words[0] if words[0].lower() != words[0] else None
        rest = tuple(word.lower() for word in words[1:])
        self._entries.setdefault(words[0].lower(), []).append((rest, exact, label, is_coin))

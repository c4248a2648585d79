"""Remakes litellm_prices.json from a wheel of litellm, which is read as an archive and never imported.

python .ci/checks/litellm_extract.py litellm-….whl     (pip download --no-deps litellm)
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

from price_sources import litellm_facts, litellm_key

ROOT = Path(__file__).resolve().parents[2]
EXTRACT = Path(__file__).with_name("litellm_prices.json")
TABLE = "litellm/model_prices_and_context_window_backup.json"

sys.path.insert(0, str(ROOT))


def extract(wheel: Path) -> dict[str, object]:
    """The rows of our models, by the id of their price; null where litellm has none of exactly that id."""
    from core.ai.catalogue import Catalogue
    from core.ai.prices import PriceBook

    catalogue = Catalogue.load(ROOT / "data/models.yaml", PriceBook.load(ROOT / "data/prices"))
    with zipfile.ZipFile(wheel) as archive:
        table = json.loads(archive.read(TABLE), parse_float=Decimal)
    rows = {price_id: table.get(litellm_key(price_id)) for price_id in sorted({m.price for m in catalogue.all()})}
    return {
        "package": "litellm",
        "version": wheel.name.split("-")[1],
        "licence": "MIT",
        "wheel": wheel.name,
        "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest(),
        "models": {price_id: row and litellm_facts(price_id, row) for price_id, row in rows.items()},
    }


if __name__ == "__main__":
    EXTRACT.write_text(json.dumps(extract(Path(sys.argv[1])), indent=1) + "\n", "utf-8")

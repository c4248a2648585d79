"""What all tables share: their metadata with its names of keys, and the types of money and time."""

from __future__ import annotations

from sqlalchemy import DateTime, MetaData, Numeric

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)
Usd = Numeric(20, 9)
Credits = Numeric(18, 6)
Moment = DateTime(timezone=True)

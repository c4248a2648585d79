"""Storage: engine, scopes, tables, and every `*_dao.py`: the only SQL beside migrations."""

"""The API's routes, one file an area; each calls one service and puts its answer into a model."""

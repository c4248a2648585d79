"""How models are asked: gateway, routing, catalogue, prices and cache."""

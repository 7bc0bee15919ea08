"""The rooms: one package per service, and the places that put them together."""

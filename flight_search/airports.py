"""The airports behind what a passenger may name: an airport's code, a city, or a metropolitan code such as NYC."""

from __future__ import annotations

import csv
from collections import defaultdict
from importlib.resources import files


def airports_by_place() -> dict[str, list[str]]:
    """Return the airport codes of every place, by the place's name in lower case, from `data/cities.csv`."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    with (files("flight_search") / "data" / "cities.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            for place in {row["airport"], row["city"], row["city_code"]} - {""}:
                places[place.lower()].append(row["airport"])
    return dict(places)

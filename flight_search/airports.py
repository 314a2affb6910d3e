"""Places that a passenger may name: an airport's code, a city, or the code of several airports that serve one city."""

from __future__ import annotations

import csv
from collections import defaultdict
from importlib.resources import files


def airports_by_place() -> dict[str, list[str]]:
    """Give the airports of every place, by its name in lower case, from the package's data."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    with (files("flight_search") / "data" / "cities.csv").open(encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            for place in {row["airport"], row["city"], row["city_code"]} - {""}:
                places[place.lower()].append(row["airport"])
    return dict(places)

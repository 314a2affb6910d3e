"""The flight-search service of the Core Facilities, and the systems that call it."""

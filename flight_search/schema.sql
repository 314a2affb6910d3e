-- The facility's data: a real week of schedules (data/README.md), bookings and check-ins.
CREATE TABLE airlines (code text PRIMARY KEY, name text NOT NULL);

CREATE TABLE airports (
    code text PRIMARY KEY,
    name text NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    timezone text NOT NULL
);

CREATE TABLE cities (airport text PRIMARY KEY REFERENCES airports (code), city text NOT NULL, city_code text);

CREATE TABLE flights (
    date date NOT NULL,
    carrier text NOT NULL REFERENCES airlines (code),
    flight integer NOT NULL,
    origin text NOT NULL REFERENCES airports (code),
    destination text NOT NULL REFERENCES airports (code),
    scheduled_departure time NOT NULL,
    scheduled_arrival time NOT NULL,
    distance_miles integer NOT NULL,
    seats integer,
    PRIMARY KEY (date, carrier, flight)
);

CREATE INDEX flights_by_city ON flights (origin, destination, date);

CREATE TABLE bookings (
    reference bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    passenger text NOT NULL,
    date date NOT NULL,
    carrier text NOT NULL,
    flight integer NOT NULL,
    booked_at timestamptz NOT NULL DEFAULT now(),
    idempotency_key uuid UNIQUE, -- NULL if the request has none: such bookings are never taken for a repetition
    FOREIGN KEY (date, carrier, flight) REFERENCES flights
);

CREATE TABLE check_ins (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    passenger text NOT NULL,
    date date NOT NULL,
    carrier text NOT NULL,
    flight integer NOT NULL,
    checked_in_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (date, carrier, flight, passenger),
    FOREIGN KEY (date, carrier, flight) REFERENCES flights
);

-- A row for each lookup if the setting `sessions` is on; without a purge the table grows for ever (sessions.py).
CREATE TABLE sessions (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    begun_at timestamptz NOT NULL DEFAULT now(),
    looked_for text NOT NULL
);

CREATE INDEX sessions_by_age ON sessions (begun_at);

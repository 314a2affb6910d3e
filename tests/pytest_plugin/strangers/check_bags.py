import pytest
from bags import TABLE, careless, weight

psycopg2 = pytest.importorskip("psycopg2")
pool_module = pytest.importorskip("psycopg2.pool")


def pool_of(facility):
    pool = pool_module.ThreadedConnectionPool(2, 2, facility.dsn)
    with psycopg2.connect(facility.dsn) as connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
    connection.close()
    return pool


def test_bags_are_weighed_after_a_switchover(facility, no_leaks):
    pool = pool_of(facility)
    with no_leaks(pool):
        assert weight(pool) == 23
        facility.switchover()
        for _ in range(2):
            with pytest.raises(psycopg2.Error):
                weight(pool)
        assert weight(pool) == 23
    pool.closeall()


def test_careless_bags(facility, no_leaks):
    pool = pool_of(facility)
    no_leaks(pool)
    facility.switchover()
    with pytest.raises(psycopg2.Error):
        careless(pool)

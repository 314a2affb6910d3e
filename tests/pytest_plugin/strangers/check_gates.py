from fastapi.testclient import TestClient
from gates import TABLE, make_app
from sqlalchemy import text


def client(facility):
    app, engine = make_app(facility.url("psycopg"))
    with engine.begin() as connection:
        connection.execute(text(TABLE))
    return TestClient(app, raise_server_exceptions=False), engine


def test_gates_are_told_after_a_switchover(facility, no_leaks):
    asking, engine = client(facility)
    no_leaks(engine)
    assert asking.get("/gates/104").json() == "B22"
    facility.switchover()
    assert asking.get("/gates/104").json() == "B22"
    with facility.refuse():
        assert asking.get("/gates/104").status_code == 503
    assert asking.get("/gates/104").json() == "B22"
    engine.dispose()


def test_careless_gates(facility, no_leaks):
    asking, engine = client(facility)
    no_leaks(engine)
    assert asking.get("/careless/105").status_code == 500

"""The pytest plug-in: a database pair that can be moved and broken, pools that are watched for leaks, and whole nights as test cases.

    def test_it_goes_on_after_a_switchover(facility): ...

`plugin`: the fixtures; pytest loads it by its entry point, and it imports nothing else until a fixture is used. `outages`: a night as a
test case. `leaks/`: who took a connection and did not give it back. README.md has all of it on a page.

May import errors, pair, verdict, report and experiments.
"""

"""Real means of load, each a program of its own and the testbed's side of it.

`generator`: sends each request when it is due (a program). `client`: hands it the requests, and hears what became of them.
`burst`: thousands of connections at once (a program). `burst_client`: starts it, and hears what became of them.

May import errors, facility and observe.
"""

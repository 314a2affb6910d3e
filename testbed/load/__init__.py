"""Real means of load, each a program of its own and the testbed's side of it.

`generator`: sends each request when it is due (a program). `client`: sends it the requests, and reads how each ended.
`clock_offset`: compares the program's clock with ours, which may be another machine's.
`burst`: thousands of connections at once (a program). `burst_client`: starts it, and reads how they ended.
`door`: whom both programs let in.

May import errors, facility and observe.
"""
